package store

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// view holds tables in memory and follows the backend. Readers take a Snapshot
// and are never blocked, nor do they block others.
type view struct {
	kv     kv.KV
	log    *slog.Logger
	page   int // records per request of a load
	tables map[string]anyTable
	work   map[string]rows // owned by Run

	current atomic.Pointer[Snapshot]
	stale   atomic.Int64 // unix nanoseconds since when; 0 is not

	mu      sync.Mutex
	waiters []waiter
	feed    feed
	changed chan struct{} // closed at the next publication
}

type waiter struct {
	rev  int64
	seen chan struct{}
}

// newView prepares a view of tables; Run fills it.
func newView(backend kv.KV, log *slog.Logger, opt Options, tables map[string]anyTable) *view {
	v := &view{kv: backend, log: log, page: opt.PageSize, tables: maps.Clone(tables), changed: make(chan struct{})}
	empty := &Snapshot{tables: map[string]rows{}}
	for name, t := range v.tables {
		empty.tables[name] = t.newRows()
	}
	v.feed.keep = opt.Keep
	v.current.Store(empty)
	v.stale.Store(time.Now().UnixNano())
	return v
}

// Snapshot is the newest state; empty at revision 0 before the first load.
func (v *view) Snapshot() *Snapshot { return v.current.Load() }

// Stale tells since when the view has not been following the backend; zero
// when it is.
func (v *view) Stale() time.Time {
	if ns := v.stale.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// WaitRev returns when the snapshot has reached rev, at once if it has. The
// fault is unavailable when ctx ends before.
func (v *view) WaitRev(ctx context.Context, rev int64) error {
	if v.Snapshot().Rev >= rev {
		return nil
	}
	v.mu.Lock()
	if v.Snapshot().Rev >= rev {
		v.mu.Unlock()
		return nil
	}
	seen := make(chan struct{})
	v.waiters = append(v.waiters, waiter{rev, seen})
	v.mu.Unlock()
	select {
	case <-seen:
		return nil
	case <-ctx.Done():
		v.forget(seen)
		return fault.Unavailable("the change is stored as revision %d, but this replica has not seen it yet: %w", rev, context.Cause(ctx))
	}
}

func (v *view) forget(seen chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, w := range v.waiters {
		if w.seen == seen {
			v.waiters = append(v.waiters[:i], v.waiters[i+1:]...)
			return
		}
	}
}

// Run loads the view and follows the backend until ctx ends. It survives
// whatever the backend does: while it is away the snapshot stays as it is, and
// is marked stale.
func (v *view) Run(ctx context.Context) error {
	wait := minWait
	for ctx.Err() == nil {
		before := v.Snapshot().Rev
		err := v.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if v.stale.CompareAndSwap(0, time.Now().UnixNano()) {
			v.log.Warn("view lost its watch; reads go on with what is known", "rev", v.Snapshot().Rev, "err", err)
		}
		if v.Snapshot().Rev > before {
			wait = minWait
		}
		if sleep(ctx, wait) == nil {
			wait = min(2*wait, maxWait)
		}
	}
	return nil
}

// follow brings the view up to date and applies events until the watch ends.
func (v *view) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if v.work == nil {
		if err := v.reload(ctx); err != nil {
			return err
		}
	}
	ch, err := v.kv.Watch(ctx, "", v.Snapshot().Rev+1)
	if err != nil {
		return err
	}
	if since := v.Stale(); !since.IsZero() {
		v.stale.Store(0)
		v.log.Info("view follows the store", "rev", v.Snapshot().Rev, "after", time.Since(since))
	}
	for b := range ch {
		if b.Err != nil {
			if errors.Is(b.Err, kv.ErrCompacted) {
				v.work = nil
			}
			return b.Err
		}
		v.apply(b)
	}
	return fault.Unavailable("the watch ended")
}

// apply takes a batch in and publishes it as one snapshot: a revision is
// visible as a whole or not at all.
func (v *view) apply(b kv.Batch) {
	rev := v.Snapshot().Rev
	if b.Rev <= rev {
		return
	}
	touched := map[string]bool{}
	changes := make([]Change, 0, len(b.Events))
	for _, ev := range b.Events {
		name, _, _ := strings.Cut(ev.Key, "/")
		r, ok := v.work[name]
		if !ok || ev.ModRev <= rev {
			continue
		}
		touched[name] = true
		if c, visible := r.apply(ev); visible {
			changes = append(changes, c)
		}
	}
	next := &Snapshot{Rev: b.Rev, tables: v.Snapshot().tables}
	if len(touched) > 0 {
		next.tables = maps.Clone(next.tables)
		for name := range touched {
			next.tables[name] = v.work[name].freeze()
		}
	}
	v.publish(next, changes)
}

func (v *view) publish(next *Snapshot, changes []Change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current.Store(next)
	v.feed.append(publication{rev: next.Rev, changes: changes})
	close(v.changed)
	v.changed = make(chan struct{})
	rest := v.waiters[:0]
	for _, w := range v.waiters {
		if w.rev <= next.Rev {
			close(w.seen)
		} else {
			rest = append(rest, w)
		}
	}
	clear(v.waiters[len(rest):])
	v.waiters = rest
}
