package memkv

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/kvtest"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestContract(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.KV { return New(Options{}) })
}

func TestCompactionEndsListsAndWatches(t *testing.T) {
	s := New(Options{})
	kvtest.Compaction(t, s, func(rev int64) error { s.Compact(rev); return nil })
}

func TestHistoryIsBounded(t *testing.T) {
	s := New(Options{History: 10})
	for range 100 {
		kvtest.MustCommit(t, t.Context(), s, kv.Put("k", []byte("v")))
	}
	if n := len(s.history); n > 14 || s.history[len(s.history)-1].rev != s.rev || s.history[0].rev != s.compacted {
		t.Fatalf("%d revisions kept, %d..%d, compacted %d", n, s.history[0].rev, s.rev, s.compacted)
	}
}

func TestCutStoreIsUnavailableAndItsLeasesRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := New(Options{})
		ch, _ := s.Watch(ctx, "", 0)
		kept, _ := s.Grant(ctx, 5*time.Second)
		kvtest.MustCommit(t, ctx, s, kv.Op{Key: "on", Lease: kept.ID()})
		if b := <-ch; len(b.Events) != 1 {
			t.Fatalf("%+v", b)
		}
		time.Sleep(time.Hour) // a lease that is kept alive stays; a watch tells its progress
		select {
		case <-kept.Done():
			t.Fatal("a kept lease ran out")
		case b := <-ch:
			if b.Rev != s.rev || len(b.Events) != 0 {
				t.Fatalf("progress: %+v", b)
			}
		}
		s.Cut()
		if _, err := s.Get(ctx, "on"); !fault.Is(err, fault.KindUnavailable) {
			t.Fatalf("get: %v", err)
		}
		for b := range ch {
			if b.Err == nil && len(b.Events) > 0 {
				t.Fatalf("the watch went on: %+v", b)
			}
		}
		time.Sleep(4 * time.Second)
		s.Heal()
		time.Sleep(time.Hour)
		s.Cut()
		<-kept.Done()
		s.Heal()
		if e, err := s.Get(ctx, "on"); err != nil || e.Exists() {
			t.Fatalf("after the lease: %+v, %v", e, err)
		}
		s.Close()
	})
}
