package store

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store/kv"
)

// Options of a Store. The zero value is ready.
type Options struct {
	// Attempts is how often a Change runs before it gives up with a conflict; 0
	// is 32. Callers of one process that want the same record queue for it, so
	// attempts are used up only by other replicas.
	Attempts int
	// MaxBatch is how many changes share a transaction at most; 0 is 64.
	MaxBatch int
	// InFlight is how many transactions are under way at once; 0 is 2.
	InFlight int
	// PageSize is how many records one request of a load asks for; 0 is 5,000.
	// Smaller pages are slower: etcd counts the rest of the range for each.
	PageSize int
	// Keep is how many changes are kept for subscribers that lag; 0 is 8,192.
	Keep int
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value    *int
		standard int
	}{{&o.Attempts, 32}, {&o.MaxBatch, 64}, {&o.InFlight, 2}, {&o.PageSize, 5000}, {&o.Keep, 8192}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	return o
}

// Store keeps the records.
type Store struct {
	kv    kv.KV
	opt   Options
	group *group
	hot   hotKeys
	wants wants
	view  *view
	stats counters
}

// New makes a store of all declared tables over a backend, which stays the
// caller's to close. Run feeds its snapshot.
func New(backend kv.KV, log *slog.Logger) *Store { return NewWith(backend, log, Options{}) }

// NewWith is New with options.
func NewWith(backend kv.KV, log *slog.Logger, opt Options) *Store {
	opt = opt.withDefaults()
	s := &Store{kv: backend, opt: opt, view: newView(backend, log, opt, declared)}
	s.group = newGroup(backend, opt, &s.stats)
	return s
}

// KV is the backend.
func (s *Store) KV() kv.KV { return s.kv }

// Run feeds the snapshot until ctx ends. It survives whatever the backend does.
func (s *Store) Run(ctx context.Context) error { return s.view.Run(ctx) }

// Ready waits until the snapshot has been loaded for the first time.
func (s *Store) Ready(ctx context.Context) error { return s.view.WaitRev(ctx, 1) }

// Snapshot is the state that this replica knows of, empty at revision 0 before
// the first load. It never changes.
func (s *Store) Snapshot() *Snapshot { return s.view.Snapshot() }

// Stale tells since when the snapshot has not been fed; zero while it is.
func (s *Store) Stale() time.Time { return s.view.Stale() }

// WaitRev waits until the snapshot has reached rev. The fault is unavailable when
// ctx ends before.
func (s *Store) WaitRev(ctx context.Context, rev int64) error { return s.view.WaitRev(ctx, rev) }

// Connected reports whether some replica holds a session of the server's agent.
func (s *Store) Connected(server string) bool {
	_, ok := Presences.View(s, server)
	return ok
}

// ViewFacts are the facts of a server in the present snapshot.
func (s *Store) ViewFacts(server string) (*fleet.Facts, bool) { return Facts.View(s, server) }

// optimistic is the snapshot that the first attempt of a change may read from,
// which saves its round trips; the compare at commit catches what was stale. It
// is nil while the snapshot is not fed.
func (s *Store) optimistic() *Snapshot {
	if !s.Stale().IsZero() {
		return nil
	}
	return s.Snapshot()
}

// Stats are totals since the start.
type Stats struct {
	Changes      uint64 // changes that committed something
	Transactions uint64 // transactions that carried them; fewer when changes shared one
	Conflicts    uint64 // runs of a change that met a newer record and ran again
	GaveUp       uint64 // changes that ended in a conflict after all attempts
	Unavailable  uint64 // changes that ended because the backend was unavailable
}

type counters struct {
	changes, transactions, conflicts, gaveUp, unavailable atomic.Uint64
}

// Stats reads the totals.
func (s *Store) Stats() Stats {
	c := &s.stats
	return Stats{c.changes.Load(), c.transactions.Load(), c.conflicts.Load(), c.gaveUp.Load(), c.unavailable.Load()}
}
