package reconcile

import (
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// fate is what happens at a process's n-th writing commit.
type fate int

const (
	dies     fate = iota // the commit is done, nobody hears of it, and the process is gone
	unknown              // the commit is done, and is answered unavailable; the process lives on
	rejected             // the commit is not done, and is answered unavailable
)

// mortal is one process's way to the state. It meets its fate at commit at, or
// never when at is 0.
type mortal struct {
	kv.KV
	fate fate
	at   int

	mu    sync.Mutex
	count int
	dead  bool
	died  chan struct{}
}

func newMortal(backend kv.KV, f fate, at int) *mortal {
	return &mortal{KV: backend, fate: f, at: at, died: make(chan struct{})}
}

var errGone = fault.Unavailable("the state did not answer")

func (m *mortal) gone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// kill ends the process now.
func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dead {
		m.dead = true
		close(m.died)
	}
}

// commits is how many were done by this process.
func (m *mortal) commits() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

func (m *mortal) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return 0, false, errGone
	}
	if len(t.Ops) > 0 && m.fate == rejected && m.count+1 == m.at {
		m.count++
		return 0, false, errGone
	}
	rev, ok, err := m.KV.Commit(ctx, t)
	if err != nil || !ok || len(t.Ops) == 0 {
		return rev, ok, err
	}
	m.count++
	if m.count != m.at {
		return rev, ok, nil
	}
	if m.fate == dies {
		m.dead = true
		close(m.died)
	}
	return 0, false, errGone
}

func (m *mortal) Get(ctx context.Context, key string) (kv.Entry, error) {
	if m.gone() {
		return kv.Entry{}, errGone
	}
	return m.KV.Get(ctx, key)
}

func (m *mortal) Read(ctx context.Context, keys []string) ([]kv.Entry, int64, error) {
	if m.gone() {
		return nil, 0, errGone
	}
	return m.KV.Read(ctx, keys)
}

func (m *mortal) List(ctx context.Context, prefix string, opt kv.ListOptions) (kv.Page, error) {
	if m.gone() {
		return kv.Page{}, errGone
	}
	return m.KV.List(ctx, prefix, opt)
}

func (m *mortal) Grant(ctx context.Context, ttl time.Duration) (kv.Lease, error) {
	if m.gone() {
		return nil, errGone
	}
	l, err := m.KV.Grant(ctx, ttl)
	return mortalLease{l, m}, err
}

// mortalLease is not given back by the dead: it runs out.
type mortalLease struct {
	kv.Lease
	m *mortal
}

func (l mortalLease) Revoke(ctx context.Context) error {
	if l.m.gone() {
		return errGone
	}
	return l.Lease.Revoke(ctx)
}
