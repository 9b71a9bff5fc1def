package scsi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
)

// Operation codes and service actions.
const (
	opRequestSense = 0x03
	opSanitize     = 0x48

	actOverwrite   = 0x01
	actBlock       = 0x02
	actCrypto      = 0x03
	actExitFailure = 0x1F

	unrestricted = 0x20 // AUSE: a failure may be left without another sanitize
	immediate    = 0x80 // IMMED: answer at once, go on in the background
)

const (
	quick  = 30 * time.Second
	glance = time.Second

	silence = 24 * time.Hour // of a sanitize that does not tell how far it is
)

// Drive is a disk that commands can be sent to.
type Drive struct {
	Send Send
}

// Rungs lists the ways in which the drive can empty itself, best first. Which of them it has is found out by trying.
func (d Drive) Rungs() ([]driver.Rung, error) {
	now, err := d.standing()
	if err != nil {
		return nil, err
	}
	if now.sanitizing() {
		run := func(ctx context.Context, tell func(float64)) error { return d.wait(ctx, tell) }
		return []driver.Rung{{Method: "scsi sanitize: already in progress", Running: true, Silent: silence, Run: run}}, nil
	}
	var list []driver.Rung
	for _, s := range []struct {
		action byte
		name   string
	}{{actCrypto, "crypto erase"}, {actBlock, "block erase"}, {actOverwrite, "overwrite"}} {
		list = append(list, driver.Rung{Method: "scsi sanitize: " + s.name, Scrambles: s.action == actCrypto, Silent: silence, Run: func(ctx context.Context, tell func(float64)) error {
			return d.sanitize(ctx, s.action, tell)
		}})
	}
	return list, nil
}

// sanitize starts a sanitize and waits for its end. It goes on in the drive when ctx ends.
func (d Drive) sanitize(ctx context.Context, action byte, tell func(float64)) error {
	c := Command{CDB: make([]byte, 10), Direction: None, Timeout: quick}
	c.CDB[0], c.CDB[1] = opSanitize, immediate|unrestricted|action
	if action == actOverwrite {
		c.Direction, c.Data = Out, []byte{1, 0, 0, 4, 0, 0, 0, 0} // once, with a pattern of four zeros
		c.CDB[8] = byte(len(c.Data))
	}
	err := do(d.Send, c)
	var s Sense
	if errors.As(err, &s) && s.Key == KeyIllegal {
		return fmt.Errorf("%w: %w", driver.ErrUnsupported, err)
	}
	if err != nil {
		return fmt.Errorf("start the sanitize: %w", err)
	}
	return d.wait(ctx, tell)
}

// wait returns when the drive is at no sanitize any more.
func (d Drive) wait(ctx context.Context, tell func(float64)) error {
	for {
		s, err := d.standing()
		switch {
		case err != nil:
			return err
		case s.ASC == 0x31 && s.ASCQ == 0x03:
			c := Command{CDB: make([]byte, 10), Direction: None, Timeout: quick}
			c.CDB[0], c.CDB[1] = opSanitize, actExitFailure
			return errors.Join(s, do(d.Send, c))
		case !s.sanitizing():
			return nil
		}
		tell(s.Share)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(glance):
		}
	}
}

// standing asks the drive what it is at.
func (d Drive) standing() (Sense, error) {
	b := make([]byte, 252)
	c := Command{CDB: []byte{opRequestSense, 0, 0, 0, byte(len(b)), 0}, Direction: In, Data: b, Timeout: quick}
	if err := do(d.Send, c); err != nil {
		var s Sense
		if errors.As(err, &s) {
			return s, nil
		}
		return Sense{}, fmt.Errorf("ask the drive what it is at: %w", err)
	}
	s, err := ParseSense(b)
	if err != nil {
		return Sense{}, fmt.Errorf("ask the drive what it is at: %w", err)
	}
	return s, nil
}
