package store

import (
	"context"
	"errors"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// ErrNotLeader is in the fault of a Change whose fence does not hold any more.
// Test with errors.Is; the work belongs to another replica now.
var ErrNotLeader = errors.New("this replica is not the leader any more")

// Fence proves a leadership: the key that [Elect] made, and the revision at
// which it came into being. Whoever leads next makes the key anew, so the
// revision is also the epoch: it only rises.
type Fence struct {
	Key string
	Rev int64
}

func (f Fence) compare() kv.Compare {
	return kv.Compare{Key: f.Key, Target: kv.CreateRev, Rev: f.Rev}
}

func (f Fence) broken() error {
	return fault.Unavailable("the change of epoch %d was not made: %w", f.Rev, ErrNotLeader)
}

type fenceKey struct{}

// WithFence makes every Change under ctx demand f.
func WithFence(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

// fenceOf is nil without a fence; the zero Fence is none.
func fenceOf(ctx context.Context) *Fence {
	f, _ := ctx.Value(fenceKey{}).(Fence)
	if f.Key == "" {
		return nil
	}
	return &f
}
