package etcdkv

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/store/kv"
)

type lease struct {
	s      *Store
	id     clientv3.LeaseID
	cancel context.CancelFunc
	done   chan struct{}
}

// Grant implements kv.KV.
func (s *Store) Grant(ctx context.Context, ttl time.Duration) (kv.Lease, error) {
	if err := s.opt.Guard(true); err != nil {
		return nil, err
	}
	gctx, gcancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer gcancel()
	g, err := s.c.Grant(gctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return nil, explain("grant a lease", err)
	}
	kctx, cancel := context.WithCancel(ctx)
	alive, err := s.c.KeepAlive(kctx, g.ID)
	if err != nil {
		cancel()
		return nil, explain("keep a lease alive", err)
	}
	l := &lease{s: s, id: g.ID, cancel: cancel, done: make(chan struct{})}
	go l.follow(alive)
	return l, nil
}

// follow reads the answers until the client gives up: it closes the channel
// when the lease is gone, when its time passed without an answer, or on cancel.
func (l *lease) follow(alive <-chan *clientv3.LeaseKeepAliveResponse) {
	defer close(l.done)
	defer l.cancel()
	for range alive {
	}
}

func (l *lease) ID() int64             { return int64(l.id) }
func (l *lease) Done() <-chan struct{} { return l.done }

// Revoke implements kv.Lease.
func (l *lease) Revoke(ctx context.Context) error {
	l.cancel()
	ctx, cancel := context.WithTimeout(ctx, l.s.opt.Timeout)
	defer cancel()
	if _, err := l.s.c.Revoke(ctx, l.id); err != nil {
		return explain("revoke a lease", err)
	}
	<-l.done
	return nil
}
