package erase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

// disk is one disk in work.
type disk struct {
	*erasing
	ref  protocol.DiskRef
	out  *protocol.Erasure
	dev  driver.Disk
	mark mark
	now  reach // under erasing.mu
}

// erase empties one disk and proves it; out says what was done in any case.
func (d *disk) erase(ctx context.Context) (err error) {
	d.begin()
	defer func() {
		d.out.EndedAt = time.Now().UTC()
		if err != nil {
			err = fmt.Errorf("disk %s: %w", driver.Describe(d.ref), err)
			d.out.Error, d.out.Proven = err.Error(), false
		}
	}()
	if d.dev, err = driver.Open(ctx, d.disks, d.ref, driver.Write); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.dev.Close()) }()
	d.beyond(ctx)
	if empty, err := d.byItself(ctx); err != nil || empty {
		return err
	}
	return d.byHand(ctx)
}

// begin writes the head of the record, or goes on with that of before a restart.
func (d *disk) begin() {
	if d.mark.StartedAt.IsZero() {
		d.mark.StartedAt = time.Now().UTC()
	}
	*d.out = protocol.Erasure{
		Disk: d.ref, Method: overwriteZero, Attempts: append([]protocol.Attempt{}, d.mark.Attempts...),
		TotalBytes: d.ref.SizeBytes, StartedAt: d.mark.StartedAt,
	}
}

// beyond notes what of the drive no disk shows; what reaches it says so.
func (d *disk) beyond(ctx context.Context) {
	a, ok := d.dev.(driver.Allotting)
	if !ok {
		return
	}
	free, err := a.Unallocated(ctx)
	if err != nil {
		d.attempt("ask for what is in no namespace", protocol.AttemptFailed, "%v", err)
	}
	d.out.Unallocated = free
}

func (d *disk) size() int64 { return int64(d.ref.SizeBytes) }

// mostAttempts bounds what is told of a disk that restarts again and again.
const mostAttempts = 50

func (d *disk) attempt(method, outcome, format string, args ...any) {
	if len(d.out.Attempts) < mostAttempts {
		d.out.Attempts = append(d.out.Attempts, protocol.Attempt{Method: method, Outcome: outcome, Detail: fmt.Sprintf(format, args...)})
	}
}

// save remembers the mark, with what was tried so far.
func (d *disk) save() error {
	d.mark.Attempts = d.out.Attempts[:len(d.out.Attempts):len(d.out.Attempts)]
	return d.setMark(d.ref, d.mark)
}

// proven ends the erase: method has emptied the disk, and it was read back.
func (d *disk) proven(method string) {
	d.out.Method, d.out.Proven, d.out.Confidence = method, true, d.confidence()
	d.attempt(method, protocol.AttemptProven, "read back: %s", d.out.Confidence)
}
