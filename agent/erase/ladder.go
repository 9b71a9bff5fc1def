package erase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

// mostBegun is how often a command to the drive is begun that the machine does not live to see the end of.
const mostBegun = 2

// A drive that has erased itself may need a while before it answers again.
const (
	settleWithin = 5 * time.Minute
	settleGlance = time.Second
)

// byItself lets the drive empty itself, in the best way that it has and that is proven; false: it is to be overwritten.
func (d *disk) byItself(ctx context.Context) (empty bool, err error) {
	drive, ok := d.dev.(driver.SelfErasing)
	if !ok || d.mark.Over {
		return false, nil
	}
	rungs, err := drive.Rungs(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		d.attempt("the drive's own commands", protocol.AttemptFailed, "%v", err)
	}
	d.remember(rungs)
	for _, r := range rungs {
		v, err := d.climb(ctx, r)
		if err != nil || v == isEmpty {
			return v == isEmpty, err
		}
		if v == isLiar {
			d.mark.Lied = true
			break
		}
	}
	d.mark.Rung, d.mark.Witness, d.mark.Over = "", nil, true
	return false, d.save()
}

// verdict is what a rung has come to.
type verdict int

const (
	isLeft  verdict = iota // not emptied, and the drive did not claim it: the next rung may
	isEmpty                // proven
	isLiar                 // claimed, not proven
)

// climb tries one rung.
func (d *disk) climb(ctx context.Context, r driver.Rung) (verdict, error) {
	switch {
	case r.Unfit != "":
		d.once(r.Method, protocol.AttemptUnfit, r.Unfit)
		return isLeft, nil
	case d.over(r.Method) && !r.Running:
		return isLeft, nil
	case d.mark.Rung == r.Method && d.mark.Begun >= mostBegun && !r.Running:
		d.attempt(r.Method, protocol.AttemptFailed, "begun %d times, and the machine went away each time before the end", d.mark.Begun)
		return isLeft, nil
	}
	if err := driver.Check(ctx, d.dev, d.ref); err != nil {
		return isLeft, err
	}
	if err := d.announce(r); err != nil {
		return isLeft, err
	}
	err := d.order(ctx, r)
	switch {
	case err != nil && ctx.Err() != nil:
		return isLeft, errors.Join(err, ctx.Err()) // it goes on in the drive, and is picked up
	case errors.Is(err, driver.ErrUnsupported):
		d.attempt(r.Method, protocol.AttemptUnfit, "%v", err)
		return isLeft, nil
	case err != nil:
		d.attempt(r.Method, protocol.AttemptFailed, "%v", err)
		return isLeft, d.settled(ctx)
	}
	return d.judge(ctx, r)
}

// once tells what was not told before a restart.
func (d *disk) once(method, outcome, detail string) {
	if !d.over(method) {
		d.attempt(method, outcome, "%s", detail)
	}
}

// over tells whether a method was given up before a restart.
func (d *disk) over(method string) bool {
	return slices.ContainsFunc(d.out.Attempts, func(a protocol.Attempt) bool {
		return a.Method == method && a.Outcome != protocol.AttemptContinued
	})
}

// announce remembers what the drive is about to be told, before it is told.
func (d *disk) announce(r driver.Rung) error {
	switch {
	case r.Running:
		d.attempt(r.Method, protocol.AttemptContinued, "it was already running in the drive")
	case d.mark.Rung == r.Method:
		d.attempt(r.Method, protocol.AttemptContinued, "repeated after a restart")
	}
	if d.mark.Rung != r.Method {
		d.mark.Rung, d.mark.Begun = r.Method, 0
	}
	if !r.Running {
		d.mark.Begun++
	}
	return d.save()
}

// order tells the drive. Nothing can stop it then.
func (d *disk) order(ctx context.Context, r driver.Rung) error {
	over := d.job.Final(r.Silent)
	defer over()
	d.stand(0, r.Method)
	return r.Run(ctx, func(share float64) {
		d.stand(uint64(min(max(share, 0), 1)*float64(d.ref.SizeBytes)), r.Method)
	})
}

// judge reads back what a drive claims to have emptied.
func (d *disk) judge(ctx context.Context, r driver.Rung) (verdict, error) {
	err := d.settled(ctx)
	if err == nil {
		err = d.readBack(ctx)
	}
	switch {
	case err == nil:
		d.reached(r)
		d.proven(r.Method)
		return isEmpty, d.save()
	case ctx.Err() != nil:
		return isLeft, err
	case r.Scrambles && errors.Is(err, errLeft):
		return d.judgeNoise(ctx, r)
	case errors.Is(err, errLeft):
		d.attempt(r.Method, protocol.AttemptClaimed, "the drive said that it was done: %v", err)
		return isLiar, nil
	}
	d.attempt(r.Method, protocol.AttemptClaimed, "the drive said that it was done and cannot be read back: %v", err)
	return isLiar, nil
}

// reached notes that a rung has reached what no disk shows.
func (d *disk) reached(r driver.Rung) {
	if r.Whole {
		d.out.Unallocated = 0
	}
}

// judgeNoise decides about a drive that threw its key away and reads back as something else than zeros. The key is
// gone if every piece that was remembered has changed; empty it is when it reads as zeros after a discard.
func (d *disk) judgeNoise(ctx context.Context, r driver.Rung) (verdict, error) {
	kept, of, err := d.unchanged()
	switch {
	case err != nil:
		d.attempt(r.Method, protocol.AttemptClaimed, "the drive said that it was done and cannot be read back: %v", err)
		return isLiar, nil
	case of == 0:
		d.attempt(r.Method, protocol.AttemptClaimed, "the drive said that it was done; it does not read as zeros, and nothing could be remembered of before")
		return isLiar, nil
	case kept > 0:
		d.attempt(r.Method, protocol.AttemptClaimed, "the drive said that it was done, and %d of %d pieces are what they were before", kept, of)
		return isLiar, nil
	}
	told := fmt.Sprintf("all of %d remembered pieces have changed, and it reads as noise", of)
	if err := d.forget(ctx); err == nil {
		if err = d.readBack(ctx); err == nil {
			d.attempt(r.Method, protocol.AttemptDone, "%s; discarded", told)
			d.reached(r)
			d.proven(r.Method + " + discard")
			return isEmpty, d.save()
		}
		if ctx.Err() != nil {
			return isLeft, err
		}
	}
	d.attempt(r.Method, protocol.AttemptDone, "%s", told)
	return isLeft, nil
}

// settled waits until the drive answers reads again. It gives up with the last error.
func (d *disk) settled(ctx context.Context) error {
	buf := driver.Buffer(driver.Block)
	until := time.Now().Add(settleWithin)
	for {
		_, err := d.dev.ReadAt(buf, 0)
		if err == nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleGlance):
		}
	}
}
