package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// slow makes every commit wait, so that others gather.
type slow struct {
	kv.KV
	gate chan struct{}
	seen chan kv.Txn
}

func (s slow) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	s.seen <- t
	<-s.gate
	return s.KV.Commit(ctx, t)
}

// gathered starts n changes while one transaction is under way, and gives the
// transaction that carries those that could go together.
func gathered(t *testing.T, s *Store, b slow, n int, fn func(i int) func(*Tx) error) (second kv.Txn, errs []error) {
	t.Helper()
	errs = make([]error, n)
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := s.Commit(within(t), putBox("first", box{})); err != nil {
			t.Error(err)
		}
	})
	<-b.seen
	for i := range n {
		all.Go(func() { _, errs[i] = s.Commit(within(t), fn(i)) })
	}
	eventually(t, "all have gathered", func() bool {
		s.group.mu.Lock()
		defer s.group.mu.Unlock()
		return len(s.group.queue) == n
	})
	b.gate <- struct{}{}
	second = <-b.seen
	go func() { // let the rest pass
		for {
			select {
			case b.gate <- struct{}{}:
			case <-b.seen:
			case <-t.Context().Done():
				return
			}
		}
	}()
	all.Wait()
	return second, errs
}

func slowStore(backend kv.KV) (*Store, slow) {
	b := slow{KV: backend, gate: make(chan struct{}), seen: make(chan kv.Txn)}
	return NewWith(b, quiet(), Options{InFlight: 1}), b
}

func TestIndependentChangesShareATransaction(t *testing.T) {
	s, b := slowStore(memkv.New(memkv.Options{}))
	txn, errs := gathered(t, s, b, 20, func(i int) func(*Tx) error {
		return func(tx *Tx) error {
			if _, _, err := lids.Find(tx, "shared"); err != nil { // what all only read is no obstacle
				return err
			}
			return boxes.Create(tx, fmt.Sprint(i), box{N: i})
		}
	})
	if err := errors.Join(errs...); err != nil || len(txn.Ops) != 20 || len(txn.Compares) != 21 {
		t.Fatalf("%d ops, %d compares: %v", len(txn.Ops), len(txn.Compares), err)
	}
	if st := s.Stats(); st.Changes != 21 || st.Transactions != 2 {
		t.Fatalf("%+v", st)
	}
}

// Write skew: each of two may go only while the other one stays. In one
// transaction both would, so what one reads no other member may write.
func TestSharedTransactionDoesNotSkew(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	s, b := slowStore(backend)
	pair := []string{"a", "b"}
	_, errs := gathered(t, s, b, 2, func(i int) func(*Tx) error {
		return func(tx *Tx) error {
			if _, gone, err := boxes.Find(tx, pair[1-i]); gone || err != nil {
				return err
			}
			return boxes.Put(tx, pair[i], box{})
		}
	})
	page, err := backend.List(within(t), "test-boxes/", kv.ListOptions{})
	if errors.Join(errs...) != nil || err != nil || len(page.Entries) != 2 { // "first" and one of the two
		t.Fatalf("%+v, %v", page.Entries, errs)
	}
}

func TestSharedTransactionKeepsTheLimits(t *testing.T) {
	s, b := slowStore(memkv.New(memkv.Options{Limits: kv.Limits{MaxOps: 16, MaxBytes: 4 << 20}}))
	txn, errs := gathered(t, s, b, 40, func(i int) func(*Tx) error { return putBox(fmt.Sprint(i), box{}) })
	if len(txn.Ops) != 16 || errors.Join(errs...) != nil {
		t.Fatalf("%d ops: %v", len(txn.Ops), errs)
	}
	s, b = slowStore(memkv.New(memkv.Options{Limits: kv.Limits{MaxOps: 1024, MaxBytes: 4 << 20}}))
	txn, errs = gathered(t, s, b, 10, func(i int) func(*Tx) error { return putBox(fmt.Sprint(i), box{Fill: strings.Repeat("x", 300<<10)}) })
	if len(txn.Ops) != 3 || errors.Join(errs...) != nil {
		t.Fatalf("%d ops of 300 KiB: %v", len(txn.Ops), errs)
	}
}

// One of the members was outrun by another replica: only it runs again.
func TestConflictFailsOnlyTheOneThatLost(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	other := NewWith(backend, quiet(), Options{})
	s, b := slowStore(backend)
	var mu sync.Mutex
	runs := map[int]int{}
	_, errs := gathered(t, s, b, 10, func(i int) func(*Tx) error {
		return func(tx *Tx) error {
			mu.Lock()
			runs[i]++
			first := runs[i] == 1
			mu.Unlock()
			err := increment(fmt.Sprint(i))(tx)
			if i == 3 && first {
				_, err = other.Change(context.Background(), increment("3"))
			}
			return err
		}
	})
	if errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	for i := range 10 {
		want, n := 1, 1
		if i == 3 {
			want, n = 2, 2
		}
		var got box
		_, err := other.Change(within(t), func(tx *Tx) (err error) { got, err = boxes.Get(tx, fmt.Sprint(i)); return err })
		if err != nil || got.N != n || runs[i] != want {
			t.Fatalf("%d: %+v after %d runs, %v", i, got, runs[i], err)
		}
	}
}

func TestChangeThatCannotBeCommittedFailsAlone(t *testing.T) {
	s, b := slowStore(memkv.New(memkv.Options{}))
	_, errs := gathered(t, s, b, 5, func(i int) func(*Tx) error {
		return func(tx *Tx) error {
			lease := int64(0)
			if i == 2 {
				lease = 99 // is over
			}
			return boxes.PutLeased(tx, fmt.Sprint(i), box{}, lease)
		}
	})
	for i, err := range errs {
		if (err != nil) != (i == 2) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

func TestGivenUpChangeLeavesTheQueue(t *testing.T) {
	s, b := slowStore(memkv.New(memkv.Options{}))
	var all sync.WaitGroup
	all.Go(func() { _, _ = s.Commit(within(t), putBox("first", box{})) })
	<-b.seen
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() {
		if _, err := s.Commit(ctx, putBox("second", box{})); !fault.Is(err, fault.KindUnavailable) {
			t.Error(err)
		}
	})
	eventually(t, "it waits", func() bool { s.group.mu.Lock(); defer s.group.mu.Unlock(); return len(s.group.queue) == 1 })
	cancel()
	eventually(t, "it left", func() bool { s.group.mu.Lock(); defer s.group.mu.Unlock(); return len(s.group.queue) == 0 })
	b.gate <- struct{}{}
	all.Wait()
	if e, _ := b.Get(within(t), "test-boxes/second"); e.Exists() {
		t.Fatal("a change that was given up happened")
	}
}
