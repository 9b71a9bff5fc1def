package store

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Prefix begins every key of the fleet.
const Prefix = "steelyard/"

// Store keeps the records.
type Store struct {
	kv  kv.KV
	log *slog.Logger

	snap  atomic.Pointer[Snapshot]
	stale atomic.Int64 // Unix nanoseconds since when the snapshot is not fed; 0: it is

	mu      sync.Mutex
	moved   chan struct{} // closed and replaced when the snapshot moves on
	subs    map[*Subscription]struct{}
	started bool
}

// New makes a store over a backend. Run feeds its snapshot.
func New(backend kv.KV, log *slog.Logger) *Store {
	s := &Store{kv: backend, log: log, moved: make(chan struct{}), subs: map[*Subscription]struct{}{}}
	s.snap.Store(emptySnapshot())
	return s
}

// Snapshot is the state that this replica knows of. It never changes.
func (s *Store) Snapshot() *Snapshot { return s.snap.Load() }

// Stale tells since when the snapshot is not fed any more; zero while it is.
func (s *Store) Stale() time.Time {
	if n := s.stale.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// WaitRev waits until the snapshot has reached rev.
func (s *Store) WaitRev(ctx context.Context, rev int64) error {
	for {
		s.mu.Lock()
		moved := s.moved
		s.mu.Unlock()
		if s.Snapshot().Rev >= rev {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fault.Unavailable("the change is committed, but this replica has not seen it yet: %w", ctx.Err())
		}
	}
}

// Run feeds the snapshot until ctx ends. Before the first list is complete the
// store is empty; see Ready.
func (s *Store) Run(ctx context.Context) error {
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.stale.CompareAndSwap(0, time.Now().UnixNano())
		s.log.Warn("the store's watch ended and is started again", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Ready waits until the first list is complete.
func (s *Store) Ready(ctx context.Context) error { return s.WaitRev(ctx, 1) }

// follow lists everything and then watches.
func (s *Store) follow(ctx context.Context) error {
	snap, err := load(ctx, s.kv)
	if err != nil {
		return err
	}
	s.publish(snap, nil, true)
	s.stale.Store(0)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, err := s.kv.Watch(ctx, Prefix, snap.Rev+1)
	if err != nil {
		return err
	}
	for b := range batches {
		if b.Err != nil {
			return b.Err
		}
		next, changes := s.Snapshot().with(b)
		s.publish(next, changes, false)
	}
	return ctx.Err()
}

// publish makes a snapshot the present one and tells subscribers.
func (s *Store) publish(snap *Snapshot, changes []Change, resync bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snap.Store(snap)
	close(s.moved)
	s.moved = make(chan struct{})
	if resync || len(changes) > 0 {
		for sub := range s.subs {
			sub.offer(changes, resync)
		}
	}
}

// Connected reports whether some replica holds a session of the server's agent.
func (s *Store) Connected(server string) bool {
	_, ok := Presences.View(s, server)
	return ok
}

// ViewFacts are the facts of a server in the present snapshot.
func (s *Store) ViewFacts(server string) (*fleet.Facts, bool) { return Facts.View(s, server) }

// split cuts a key below Prefix into table and id.
func split(key string) (table, id string) {
	table, id, _ = strings.Cut(strings.TrimPrefix(key, Prefix), "/")
	return table, id
}
