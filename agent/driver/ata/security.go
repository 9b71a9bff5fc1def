package ata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
)

// Password is the user password of a drive while it erases itself, filled up with zeros to 32 bytes.
const Password = "steelyard-erase"

// Bounds of an erase whose time the drive does not tell, or tells too short.
const (
	leastTime   = 30 * time.Minute
	unknownTime = 24 * time.Hour
)

// Rungs lists the ways in which the drive can empty itself, best first. What an erase that was cut off left locked is
// unlocked before.
func (d Drive) Rungs() ([]driver.Rung, error) {
	const enhanced, normal = "ata security erase: enhanced", "ata security erase: normal"
	locked := d.release()
	id, err := d.Identify()
	if err != nil {
		return nil, err
	}
	s := id.Security
	why := unfit(s)
	if why == "" && locked != nil {
		why = locked.Error()
	}
	lacking := why
	if why == "" && !s.Enhanced {
		lacking = "the drive does not have it"
	}
	return []driver.Rung{
		{Method: enhanced, Unfit: lacking, Silent: bound(s.EnhancedTime), Run: func(ctx context.Context, tell func(float64)) error { return d.erase(ctx, true, s.EnhancedTime, tell) }},
		{Method: normal, Unfit: why, Silent: bound(s.Time), Run: func(ctx context.Context, tell func(float64)) error { return d.erase(ctx, false, s.Time, tell) }},
	}, nil
}

func unfit(s Security) string {
	switch {
	case !s.Supported:
		return "the drive does not have it"
	case s.Frozen:
		return "the firmware of the machine has frozen the drive's security; a suspend, or plugging the drive anew, thaws it"
	case s.Expired:
		return "too many wrong passwords; the drive takes another one only after a power cycle"
	}
	return ""
}

// release takes this program's password off a drive that an erase of it left with one.
func (d Drive) release() error {
	if err := d.unlock(); err != nil {
		return err
	}
	id, err := d.Identify()
	if err != nil || !id.Security.Enabled || id.Security.Frozen {
		return err
	}
	if _, err := d.do(Taskfile{Command: cmdDisablePassword, Count: 1}, pioOut, passwordBlock(0), quick); err != nil {
		return fmt.Errorf("the drive has a password that is not this program's: %w", err)
	}
	return nil
}

func (d Drive) unlock() error {
	id, err := d.Identify()
	if err != nil || !id.Security.Locked {
		return err
	}
	if _, err := d.do(Taskfile{Command: cmdUnlock, Count: 1}, pioOut, passwordBlock(0), quick); err != nil {
		return fmt.Errorf("the drive is locked with a password that is not this program's: %w", err)
	}
	return nil
}

// passwordBlock is the sector with the user password that security commands carry.
func passwordBlock(control byte) []byte {
	b := make([]byte, sector)
	b[0] = control
	copy(b[2:34], Password)
	return b
}

// erase sets the password and lets the drive erase itself, which takes the password away. A drive that refuses is given
// back without one.
func (d Drive) erase(ctx context.Context, enhanced bool, estimate time.Duration, tell func(float64)) error {
	if _, err := d.do(Taskfile{Command: cmdSetPassword, Count: 1}, pioOut, passwordBlock(0), quick); err != nil {
		return fmt.Errorf("set the password of the erase: %w", err)
	}
	err := d.eraseUnit(ctx, enhanced, estimate, tell)
	if e := d.release(); e != nil {
		return errors.Join(err, fmt.Errorf("the password %q stays set: %w", Password, e))
	}
	return err
}

// eraseUnit waits for as long as the drive takes; no command tells how far it is, so what is told follows its own
// estimate.
func (d Drive) eraseUnit(ctx context.Context, enhanced bool, estimate time.Duration, tell func(float64)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := d.do(Taskfile{Command: cmdErasePrepare}, nonData, nil, quick); err != nil {
		return fmt.Errorf("prepare the erase: %w", err)
	}
	var control byte
	if enhanced {
		control = 2
	}
	stop := clock(estimate, tell)
	defer stop()
	if _, err := d.do(Taskfile{Command: cmdEraseUnit, Count: 1}, pioOut, passwordBlock(control), bound(estimate)); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	return nil
}

// bound is how long an erase may take that the drive says takes so long.
func bound(estimate time.Duration) time.Duration {
	if estimate <= 0 {
		return unknownTime
	}
	return max(leastTime, 3*estimate)
}

// clock tells the share of the estimate that is over, until it is stopped.
func clock(estimate time.Duration, tell func(float64)) (stop func()) {
	if estimate <= 0 {
		return func() {}
	}
	end, began := make(chan struct{}), time.Now()
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.C:
				tell(min(0.99, float64(time.Since(began))/float64(estimate)))
			}
		}
	})
	return func() { close(end); done.Wait() }
}
