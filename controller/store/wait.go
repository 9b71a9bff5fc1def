package store

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Bounds of waiting before the backend is tried again.
const (
	minWait = 20 * time.Millisecond
	maxWait = 5 * time.Second
)

// sleep waits a random part of most.
func sleep(ctx context.Context, most time.Duration) error {
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fault.Unavailable("waiting was given up: %w", context.Cause(ctx))
	}
}
