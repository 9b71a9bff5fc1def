package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// LeaderTTL is how long a leader that fell silent keeps others from leading.
const LeaderTTL = 10 * time.Second

// Leader is the record of the replica that leads.
type Leader struct {
	Replica string    `json:"replica"`
	Since   time.Time `json:"since"`
}

// Leaders holds one record for each election, under its name.
var Leaders = NewTable[Leader]("leaders", "leader of")

// Election is one office that one replica holds at a time.
type Election struct {
	Name    string        // of the office: "reconcile"
	Replica string        // of this candidate
	TTL     time.Duration // 0 is LeaderTTL
	Logger  *slog.Logger
}

// Elect runs for the office until ctx ends, and calls lead while it holds it.
// The context of lead ends when the office is lost; since a replica may learn that late,
// everything that lead writes must go through [WithFence] with its fence, which
// makes the commit of a deposed leader fail with [ErrNotLeader]. When lead returns, the office
// is given up at once and, unless ctx has ended, run for again.
func Elect(ctx context.Context, backend kv.KV, e Election, lead func(context.Context, Fence) error) error {
	if e.TTL == 0 {
		e.TTL = LeaderTTL
	}
	wait := minWait
	for ctx.Err() == nil {
		start := time.Now()
		err := e.term(ctx, backend, lead)
		if ctx.Err() != nil {
			break
		}
		e.Logger.Warn("the office is given up and run for again", "office", e.Name, "err", err)
		if time.Since(start) > maxWait {
			wait = minWait
		}
		if sleep(ctx, wait) == nil {
			wait = min(2*wait, maxWait)
		}
	}
	return nil
}

// term waits for the office and holds it once.
func (e Election) term(ctx context.Context, backend kv.KV, lead func(context.Context, Fence) error) error {
	lease, err := backend.Grant(ctx, e.TTL)
	if err != nil {
		return err
	}
	defer giveBack(ctx, lease)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		select {
		case <-lease.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() { <-lost }()
	defer cancel()
	fence, err := e.campaign(ctx, backend, lease.ID())
	if err != nil {
		return err
	}
	e.Logger.Info("leading", "office", e.Name, "epoch", fence.Rev)
	return lead(ctx, fence)
}

// campaign tries to make the key, and waits until it is gone.
func (e Election) campaign(ctx context.Context, backend kv.KV, lease int64) (Fence, error) {
	key := Leaders.key(e.Name)
	raw, err := encode(Leader{Replica: e.Replica, Since: time.Now()})
	if err != nil {
		return Fence{}, err
	}
	for {
		rev, ok, err := backend.Commit(ctx, kv.Txn{
			Compares: []kv.Compare{{Key: key}},
			Ops:      []kv.Op{{Key: key, Value: raw, Lease: lease}},
		})
		if err != nil {
			return Fence{}, err
		}
		if ok {
			return Fence{Key: key, Rev: rev}, nil
		}
		if err := awaitChange(ctx, backend, key, rev+1); err != nil {
			return Fence{}, err
		}
	}
}

// awaitChange returns when key may have changed since rev; a healthy watch says
// something every few seconds, so a missed change costs no more than that.
func awaitChange(ctx context.Context, backend kv.KV, key string, rev int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ch, err := backend.Watch(ctx, key, rev)
	if err != nil {
		return err
	}
	b, ok := <-ch
	if !ok {
		return context.Cause(ctx)
	}
	return b.Err
}
