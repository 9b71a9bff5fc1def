package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestX2_ChangeIsVisibleAsAWholeOrNotAtAll(t *testing.T) {
	_, s := inMemory(t)
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; !stop.Load(); i++ {
			_, err := s.Change(within(t), func(tx *Tx) error {
				return errors.Join(boxes.Put(tx, "a", box{N: i}), lids.Put(tx, "a", box{N: i}))
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 20_000 {
		snap := s.Snapshot()
		b, ok := boxes.In(snap, "a")
		l, ok2 := lids.In(snap, "a")
		if ok != ok2 || ok && b.N != l.N {
			t.Fatalf("half a change is visible: %+v %+v", b, l)
		}
	}
	stop.Store(true)
	writer.Wait()
	failed := errors.New("no")
	_, err := s.Change(within(t), func(tx *Tx) error {
		return errors.Join(boxes.Put(tx, "b", box{}), failed)
	})
	if _, ok := boxes.View(s, "b"); ok || !errors.Is(err, failed) {
		t.Fatalf("a failed change is visible, or its error is lost: %v", err)
	}
}

func TestTableSpeaksOfItsRecords(t *testing.T) {
	_, s := inMemory(t)
	mustChange(t, s, putBox("a", box{N: 1}))
	for _, c := range []struct {
		kind fault.Kind
		text string
		fn   func(*Tx) error
	}{
		{fault.KindNotFound, "box b", func(tx *Tx) error { _, err := boxes.Get(tx, "b"); return err }},
		{fault.KindConflict, "box a", func(tx *Tx) error { return boxes.Create(tx, "a", box{}) }},
		{fault.KindInternal, "without an id", func(tx *Tx) error { return boxes.Put(tx, "", box{}) }},
	} {
		if _, err := s.Change(within(t), c.fn); !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("want %s about %q, got %v", c.kind, c.text, err)
		}
	}
}

func TestTxReadsItsOwnWrites(t *testing.T) {
	_, s := inMemory(t)
	mustChange(t, s, func(tx *Tx) error {
		for want := range 3 {
			b, ok, err := boxes.Find(tx, "a")
			if err != nil || ok != (want > 0) || b.N != want {
				t.Errorf("run %d: %+v %v %v", want, b, ok, err)
			}
			_ = boxes.Put(tx, "a", box{N: want + 1})
		}
		_ = boxes.Delete(tx, "a")
		if _, ok, _ := boxes.Find(tx, "a"); ok {
			t.Error("a deleted record is still there")
		}
		return boxes.Create(tx, "a", box{N: 9})
	})
	if b, _ := boxes.View(s, "a"); b.N != 9 {
		t.Fatalf("%+v", b)
	}
}

// What a Tx gives belongs to the caller: changing it must not reach the snapshot.
func TestTxNeverSharesARecordWithTheSnapshot(t *testing.T) {
	_, s := inMemory(t)
	mustChange(t, s, putBox("a", box{Tags: []string{"red"}}))
	mustChange(t, s, func(tx *Tx) error {
		b, err := boxes.Get(tx, "a")
		b.Tags[0] = "blue"
		return err
	})
	if b, _ := boxes.View(s, "a"); b.Tags[0] != "red" {
		t.Fatal("a change without a write reached the snapshot")
	}
}

// A decision on a stale snapshot must neither be committed nor believed.
func TestStaleSnapshotIsCaughtAtTheCommit(t *testing.T) {
	backend, s := inMemory(t)
	mustChange(t, s, putBox("a", box{N: 1}))
	other := NewWith(backend, quiet(), Options{})
	runs := 0
	_, err := s.Change(within(t), func(tx *Tx) error {
		if runs++; runs == 1 { // after the snapshot was taken, before the commit
			if _, err := other.Change(within(t), putBox("a", box{N: 5})); err != nil {
				return err
			}
		}
		return increment("a")(tx)
	})
	if b, _ := boxes.View(s, "a"); err != nil || b.N != 6 || runs != 2 {
		t.Fatalf("%+v after %d runs, %v", b, runs, err)
	}
	runs = 0
	_, err = s.Change(within(t), func(tx *Tx) error {
		if runs++; runs == 1 {
			if _, err := other.Change(within(t), putBox("new", box{})); err != nil {
				return err
			}
		}
		if _, err := boxes.Get(tx, "a"); err != nil {
			return err
		}
		_, err := boxes.Get(tx, "new")
		return err
	})
	if err != nil || runs != 2 {
		t.Fatalf("a refusal of the past was believed: %v after %d runs", err, runs)
	}
}

func TestChangesOfOneRecordTakeTurns(t *testing.T) {
	_, s := inMemory(t)
	const workers, each = 64, 20
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				if _, err := s.Change(within(t), increment("hot")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if b, _ := boxes.View(s, "hot"); b.N != workers*each {
		t.Fatalf("%d of %d increments", b.N, workers*each)
	}
}

func TestEndlessConflictGivesUp(t *testing.T) {
	backend, _ := inMemory(t)
	s := NewWith(backend, quiet(), Options{Attempts: 4})
	other := NewWith(backend, quiet(), Options{})
	runs := 0
	_, err := s.Change(within(t), func(tx *Tx) error {
		runs++
		if err := increment("a")(tx); err != nil {
			return err
		}
		_, err := other.Change(within(t), increment("a"))
		return err
	})
	if !fault.Is(err, fault.KindConflict) || runs != 4 || s.Stats().GaveUp != 1 {
		t.Fatalf("%v after %d runs", err, runs)
	}
}

func TestTooLargeChangeIsRefused(t *testing.T) {
	_, s := inMemory(t)
	for name, fn := range map[string]func(*Tx) error{
		"writes": func(tx *Tx) (err error) {
			for i := range 129 {
				err = boxes.Put(tx, fmt.Sprint(i), box{})
			}
			return err
		},
		"bytes": putBox("a", box{Fill: strings.Repeat("x", 2<<20)}),
		"reads": func(tx *Tx) (err error) {
			for i := range 129 {
				_, _, err = boxes.Find(tx, fmt.Sprint(i))
			}
			return errors.Join(err, boxes.Put(tx, "a", box{}))
		},
	} {
		if _, err := s.Change(within(t), fn); !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustChange(t, s, func(tx *Tx) (err error) {
		for i := range 128 {
			err = errors.Join(err, boxes.Put(tx, fmt.Sprint(i), box{}))
		}
		return err
	})
}

func TestUnreachableBackendIsUnavailable(t *testing.T) {
	backend, s := inMemory(t)
	mustChange(t, s, putBox("a", box{N: 1}))
	backend.Cut()
	eventually(t, "the snapshot is stale", func() bool { return !s.Stale().IsZero() })
	if _, err := s.Change(within(t), increment("a")); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("change: %v", err)
	}
	if b, ok := boxes.View(s, "a"); !ok || b.N != 1 {
		t.Fatal("reads do not go on")
	}
	backend.Heal()
	eventually(t, "the snapshot is fed again", func() bool { return s.Stale().IsZero() })
	mustChange(t, s, increment("a"))
}

func TestBrokenFenceStopsADeposedLeader(t *testing.T) {
	backend, s := inMemory(t)
	rev, _, _ := backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put("leaders/x", []byte("{}"))}})
	ctx := WithFence(within(t), Fence{Key: "leaders/x", Rev: rev})
	if _, err := s.Change(ctx, increment("a")); err != nil {
		t.Fatal(err)
	}
	for _, op := range []kv.Op{kv.Delete("leaders/x"), kv.Put("leaders/x", []byte("{}"))} {
		if _, _, err := backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{op}}); err != nil {
			t.Fatal(err)
		}
		for _, fn := range []func(*Tx) error{increment("a"), putBox("b", box{}), func(tx *Tx) error { _, err := boxes.Get(tx, "gone"); return err }} {
			if _, err := s.Change(ctx, fn); !errors.Is(err, ErrNotLeader) || !fault.Is(err, fault.KindUnavailable) {
				t.Fatalf("after %+v: %v", op, err)
			}
		}
	}
	if _, ok := boxes.View(s, "b"); ok {
		t.Fatal("a deposed leader wrote")
	}
	if _, err := s.Change(WithFence(context.Background(), Fence{}), increment("a")); err != nil {
		t.Fatal("the zero fence is none: ", err)
	}
}

func TestCancelledChangeDoesNotHappenLater(t *testing.T) {
	_, s := inMemory(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Change(ctx, putBox("a", box{})); !fault.Is(err, fault.KindUnavailable) {
		t.Fatal(err)
	}
	if _, ok := boxes.View(s, "a"); ok {
		t.Fatal("it happened")
	}
}
