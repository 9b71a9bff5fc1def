// Package pause waits, and gives up waiting when the work is called off.
package pause

import (
	"context"
	"time"
)

// For waits until d has passed, or until ctx ends; then it returns the context's error.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
