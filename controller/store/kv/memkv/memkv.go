package memkv

import (
	"context"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

type tree = btree.Map[string, kv.Entry]

// revision is the state after one commit and the events that led to it.
type revision struct {
	rev    int64
	tree   *tree
	events []kv.Event
}

// Options of a Store. The zero value is ready.
type Options struct {
	Limits  kv.Limits // zero is kv.DefaultLimits
	History int       // most revisions kept; 0 is 10,000
}

// Store is a kv.KV in memory.
type Store struct {
	limits kv.Limits
	keep   int

	mu        sync.Mutex
	now       *tree
	rev       int64
	compacted int64 // revisions below this one are gone
	history   []revision
	changed   chan struct{} // closed at the next commit, cut or close
	leases    map[int64]*lease
	lastLease int64
	cut       bool
	closed    bool
}

var _ kv.KV = (*Store)(nil)

// New makes an empty store at revision 1.
func New(opt Options) *Store {
	if opt.Limits == (kv.Limits{}) {
		opt.Limits = kv.DefaultLimits
	}
	if opt.History == 0 {
		opt.History = 10_000
	}
	s := &Store{
		limits: opt.Limits, keep: opt.History, now: &tree{}, rev: 1, compacted: 1,
		changed: make(chan struct{}), leases: map[int64]*lease{},
	}
	s.history = []revision{{rev: 1, tree: s.now.Copy()}}
	return s
}

// Limits implements kv.KV.
func (s *Store) Limits() kv.Limits { return s.limits }

// Get implements kv.KV.
func (s *Store) Get(ctx context.Context, key string) (kv.Entry, error) {
	es, _, err := s.Read(ctx, []string{key})
	if err != nil {
		return kv.Entry{}, err
	}
	return es[0], nil
}

// Read implements kv.KV.
func (s *Store) Read(ctx context.Context, keys []string) ([]kv.Entry, int64, error) {
	if err := s.limits.CheckRead(keys); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return nil, 0, err
	}
	out := make([]kv.Entry, len(keys))
	for i, k := range keys {
		out[i] = s.entry(k)
	}
	return out, s.rev, nil
}

// List implements kv.KV.
func (s *Store) List(ctx context.Context, prefix string, opt kv.ListOptions) (kv.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return kv.Page{}, err
	}
	t, rev, err := s.at(opt.Rev)
	if err != nil {
		return kv.Page{}, err
	}
	page := kv.Page{Rev: rev}
	t.Ascend(max(prefix, opt.From), func(key string, e kv.Entry) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		if opt.Limit > 0 && len(page.Entries) == opt.Limit {
			page.More, page.Next = true, key
			return false
		}
		if opt.KeysOnly {
			e.Value = nil
		}
		page.Entries = append(page.Entries, e)
		return true
	})
	return page, nil
}

// Commit implements kv.KV.
func (s *Store) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	if err := s.limits.Check(t); err != nil {
		return 0, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return 0, false, err
	}
	for _, c := range t.Compares {
		if !c.Holds(s.entry(c.Key)) {
			return s.rev, false, nil
		}
	}
	for _, o := range t.Ops {
		if o.Lease != 0 && s.leases[o.Lease] == nil {
			return 0, false, fault.NotFound("commit a change: lease %d is over", o.Lease)
		}
	}
	return s.apply(t.Ops), true, nil
}

// Compact forgets the states before rev: watches and lists of them end with
// kv.ErrCompacted.
func (s *Store) Compact(rev int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compact(min(rev, s.rev))
}

// Cut makes the store unreachable: calls fail, watches end, and leases run out
// unless Heal comes in time.
func (s *Store) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for _, l := range s.leases {
		l.expireLater()
	}
	s.signal()
}

// Heal ends Cut.
func (s *Store) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = false
	for _, l := range s.leases {
		l.keep()
	}
}

// Close implements kv.KV.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.leases {
		l.end()
	}
	s.signal()
	return nil
}

// reach fails when nobody could talk to the store now.
func (s *Store) reach(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return fault.Unavailable("the store was not asked: %w", context.Cause(ctx))
	case s.closed:
		return fault.Unavailable("the store is closed")
	case s.cut:
		return fault.Unavailable("the store cannot be reached")
	}
	return nil
}

func (s *Store) entry(key string) kv.Entry {
	if e, ok := s.now.Get(key); ok {
		return e
	}
	return kv.Entry{Key: key}
}

// apply writes ops as the next revision. No real change is no revision.
func (s *Store) apply(ops []kv.Op) int64 {
	rev := s.rev + 1
	var events []kv.Event
	for _, o := range ops {
		old, had := s.now.Get(o.Key)
		s.leases[old.Lease].drop(o.Key)
		if o.Delete {
			if had {
				s.now.Delete(o.Key)
				events = append(events, kv.Event{Entry: kv.Entry{Key: o.Key, ModRev: rev}, Deleted: true})
			}
			continue
		}
		e := kv.Entry{Key: o.Key, Value: o.Value, ModRev: rev, CreateRev: rev, Lease: o.Lease}
		if had {
			e.CreateRev = old.CreateRev
		}
		s.leases[o.Lease].hold(o.Key)
		s.now.Set(o.Key, e)
		events = append(events, kv.Event{Entry: e})
	}
	if len(events) == 0 {
		return s.rev
	}
	s.rev = rev
	s.history = append(s.history, revision{rev, s.now.Copy(), events})
	if len(s.history) > s.keep+s.keep/4+1 {
		s.compact(rev - int64(s.keep))
	}
	s.signal()
	return rev
}

func (s *Store) compact(rev int64) {
	if rev <= s.compacted {
		return
	}
	s.compacted = rev
	s.history = append([]revision(nil), s.history[rev-s.history[0].rev:]...)
}

// at finds the state as of rev; 0 is now.
func (s *Store) at(rev int64) (*tree, int64, error) {
	switch {
	case rev == 0 || rev == s.rev:
		return s.now, s.rev, nil
	case rev < s.compacted:
		return nil, 0, kv.ErrCompacted
	case rev > s.rev:
		return nil, 0, fault.Internal("revision %d lies in the future; the store is at %d", rev, s.rev)
	}
	return s.history[rev-s.history[0].rev].tree, rev, nil
}

func (s *Store) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}
