package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestX11_ListsIndexesAndOrderComeFromTheSnapshot(t *testing.T) {
	backend, s := inMemory(t)
	for i, owner := range []string{"zoe", "adam", "zoe", ""} {
		mustChange(t, s, putBox(fmt.Sprint("b", i), box{N: i, Owner: owner, Tags: []string{"t", fmt.Sprint("t", i%2)}}))
	}
	backend.Cut() // lists and lookups do not need it
	snap := s.Snapshot()
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	check("items", boxIDs(boxes.Items(snap)), "b0 b1 b2 b3 ")
	check("from", boxIDs(boxes.From(snap, "b2")), "b2 b3 ")
	check("prefix", boxIDs(boxes.WithPrefix(snap, "b1")), "b1 ")
	check("where", boxIDs(boxes.Where(snap, func(b *box) bool { return b.N > 1 })), "b2 b3 ")
	check("owner", boxIDs(boxes.Lookup(snap, "owner", "zoe")), "b0 b2 ")
	check("no such owner", boxIDs(boxes.Lookup(snap, "owner", "zo")), "")
	check("tag", boxIDs(boxes.Lookup(snap, "tag", "t1")), "b1 b3 ")
	ordered := ""
	for owner, it := range boxes.Ordered(snap, "owner", "a") {
		ordered += owner + ":" + it.ID + " "
	}
	check("ordered", ordered, "adam:b1 zoe:b0 zoe:b2 ")
	backend.Heal()
	eventually(t, "fed", func() bool { return s.Stale().IsZero() })
	mustChange(t, s, putBox("b0", box{Owner: "adam"}))
	mustChange(t, s, func(tx *Tx) error { return boxes.Delete(tx, "b2") })
	check("owner after moves", boxIDs(boxes.Lookup(s.Snapshot(), "owner", "zoe")), "")
	check("tag after moves", boxIDs(boxes.Lookup(s.Snapshot(), "tag", "t")), "b1 b3 ")
	check("the old snapshot", boxIDs(boxes.Lookup(snap, "owner", "zoe")), "b0 b2 ")
}

// Random traffic, compaction, outages and restarts of the view: it ends up equal
// to the backend, and a subscriber that only applied changes does too.
func TestViewEqualsTheBackendAfterAnything(t *testing.T) {
	for seed := range uint64(5) {
		backend := memkv.New(memkv.Options{})
		s := NewWith(backend, quiet(), Options{PageSize: 7, Keep: 500})
		stop := start(t, s)
		sub := s.Subscribe()
		mirror := map[string]int{}
		r := rand.New(rand.NewPCG(seed, 1))
		for range 400 {
			randomStep(t, r, backend)
			if r.IntN(4) == 0 {
				follow(t, s, sub, mirror)
			}
			if r.IntN(100) == 0 {
				stop()
				stop = start(t, s)
			}
		}
		page, err := backend.List(t.Context(), boxes.Name()+"/", kv.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WaitRev(within(t), page.Rev); err != nil {
			t.Fatal(err)
		}
		sameAsBackend(t, s, page)
		eventually(t, "the subscriber has followed", func() bool {
			follow(t, s, sub, mirror)
			return len(mirror) == len(page.Entries)
		})
		for it := range boxes.Items(s.Snapshot()) {
			if mirror[it.ID] != it.Value.N {
				t.Fatalf("seed %d: the subscriber has %s=%d, not %d", seed, it.ID, mirror[it.ID], it.Value.N)
			}
		}
		stop()
	}
}

func randomStep(t *testing.T, r *rand.Rand, backend *memkv.Store) {
	key := fmt.Sprintf("%s/%02d", boxes.Name(), r.IntN(40))
	switch r.IntN(20) {
	case 0:
		backend.Cut()
		time.Sleep(time.Duration(r.IntN(2)) * time.Millisecond)
		backend.Heal()
	case 1:
		page, _ := backend.List(t.Context(), "", kv.ListOptions{})
		backend.Compact(page.Rev)
	case 2, 3, 4:
		_, _, _ = backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Delete(key)}})
	default:
		raw, _ := encode(box{N: r.IntN(1000), Owner: fmt.Sprint(r.IntN(3))})
		if _, _, err := backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put(key, raw)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// follow applies what is there to mirror.
func follow(t *testing.T, s *Store, sub *Subscription, mirror map[string]int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	changes, resync, err := sub.Next(ctx)
	if err != nil {
		return
	}
	if resync {
		clear(mirror)
		for it := range boxes.Items(s.Snapshot()) {
			mirror[it.ID] = it.Value.N
		}
	}
	for _, c := range changes {
		if b, ok := c.New.(*box); ok {
			mirror[c.ID] = b.N
		} else {
			delete(mirror, c.ID)
		}
	}
}

func sameAsBackend(t *testing.T, s *Store, page kv.Page) {
	t.Helper()
	if n := boxes.Len(s.Snapshot()); n != len(page.Entries) {
		t.Fatalf("%d of %d records", n, len(page.Entries))
	}
	byOwner := 0
	for _, owner := range []string{"0", "1", "2"} {
		for range boxes.Lookup(s.Snapshot(), "owner", owner) {
			byOwner++
		}
	}
	if byOwner != len(page.Entries) {
		t.Fatalf("the index has %d of %d records", byOwner, len(page.Entries))
	}
	for _, e := range page.Entries {
		it, ok := boxes.Item(s.Snapshot(), e.Key[len(boxes.Name())+1:])
		if !ok || it.ModRev != e.ModRev || it.CreateRev != e.CreateRev || string(it.JSON) != string(e.Value) {
			t.Fatalf("%s: %+v is not %+v", e.Key, it, e)
		}
	}
}

func TestCompactedEtcdAndRestartLoseNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) {
		backend := etcdtest.SingleIn(t, dir).KV()
		s := NewWith(backend, quiet(), Options{PageSize: 10})
		stop := start(t, s)
		sub := s.SubscribeFrom(s.Snapshot().Rev)
		stop()
		var rev int64
		for i := range 50 {
			raw, _ := encode(box{N: i})
			rev, _, _ = backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put(fmt.Sprintf("test-boxes/%02d", i), raw)}})
		}
		if _, err := backend.Client().Compact(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		start(t, s) // its revision is compacted: it must list again and tell the difference
		if err := s.WaitRev(within(t), rev); err != nil {
			t.Fatal(err)
		}
		changes, resync, err := sub.Next(within(t))
		if err != nil || resync || len(changes) != 50 || changes[49].Rev != rev {
			t.Fatalf("%d changes, resync %v, %v", len(changes), resync, err)
		}
	})
	t.Run("after", func(t *testing.T) {
		s := running(t, etcdtest.SingleIn(t, dir).KV(), Options{})
		if b, ok := boxes.View(s, "49"); !ok || b.N != 49 || boxes.Len(s.Snapshot()) != 50 {
			t.Fatalf("%d records after the restart", boxes.Len(s.Snapshot()))
		}
	})
}

func TestSubscriberThatFellBehindIsToldToStartAgain(t *testing.T) {
	s := running(t, memkv.New(memkv.Options{}), Options{Keep: 20})
	sub := s.Subscribe()
	if _, resync, err := sub.Next(within(t)); err != nil || !resync {
		t.Fatalf("first: %v %v", resync, err)
	}
	var first int64
	for i := range 8 {
		rev := mustChange(t, s, putBox(fmt.Sprint(i), box{N: i}))
		if i == 0 {
			first = rev
		}
	}
	changes, resync, err := sub.Next(within(t))
	if err != nil || resync || len(changes) != 8 || changes[0].Old != nil || changes[0].New.(*box).N != 0 {
		t.Fatalf("%+v %v %v", changes, resync, err)
	}
	again, resync, err := s.SubscribeFrom(first).Next(within(t))
	if err != nil || resync || len(again) != 7 {
		t.Fatalf("resumed after the first: %d changes, %v, %v", len(again), resync, err)
	}
	for i := range 30 {
		mustChange(t, s, putBox("many", box{N: i}))
	}
	for name, sub := range map[string]*Subscription{"slow": sub, "long away": s.SubscribeFrom(first)} {
		if _, resync, err := sub.Next(within(t)); err != nil || !resync {
			t.Fatalf("%s: %v %v", name, resync, err)
		}
	}
}

func TestUnreadableRecordIsLeftOutAndTold(t *testing.T) {
	backend, s := inMemory(t)
	rev, _, err := backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put("test-boxes/bad", []byte(`{"n":"x"}`)), kv.Put("test-boxes/good", []byte(`{"n":1}`)), kv.Put("other", nil)}})
	if err != nil || s.WaitRev(within(t), rev) != nil {
		t.Fatal(err)
	}
	if ids := boxes.IDs(s.Snapshot()); len(ids) != 1 || len(boxes.Unreadable(s.Snapshot())) != 1 {
		t.Fatalf("%v", ids)
	}
	if _, err := s.Change(within(t), increment("bad")); !fault.Is(err, fault.KindInternal) {
		t.Fatal(err)
	}
	mustChange(t, s, putBox("bad", box{N: 2}))
	if b, ok := boxes.View(s, "bad"); !ok || b.N != 2 || len(boxes.Unreadable(s.Snapshot())) != 0 {
		t.Fatal("a repaired record is still left out")
	}
}

func TestWaitRevEndsWithItsContext(t *testing.T) {
	_, s := inMemory(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.WaitRev(ctx, 1<<40); !fault.Is(err, fault.KindUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if len(s.view.waiters) != 0 {
		t.Fatal("the waiter stays")
	}
}

func TestStoredRecordLosesNothing(t *testing.T) {
	_, s := inMemory(t)
	in := box{N: 1 << 60, Owner: "<é&\u2028\x00>", Tags: []string{"", "b"}}
	mustChange(t, s, putBox("a", in))
	it, _ := boxes.Item(s.Snapshot(), "a")
	want, _ := json.Marshal(in)
	if got, _ := json.Marshal(it.Value); string(got) != string(want) {
		t.Fatalf("got %s, want %s", got, want)
	}
}
