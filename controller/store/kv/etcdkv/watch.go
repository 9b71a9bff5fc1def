package etcdkv

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Watch implements kv.KV. It returns when etcd has confirmed the watch.
//
// It asks etcd for one revision more, and drops what is in it: while a watch begins in
// the future, which the next revision is when nobody writes, etcd answers no request for
// progress on the whole connection, and an idle cluster would look like a dead one.
func (s *Store) Watch(ctx context.Context, prefix string, fromRev int64) (<-chan kv.Batch, error) {
	if fromRev <= 1 {
		return s.watch(ctx, prefix, fromRev, fromRev)
	}
	ch, err := s.watch(ctx, prefix, fromRev, fromRev-1)
	if errors.Is(err, kv.ErrCompacted) { // perhaps only the one that is dropped
		return s.watch(ctx, prefix, fromRev, fromRev)
	}
	return ch, err
}

// watch asks from begin on and delivers from fromRev on. It fails with ErrCompacted only when
// begin is not fromRev; a watch from a compacted revision is else one that ends so.
func (s *Store) watch(ctx context.Context, prefix string, fromRev, begin int64) (<-chan kv.Batch, error) {
	if err := s.opt.Guard(false); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	w := &watch{s: s, ctx: ctx, cancel: cancel, out: make(chan kv.Batch), from: fromRev}
	late := time.AfterFunc(s.opt.Timeout, cancel) // the client itself waits for a connection for ever
	w.in = s.c.Watch(ctx, s.opt.Prefix+prefix,
		clientv3.WithPrefix(), clientv3.WithRev(begin), clientv3.WithFragment(),
		clientv3.WithProgressNotify(), clientv3.WithCreatedNotify())
	first, err := w.created()
	if !late.Stop() && err == nil {
		err = fault.Unavailable("watch: etcd did not answer within %s", s.opt.Timeout)
	}
	if err == nil && first.CompactRevision != 0 && begin != fromRev {
		err = kv.ErrCompacted
	}
	if err != nil {
		cancel()
		return nil, err
	}
	go w.run(first)
	return w.out, nil
}

type watch struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	in     clientv3.WatchChan
	out    chan kv.Batch
	from   int64 // events before it are not delivered
}

// created waits for etcd's confirmation. A watch of a compacted revision is
// confirmed by its refusal, which becomes the only batch.
func (w *watch) created() (clientv3.WatchResponse, error) {
	r, ok := <-w.in
	switch {
	case !ok || w.ctx.Err() != nil:
		return r, fault.Unavailable("watch: etcd did not answer within %s or the caller gave up", w.s.opt.Timeout)
	case r.Err() != nil && r.CompactRevision == 0:
		return r, explain("watch", r.Err())
	}
	return r, nil
}

func (w *watch) run(first clientv3.WatchResponse) {
	defer close(w.out)
	defer w.cancel()
	if !w.deliver(first) {
		return
	}
	ask := time.NewTicker(w.s.opt.Silence / 3)
	defer ask.Stop()
	heard := time.Now()
	for {
		select {
		case r, ok := <-w.in:
			if !ok {
				w.end(fault.Unavailable("the watch ended: etcd closed it"))
				return
			}
			if !w.deliver(r) {
				return
			}
			heard = time.Now() // after delivery: a slow reader is not etcd's silence
		case <-ask.C:
			if quiet := time.Since(heard); quiet > w.s.opt.Silence {
				w.end(fault.Unavailable("the watch ended: etcd has been silent for %s", quiet.Round(time.Second)))
				return
			}
			w.askProgress()
		case <-w.ctx.Done():
			return
		}
	}
}

// askProgress must not block longer than the loop can bear: the request waits
// for a stream, which a dead connection does not give.
func (w *watch) askProgress() {
	ctx, cancel := context.WithTimeout(w.ctx, w.s.opt.Silence/3)
	defer cancel()
	_ = w.s.c.RequestProgress(ctx) // no answer is what run looks for
}

// deliver passes r on and reports whether the watch goes on.
func (w *watch) deliver(r clientv3.WatchResponse) bool {
	switch {
	case r.CompactRevision != 0:
		w.end(kv.ErrCompacted)
		return false
	case r.Err() != nil:
		w.end(explain("watch", r.Err()))
		return false
	case len(r.Events) > 0:
		b := w.batch(r)
		return len(b.Events) == 0 || w.send(b)
	case r.IsProgressNotify():
		return w.send(kv.Batch{Rev: r.Header.Revision})
	}
	return true
}

func (w *watch) batch(r clientv3.WatchResponse) kv.Batch {
	b := kv.Batch{Events: make([]kv.Event, 0, len(r.Events))}
	for _, e := range r.Events {
		if e.Kv.ModRevision < w.from {
			continue
		}
		b.Events = append(b.Events, kv.Event{
			Entry:   w.s.entry(e.Kv.Key, e.Kv.Value, e.Kv.ModRevision, e.Kv.CreateRevision, e.Kv.Lease),
			Deleted: e.Type == clientv3.EventTypeDelete,
		})
		b.Rev = max(b.Rev, e.Kv.ModRevision)
	}
	return b
}

func (w *watch) end(err error) { w.send(kv.Batch{Err: err}) }

func (w *watch) send(b kv.Batch) bool {
	select {
	case w.out <- b:
		return true
	case <-w.ctx.Done():
		return false
	}
}
