package memkv

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// lease is guarded by the mutex of its store.
type lease struct {
	s     *Store
	id    int64
	ttl   time.Duration
	keys  map[string]struct{}
	done  chan struct{}
	timer *time.Timer // runs while nobody keeps the lease alive
	over  bool
}

// Grant implements kv.KV.
func (s *Store) Grant(ctx context.Context, ttl time.Duration) (kv.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	s.lastLease++
	ttl = (ttl + time.Second - 1).Truncate(time.Second)
	l := &lease{s: s, id: s.lastLease, ttl: ttl, keys: map[string]struct{}{}, done: make(chan struct{})}
	s.leases[l.id] = l
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.expireLater()
	})
	return l, nil
}

// Expire ends a lease as if its holder had been silent for too long.
func (s *Store) Expire(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.leases[id]; l != nil {
		l.end()
	}
}

func (l *lease) ID() int64             { return l.id }
func (l *lease) Done() <-chan struct{} { return l.done }

// Revoke implements kv.Lease.
func (l *lease) Revoke(ctx context.Context) error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if err := l.s.reach(ctx); err != nil {
		return err
	}
	if l.over {
		return fault.NotFound("lease %d is over", l.id)
	}
	l.end()
	return nil
}

func (l *lease) end() {
	if l.over {
		return
	}
	l.over = true
	l.keep()
	var ops []kv.Op
	for k := range l.keys {
		ops = append(ops, kv.Delete(k))
	}
	if !l.s.closed {
		l.s.apply(ops)
	}
	delete(l.s.leases, l.id)
	close(l.done)
}

func (l *lease) expireLater() {
	if l.over || l.timer != nil {
		return
	}
	l.timer = time.AfterFunc(l.ttl, func() {
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		if l.timer != nil {
			l.end()
		}
	})
}

func (l *lease) keep() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// hold and drop do nothing on a nil lease, which is what lease 0 is.
func (l *lease) hold(key string) {
	if l != nil {
		l.keys[key] = struct{}{}
	}
}

func (l *lease) drop(key string) {
	if l != nil {
		delete(l.keys, key)
	}
}
