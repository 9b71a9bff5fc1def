package power

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// How long an accepted change may take. Racks of blades power up in turns, and a hard
// power-off waits for nothing but the supply.
const (
	patienceOn  = 3 * time.Minute
	patienceOff = time.Minute
)

// Pauses between two looks: short at first, since most machines are quick.
const (
	firstLook = 500 * time.Millisecond
	lastLook  = 5 * time.Second
)

// TurnOn makes the server run and returns when it does. It is a no-op for one that is on;
// then its boot device stays as it is. An off server gets the boot device first, so
// that it never starts from another one. say hears what happens, for a person.
func TurnOn(ctx context.Context, c Controller, boot Boot, say func(string)) (changed bool, err error) {
	if w, ok := c.(*wol); ok {
		return w.wake(ctx, boot, say)
	}
	state, err := settled(ctx, c, patienceOff)
	if err != nil || state == outofband.On {
		return false, err
	}
	if boot.Device != "" {
		say("setting the next boot to " + boot.Device)
		if err := c.NextBoot(ctx, boot); err != nil {
			return false, err
		}
	}
	say("turning the power on")
	if err := c.On(ctx); err != nil {
		return false, err
	}
	return true, until(ctx, c, outofband.On, patienceOn)
}

// TurnOff makes the server stop and returns when it has: orderly at first, unless hard, and by
// force when that was not heard for the time of grace. It is a no-op for one that is off.
func TurnOff(ctx context.Context, c Controller, hard bool, grace time.Duration, say func(string)) (changed bool, err error) {
	state, err := settled(ctx, c, patienceOff)
	if err != nil || state == outofband.Off {
		return false, err
	}
	if !hard {
		done, err := softly(ctx, c, grace, say)
		if done || err != nil {
			return done, err
		}
	}
	say("taking the power away")
	if err := c.HardOff(ctx); err != nil {
		return false, err
	}
	return true, until(ctx, c, outofband.Off, patienceOff)
}

// softly reports whether the operating system shut down when it was asked to.
func softly(ctx context.Context, c Controller, grace time.Duration, say func(string)) (bool, error) {
	say("asking the system to shut down")
	err := c.SoftOff(ctx)
	if fault.Is(err, fault.KindRefused) {
		say(err.Error())
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := until(ctx, c, outofband.Off, grace); err == nil {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, fault.Unavailable("wait for the system to shut down: %w", ctx.Err())
	}
	say("the system did not shut down within " + grace.String())
	return false, nil
}

// settled waits for a server in transition and returns where it came to rest. One that
// stays unknown is returned as that.
func settled(ctx context.Context, c Controller, patience time.Duration) (string, error) {
	var state string
	err := look(ctx, patience, func() (bool, error) {
		var err error
		state, err = c.Status(ctx)
		return state != outofband.Unknown, err
	})
	if err == errPatience && ctx.Err() == nil {
		return state, nil
	}
	return state, err
}

// until waits for a state. A controller that is away for a moment does not end the wait.
func until(ctx context.Context, c Controller, want string, patience time.Duration) error {
	start, last := time.Now(), outofband.Unknown
	var trouble error
	err := look(ctx, patience, func() (bool, error) {
		state, err := c.Status(ctx)
		if err != nil {
			trouble = err
			if fault.Is(err, fault.KindUnavailable) {
				err = nil
			}
			return false, err
		}
		last, trouble = state, nil
		return state == want, nil
	})
	switch {
	case err == nil:
		return nil
	case !fault.Is(err, fault.KindUnavailable):
		return err
	case trouble != nil:
		return fault.Unavailable("the management controller accepted power-%s and has not been heard since: %w", want, trouble)
	default:
		return fault.Unavailable("the management controller accepted power-%s and did nothing: after %s the server is %s; look at its event log, power supplies and power policy",
			want, time.Since(start).Round(time.Second), last)
	}
}

// errPatience ends a wait.
var errPatience error = fault.Unavailable("it took too long")

// look asks again and again, ever more slowly, until done, an error, or the end of the patience.
func look(ctx context.Context, patience time.Duration, done func() (bool, error)) error {
	end := time.Now().Add(patience)
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		left := time.Until(end)
		if left <= 0 {
			return errPatience
		}
		if err := pause.For(ctx, min(wait, left)); err != nil {
			return errPatience
		}
	}
}
