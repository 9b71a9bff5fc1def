package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// Next receives a batch that has events or an error.
func Next(t *testing.T, ch <-chan kv.Batch) kv.Batch {
	t.Helper()
	timeout := time.After(Patience)
	for {
		select {
		case b, ok := <-ch:
			if !ok {
				t.Fatal("the watch ended without an error")
			}
			if len(b.Events) > 0 || b.Err != nil {
				return b
			}
		case <-timeout:
			t.Fatal("no event came")
		}
	}
}

func watchNeverSplitsARevision(t *testing.T, ctx context.Context, s kv.KV) {
	wctx, cancel := context.WithCancel(ctx)
	ch, err := s.Watch(wctx, "w/", 0)
	if err != nil {
		t.Fatal(err)
	}
	const commits = 50
	for i := range commits {
		v := fmt.Sprint(i)
		MustCommit(t, ctx, s, put("w/a", v), put("other", v), put("w/b", v))
	}
	MustCommit(t, ctx, s, kv.Delete("w/a"), kv.Delete("w/b"))
	seen, last := 0, int64(0)
	for seen < 2*(commits+1) {
		b := Next(t, ch)
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		perRev := map[int64]int{}
		for _, e := range b.Events {
			if e.ModRev < last || e.ModRev > b.Rev || e.Deleted != (seen >= 2*commits) {
				t.Fatalf("event %d: %+v in batch of %d after %d", seen, e, b.Rev, last)
			}
			last = e.ModRev
			perRev[e.ModRev]++
			seen++
		}
		for rev, n := range perRev {
			if n != 2 {
				t.Fatalf("revision %d came with %d of 2 events", rev, n)
			}
		}
	}
	cancel()
	for range ch { // must be closed
	}
}

func watchStartsInThePast(t *testing.T, ctx context.Context, s kv.KV) {
	from := MustCommit(t, ctx, s, put("w/a", "1"))
	MustCommit(t, ctx, s, put("w/a", "2"))
	ch, err := s.Watch(ctx, "w/", from)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < 2 {
		for _, e := range Next(t, ch).Events {
			got = append(got, string(e.Value))
		}
	}
	if got[0] != "1" || got[1] != "2" {
		t.Fatalf("got %v", got)
	}
}

func leaseTakesItsKeysAlong(t *testing.T, ctx context.Context, s kv.KV) {
	l, err := s.Grant(ctx, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	on := put("w/on", "1")
	on.Lease = l.ID()
	MustCommit(t, ctx, s, on, put("w/off", "1"))
	if e := get(t, ctx, s, "w/on"); e.Lease != l.ID() {
		t.Fatalf("lease %d: %+v", l.ID(), e)
	}
	ch, err := s.Watch(ctx, "w/", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Revoke(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.Done():
	case <-time.After(Patience):
		t.Fatal("a revoked lease is not done")
	}
	b := Next(t, ch)
	if len(b.Events) != 1 || b.Events[0].Key != "w/on" || !b.Events[0].Deleted || !get(t, ctx, s, "w/off").Exists() {
		t.Fatalf("after the lease: %+v", b)
	}
	if _, _, err := s.Commit(ctx, kv.Txn{Ops: []kv.Op{on}}); err == nil {
		t.Fatal("wrote on a lease that is over")
	}
}

// Compaction proves that lists and watches of a compacted revision end with
// kv.ErrCompacted; compact forgets the revisions before the given one.
func Compaction(t *testing.T, s kv.KV, compact func(rev int64) error) {
	ctx := t.Context()
	old := MustCommit(t, ctx, s, put("c", "1"))
	MustCommit(t, ctx, s, put("c", "2"))
	now := MustCommit(t, ctx, s, put("c", "3"))
	if err := compact(now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(ctx, "c", kv.ListOptions{Rev: old}); !errors.Is(err, kv.ErrCompacted) {
		t.Fatalf("list: %v", err)
	}
	ch, err := s.Watch(ctx, "c", old)
	if err != nil {
		t.Fatal(err)
	}
	if b := Next(t, ch); !errors.Is(b.Err, kv.ErrCompacted) {
		t.Fatalf("watch: %+v", b)
	}
	if _, open := <-ch; open {
		t.Fatal("the watch goes on after its error")
	}
	if p, err := s.List(ctx, "c", kv.ListOptions{Rev: now}); err != nil || string(p.Entries[0].Value) != "3" {
		t.Fatalf("the compacted revision itself: %+v, %v", p, err)
	}
}
