package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// Three candidates: one leads at a time; when its key is taken from it, it cannot
// write any more, although it does not know yet, and another one leads.
func TestDeposedLeaderCannotWrite(t *testing.T) {
	t.Run("memory", func(t *testing.T) { deposed(t, memkv.New(memkv.Options{})) })
	t.Run("etcd", func(t *testing.T) { deposed(t, etcdtest.Single(t).KV()) })
}

type term struct {
	ctx   context.Context
	fence Fence
}

func deposed(t *testing.T, backend kv.KV) {
	s := running(t, backend, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	terms := make(chan term, 3)
	var candidates sync.WaitGroup
	for i := range 3 {
		candidates.Go(func() {
			e := Election{Name: "test", Replica: fmt.Sprint(i), TTL: time.Second, Logger: quiet()}
			_ = Elect(ctx, backend, e, func(ctx context.Context, f Fence) error {
				terms <- term{ctx, f}
				<-ctx.Done()
				return ctx.Err()
			})
		})
	}
	first := <-terms
	if _, err := s.Change(WithFence(within(t), first.fence), putBox("by-first", box{})); err != nil {
		t.Fatal(err)
	}
	entry, err := backend.Get(ctx, first.fence.Key)
	if err != nil || entry.Lease == 0 {
		t.Fatalf("%+v, %v", entry, err)
	}
	if _, _, err := backend.Commit(ctx, kv.Txn{Ops: []kv.Op{kv.Delete(first.fence.Key)}}); err != nil {
		t.Fatal(err)
	}
	second := <-terms
	if second.fence.Rev <= first.fence.Rev {
		t.Fatalf("the epoch fell from %d to %d", first.fence.Rev, second.fence.Rev)
	}
	if _, err := s.Change(WithFence(within(t), first.fence), putBox("by-first", box{N: 2})); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("the deposed leader wrote: %v", err)
	}
	if _, err := s.Change(WithFence(within(t), second.fence), putBox("by-second", box{})); err != nil {
		t.Fatal(err)
	}
	cancel()
	candidates.Wait()
	if e, err := backend.Get(within(t), second.fence.Key); err != nil || e.Exists() {
		t.Fatalf("the office was not given up: %+v, %v", e, err)
	}
}

func TestLostLeaseEndsTheTerm(t *testing.T) {
	backend := &counting{Store: memkv.New(memkv.Options{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var led atomic.Int32
	var candidate sync.WaitGroup
	candidate.Go(func() {
		_ = Elect(ctx, backend, Election{Name: "test", Logger: quiet()}, func(ctx context.Context, f Fence) error {
			if led.Add(1) == 2 {
				cancel()
			} else {
				backend.Expire(backend.lease)
			}
			<-ctx.Done()
			return ctx.Err()
		})
	})
	candidate.Wait()
	if led.Load() != 2 {
		t.Fatalf("led %d times", led.Load())
	}
}
