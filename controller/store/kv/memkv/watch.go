package memkv

import (
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Watch implements kv.KV.
func (s *Store) Watch(ctx context.Context, prefix string, fromRev int64) (<-chan kv.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	if fromRev == 0 {
		fromRev = s.rev + 1
	}
	out := make(chan kv.Batch)
	w := &watch{s: s, prefix: prefix, next: fromRev, out: out}
	go w.run(ctx)
	return out, nil
}

type watch struct {
	s      *Store
	prefix string
	next   int64
	out    chan<- kv.Batch
}

func (w *watch) run(ctx context.Context) {
	defer close(w.out)
	progress := time.NewTicker(kv.ProgressEvery)
	defer progress.Stop()
	for {
		b, changed := w.collect()
		if len(b.Events) > 0 || b.Err != nil {
			if !w.send(ctx, b) || b.Err != nil {
				return
			}
			continue
		}
		select {
		case <-changed:
		case <-progress.C:
			if !w.send(ctx, b) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) send(ctx context.Context, b kv.Batch) bool {
	select {
	case w.out <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// collect takes all events since the last call; changed is closed when there
// may be more.
func (w *watch) collect() (kv.Batch, <-chan struct{}) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b := kv.Batch{Rev: s.rev}
	switch {
	case s.cut || s.closed:
		b.Err = fault.Unavailable("the watch ended: the store cannot be reached")
	case w.next < s.compacted:
		b.Err = kv.ErrCompacted
	case w.next <= s.rev:
		// The first revision of a history holds a state, and events only if it
		// was not the start of the store.
		for _, r := range s.history[w.next-s.history[0].rev:] {
			b.Events = appendMatching(b.Events, r.events, w.prefix)
		}
		w.next = s.rev + 1
	}
	return b, s.changed
}

func appendMatching(to, events []kv.Event, prefix string) []kv.Event {
	for _, e := range events {
		if strings.HasPrefix(e.Key, prefix) {
			to = append(to, e)
		}
	}
	return to
}
