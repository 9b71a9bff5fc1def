package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/pause"
)

// Options of a Notifier; all but Roots are needed.
type Options struct {
	Store   *store.Store
	Secrets *seal.Ring
	Logger  *slog.Logger
	Now     func() time.Time
	Version string         // told to receivers
	Roots   *x509.CertPool // whom receivers' certificates must come from; nil is the system's list
}

// Notifier tells receivers of events.
type Notifier struct {
	Options
	hands   map[string]hand // by channel
	stats   stats
	running sync.Mutex // one Run at a time
}

// hand makes one attempt. It returns when the receiver answered, or its time is over.
type hand interface {
	attempt(ctx context.Context, d notify.Delivery) notify.Outcome
}

// New makes a notifier. It starts nothing.
func New(o Options) *Notifier {
	n := &Notifier{Options: o}
	n.hands = map[string]hand{notify.ByWebhook: newCaller(o), notify.ByMail: &mailer{o}}
	return n
}

// retryAfter is how long a commit that could not be made waits.
const retryAfter = 2 * time.Second

// Run works until ctx ends, which it does when leadership is lost. The error is nil or of
// ctx, or [store.ErrNotLeader] when the fence broke.
func (n *Notifier) Run(ctx context.Context, fence store.Fence) error {
	n.running.Lock()
	defer n.running.Unlock()
	g, ctx := errgroup.WithContext(store.WithFence(ctx, fence))
	var q *lanes
	q = newLanes(func(l *lane) {
		for range workers {
			g.Go(func() error { return n.work(ctx, q, l) })
		}
	})
	wake := make(chan struct{}, 1)
	g.Go(func() error { return n.follow(ctx, q, wake) })
	g.Go(func() error { return n.handOut(ctx, q, wake) })
	g.Go(func() error { return n.sweep(ctx) })
	return g.Wait()
}

// follow keeps the lanes like the table of deliveries, and wakes who hands out events.
func (n *Notifier) follow(ctx context.Context, q *lanes, wake chan<- struct{}) error {
	sub := n.Store.Subscribe()
	defer sub.Close()
	for {
		changes, resync, err := sub.Next(ctx)
		if err != nil {
			return ctx.Err()
		}
		events := resync
		if resync {
			q.replace(n.Store.Snapshot())
		}
		for _, c := range changes {
			switch c.Table {
			case store.Deliveries.Name():
				d, _ := c.New.(*notify.Delivery)
				q.see(c.ID, d, c.Rev)
			case store.Outbox.Name():
				events = events || c.New != nil
			}
		}
		if events {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
}

// change commits as the leader. While the store cannot be reached it tries again: what was
// sent must not be sent again because its record could not be written. Any other
// fault is returned, and so is the end of ctx.
func (n *Notifier) change(ctx context.Context, f func(tx *store.Tx) error) (rev int64, err error) {
	for {
		rev, err = n.Store.Change(ctx, f)
		again := fault.Is(err, fault.KindUnavailable) || fault.Is(err, fault.KindConflict)
		if err == nil || errors.Is(err, store.ErrNotLeader) || ctx.Err() != nil || !again {
			return rev, err
		}
		n.Logger.Warn("a delivery cannot be recorded; trying again", logging.KeyError, err)
		if err := pause.For(ctx, retryAfter); err != nil {
			return 0, err
		}
	}
}
