package smart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNoTest is the answer of a drive that has no self-test, or where nothing can start it.
var ErrNoTest = errors.New("the drive has no self-test that can be started here")

// pollEvery is how often a running self-test is looked at.
const pollEvery = 5 * time.Second

// longestShort bounds a short self-test: the specifications allow two minutes, drives that serve requests take longer.
const longestShort = 10 * time.Minute

// Short lets the drive test itself (a minute or two) and gives the outcome. report hears the percentage that is done.
// When ctx ends the test is left to the drive, which ends it by itself and changes nothing. A test that is running
// already is waited for and counts.
func Short(ctx context.Context, d Drive, report func(percent int)) (Test, error) {
	before, err := Read(ctx, d)
	switch {
	case err != nil:
		return Test{}, err
	case !before.CanTest:
		return Test{}, ErrNoTest
	case !before.TestRunning:
		if err := d.start(ctx); err != nil {
			return Test{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, longestShort)
	defer cancel()
	for seen := before.TestRunning; ; {
		if err := pause(ctx, pollEvery); err != nil {
			return Test{}, fmt.Errorf("wait for the self-test: %w", err)
		}
		now, err := Read(ctx, d)
		if err != nil {
			return Test{}, fmt.Errorf("look at the self-test: %w", err)
		}
		if now.TestRunning {
			seen = true
			report(now.TestPercent)
			continue
		}
		if len(now.Tests) == 0 || !seen && slices.Equal(before.Tests, now.Tests) {
			return Test{}, ErrNoTest // nothing was logged: how the test ended cannot be known
		}
		return now.Tests[0], nil
	}
}

func (d Drive) start(ctx context.Context) error {
	if IsNVMe(d.Name) {
		f, err := openNVMe(d.Dev, d.Name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return admin(f, shortTest(), nil)
	}
	program, err := Command(d.Program)
	if err != nil {
		return ErrNoTest
	}
	_, err = Report(ctx, program, d.Name, d.Timeout, "--test=short")
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
