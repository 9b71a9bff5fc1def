package nvme

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
)

// Sanitize actions (SANACT) and flags of CDW10.
const (
	actExitFailure = 1
	actBlock       = 2
	actOverwrite   = 3
	actCrypto      = 4

	unrestricted = 1 << 3 // AUSE: a failure may be left without another sanitize
	onePass      = 1 << 4
)

// Secure erase settings (SES) of a format.
const (
	sesUserData = 1
	sesCrypto   = 2
)

// formatTime bounds a format: the kernel resets a controller that takes longer.
const formatTime = 4 * time.Hour

// glance is how often a sanitize is looked at.
const glance = time.Second

// Rungs lists the ways in which the drive can empty the namespace, best first.
func (d Drive) Rungs(namespace uint32) ([]driver.Rung, error) {
	c, err := d.Controller()
	if err != nil {
		return nil, err
	}
	n, err := d.Namespace(namespace)
	if err != nil {
		return nil, err
	}
	allocated, _, err := d.Spaces(c)
	if err != nil {
		return nil, err
	}
	others := ""
	if len(allocated) > 1 {
		others = fmt.Sprintf("it would erase all %d namespaces of the drive", len(allocated))
	}
	list, err := d.sanitizes(c, others)
	return append(list, d.formats(c, n, namespace, others)...), err
}

func (d Drive) sanitizes(c Controller, others string) ([]driver.Rung, error) {
	if c.Sanicap&(canCrypto|canBlock|canOverwrite) == 0 {
		return []driver.Rung{{Method: "nvme sanitize", Unfit: "the drive does not have it"}}, nil
	}
	log, err := d.sanitizeLog()
	if err != nil {
		return nil, err
	}
	var list []driver.Rung
	for _, s := range []struct {
		bit, action uint32
		name        string
	}{
		{canCrypto, actCrypto, "crypto erase"},
		{canBlock, actBlock, "block erase"},
		{canOverwrite, actOverwrite, "overwrite"},
	} {
		if c.Sanicap&s.bit == 0 {
			continue
		}
		r := driver.Rung{Method: "nvme sanitize: " + s.name, Unfit: others, Whole: true, Scrambles: s.action == actCrypto, Silent: silent(log.Takes[s.action])}
		r.Running = log.State == sanitizeRunning && log.Action == s.action
		r.Run = func(ctx context.Context, tell func(float64)) error { return d.sanitize(ctx, s.action, r.Running, tell) }
		if r.Running { // it is too late to ask whether it may
			r.Unfit, list = "", append([]driver.Rung{r}, list...)
			continue
		}
		list = append(list, r)
	}
	return list, nil
}

// Bounds of a sanitize that tells nothing new.
const (
	leastSilence   = time.Hour
	unknownSilence = 24 * time.Hour
)

// silent is how long a sanitize may tell nothing new that the drive says takes so long.
func silent(takes time.Duration) time.Duration {
	if takes <= 0 {
		return unknownSilence
	}
	return max(leastSilence, 3*takes)
}

// sanitize starts a sanitize, unless it runs, and waits for its end. It goes on in the drive when ctx ends, through
// resets and power losses.
func (d Drive) sanitize(ctx context.Context, action uint32, running bool, tell func(float64)) error {
	if !running {
		word := action | unrestricted
		if action == actOverwrite {
			word |= onePass
		}
		err := d.Send(&Command{Opcode: opSanitize, CDW10: word, TimeoutMS: millis(quick)}, nil)
		if unsupported(err) {
			return fmt.Errorf("%w: %w", driver.ErrUnsupported, err)
		}
		if err != nil {
			return fmt.Errorf("start the sanitize: %w", err)
		}
	}
	for {
		log, err := d.sanitizeLog()
		if err != nil {
			return err
		}
		switch log.State {
		case sanitizeRunning:
			tell(log.Share)
		case sanitizeDone, sanitizeDoneNoDeal:
			return nil
		case sanitizeFailed:
			leave := d.Send(&Command{Opcode: opSanitize, CDW10: actExitFailure, TimeoutMS: millis(quick)}, nil)
			return fmt.Errorf("the drive says that its sanitize failed (leaving that state: %v)", orDone(leave))
		default:
			return fmt.Errorf("the drive took the command and says that it never did a sanitize")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(glance):
		}
	}
}

func orDone(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

func (d Drive) formats(c Controller, n Namespace, namespace uint32, others string) []driver.Rung {
	if c.OACS&canFormat == 0 {
		return []driver.Rung{{Method: "nvme format", Unfit: "the drive does not have it"}}
	}
	if c.FNA&(formatsAll|erasesAll) == 0 {
		others = "" // it touches this namespace alone
	}
	var list []driver.Rung
	if c.FNA&fnaCrypto != 0 {
		list = append(list, d.format(n, namespace, sesCrypto, "nvme format: crypto erase", others))
	}
	return append(list, d.format(n, namespace, sesUserData, "nvme format: user data erase", others))
}

// format keeps block size and protection as they are, so that the disk stays the one that the permit names.
func (d Drive) format(n Namespace, namespace, ses uint32, method, unfit string) driver.Rung {
	return driver.Rung{Method: method, Unfit: unfit, Scrambles: ses == sesCrypto, Silent: formatTime, Run: func(context.Context, func(float64)) error {
		err := d.Send(&Command{Opcode: opFormat, Namespace: namespace, CDW10: n.formatWord(ses), TimeoutMS: millis(formatTime)}, nil)
		if unsupported(err) {
			return fmt.Errorf("%w: %w", driver.ErrUnsupported, err)
		}
		return err
	}}
}
