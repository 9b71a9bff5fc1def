package store

import (
	"context"
	"sync"
)

// maxPending is how many changes a slow subscriber may be behind before it is told to
// look at everything again.
const maxPending = 100_000

// Change is one changed record. Old is nil when it is new, New when it was
// deleted; both are pointers to the table's type and must not be changed.
type Change struct {
	Table, ID string
	Old, New  any
	Rev       int64
}

// Subscription delivers changes in order.
type Subscription struct {
	store   *Store
	mu      sync.Mutex
	pending []Change
	resync  bool
	wake    chan struct{}
}

// Subscribe follows all changes. The first thing that Next returns is a resync: the
// subscriber looks at the snapshot, and from then on misses nothing.
func (s *Store) Subscribe() *Subscription {
	sub := &Subscription{store: s, resync: true, wake: make(chan struct{}, 1)}
	sub.wake <- struct{}{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[sub] = struct{}{}
	return sub
}

// Close ends the subscription.
func (u *Subscription) Close() {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	delete(u.store.subs, u)
}

func (u *Subscription) offer(changes []Change, resync bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if resync || len(u.pending)+len(changes) > maxPending {
		u.pending, u.resync = nil, true
	} else if !u.resync {
		u.pending = append(u.pending, changes...)
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Next waits for changes. When resync is true changes were lost, or it is the first
// call: look at everything in a snapshot taken now. The snapshot has reached at
// least the revision of each change.
func (u *Subscription) Next(ctx context.Context) (changes []Change, resync bool, err error) {
	for {
		u.mu.Lock()
		changes, resync = u.pending, u.resync
		u.pending, u.resync = nil, false
		u.mu.Unlock()
		if resync || len(changes) > 0 {
			return changes, resync, nil
		}
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-u.wake:
		}
	}
}
