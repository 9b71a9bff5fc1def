package kvtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Patience is how long the suite waits for what must come.
const Patience = 20 * time.Second

// Run proves the contract on stores that open makes. Each test gets its own
// store, or its own empty prefix of a shared one: open decides.
func Run(t *testing.T, open func(t *testing.T) kv.KV) {
	for _, c := range []struct {
		name string
		test func(*testing.T, context.Context, kv.KV)
	}{
		{"GetTellsAbsentFromEmpty", getTellsAbsentFromEmpty},
		{"X2_CommitIsAllOrNothing", commitIsAllOrNothing},
		{"CompareByCreation", compareByCreation},
		{"ReadSeesOneRevision", readSeesOneRevision},
		{"ListPagesAtOneRevision", listPagesAtOneRevision},
		{"LimitsAreRefusedBeforeSending", limitsAreRefused},
		{"X2_WatchNeverSplitsARevision", watchNeverSplitsARevision},
		{"WatchStartsInThePast", watchStartsInThePast},
		{"LeaseTakesItsKeysAlong", leaseTakesItsKeysAlong},
		{"EndedContextIsUnavailable", endedContextIsUnavailable},
		{"OneOfManyWins", oneOfManyWins},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*Patience)
			defer cancel()
			c.test(t, ctx, open(t))
		})
	}
}

// MustCommit commits ops and demands success.
func MustCommit(t *testing.T, ctx context.Context, s kv.KV, ops ...kv.Op) int64 {
	t.Helper()
	rev, ok, err := s.Commit(ctx, kv.Txn{Ops: ops})
	if err != nil || !ok {
		t.Fatalf("commit: ok %v, err %v", ok, err)
	}
	return rev
}

func put(key, value string) kv.Op { return kv.Put(key, []byte(value)) }

func get(t *testing.T, ctx context.Context, s kv.KV, key string) kv.Entry {
	t.Helper()
	e, err := s.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func getTellsAbsentFromEmpty(t *testing.T, ctx context.Context, s kv.KV) {
	if e := get(t, ctx, s, "a"); e.Exists() || e.Key != "a" {
		t.Fatalf("absent key: %+v", e)
	}
	rev := MustCommit(t, ctx, s, put("a", ""))
	if e := get(t, ctx, s, "a"); !e.Exists() || e.ModRev != rev || e.CreateRev != rev || len(e.Value) != 0 {
		t.Fatalf("empty value at %d: %+v", rev, e)
	}
	rev2 := MustCommit(t, ctx, s, put("a", "x"))
	if e := get(t, ctx, s, "a"); e.ModRev != rev2 || e.CreateRev != rev || string(e.Value) != "x" {
		t.Fatalf("update at %d: %+v", rev2, e)
	}
	MustCommit(t, ctx, s, kv.Delete("a"), kv.Delete("never"))
	if e := get(t, ctx, s, "a"); e.Exists() {
		t.Fatalf("deleted key: %+v", e)
	}
}

func commitIsAllOrNothing(t *testing.T, ctx context.Context, s kv.KV) {
	rev := MustCommit(t, ctx, s, put("a", "1"), put("b", "1"))
	commit := func(cs ...kv.Compare) bool {
		_, ok, err := s.Commit(ctx, kv.Txn{Compares: cs, Ops: []kv.Op{put("a", "2"), put("c", "2"), kv.Delete("b")}})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if commit(kv.Compare{Key: "a", Rev: rev}, kv.Compare{Key: "b", Rev: rev - 1}) || commit(kv.Compare{Key: "a"}) || commit(kv.Compare{Key: "z", Rev: rev}) {
		t.Fatal("committed although a compare did not hold")
	}
	if string(get(t, ctx, s, "a").Value) != "1" || get(t, ctx, s, "c").Exists() || !get(t, ctx, s, "b").Exists() {
		t.Fatal("a refused commit left traces")
	}
	if !commit(kv.Compare{Key: "a", Rev: rev}, kv.Compare{Key: "c"}, kv.Compare{Key: "b", Rev: rev}) {
		t.Fatal("refused although all compares hold")
	}
	a, c := get(t, ctx, s, "a"), get(t, ctx, s, "c")
	if a.ModRev != c.ModRev || string(a.Value) != "2" || get(t, ctx, s, "b").Exists() {
		t.Fatalf("one commit, two revisions or lost writes: %+v %+v", a, c)
	}
}

func compareByCreation(t *testing.T, ctx context.Context, s kv.KV) {
	created := MustCommit(t, ctx, s, put("leader", "a"))
	MustCommit(t, ctx, s, put("leader", "a, still"))
	fenced := kv.Txn{Compares: []kv.Compare{{Key: "leader", Target: kv.CreateRev, Rev: created}}, Ops: []kv.Op{put("x", "1")}}
	if _, ok, err := s.Commit(ctx, fenced); err != nil || !ok {
		t.Fatalf("an update broke the fence: %v %v", ok, err)
	}
	MustCommit(t, ctx, s, kv.Delete("leader"))
	MustCommit(t, ctx, s, put("leader", "b"))
	if _, ok, err := s.Commit(ctx, fenced); err != nil || ok {
		t.Fatalf("a new leader did not break the fence: %v %v", ok, err)
	}
}

func readSeesOneRevision(t *testing.T, ctx context.Context, s kv.KV) {
	MustCommit(t, ctx, s, put("a", "0"), put("b", "0"))
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 100 {
			v := fmt.Sprint(i)
			if _, _, err := s.Commit(ctx, kv.Txn{Ops: []kv.Op{put("a", v), put("b", v)}}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 100 {
		es, rev, err := s.Read(ctx, []string{"b", "none", "a"})
		if err != nil {
			t.Fatal(err)
		}
		if string(es[0].Value) != string(es[2].Value) || es[1].Exists() || es[1].Key != "none" || es[0].ModRev > rev {
			t.Fatalf("torn read at %d: %+v", rev, es)
		}
	}
	writer.Wait()
}

func listPagesAtOneRevision(t *testing.T, ctx context.Context, s kv.KV) {
	var ops []kv.Op
	for i := range 25 {
		ops = append(ops, put(fmt.Sprintf("p/%02d", i), "v"))
	}
	MustCommit(t, ctx, s, append(ops, put("o", "v"), put("q", "v"))...)
	first, err := s.List(ctx, "p/", kv.ListOptions{Limit: 10})
	if err != nil || !first.More || len(first.Entries) != 10 {
		t.Fatalf("first page: %+v, %v", first, err)
	}
	MustCommit(t, ctx, s, put("p/99", "late"), kv.Delete("p/20"))
	keys := entryKeys(first)
	for page := first; page.More; {
		page, err = s.List(ctx, "p/", kv.ListOptions{From: page.Next, Limit: 10, Rev: first.Rev, KeysOnly: true})
		if err != nil || page.Rev != first.Rev {
			t.Fatalf("page: %+v, %v", page, err)
		}
		for _, e := range page.Entries {
			if e.Value != nil || e.ModRev == 0 {
				t.Fatalf("keys only: %+v", e)
			}
		}
		keys = append(keys, entryKeys(page)...)
	}
	if len(keys) != 25 || keys[0] != "p/00" || keys[24] != "p/24" {
		t.Fatalf("list is not of one revision: %v", keys)
	}
	if now, err := s.List(ctx, "p/", kv.ListOptions{}); err != nil || len(now.Entries) != 25 || now.More {
		t.Fatalf("list of now: %d entries, %v", len(now.Entries), err)
	}
}

func entryKeys(p kv.Page) (keys []string) {
	for _, e := range p.Entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func limitsAreRefused(t *testing.T, ctx context.Context, s kv.KV) {
	l := s.Limits()
	var many []kv.Op
	for i := range l.MaxOps + 1 {
		many = append(many, put(fmt.Sprint(i), ""))
	}
	if _, ok, err := s.Commit(ctx, kv.Txn{Ops: many[:l.MaxOps]}); err != nil || !ok {
		t.Fatalf("as many ops as allowed: %v %v", ok, err)
	}
	for name, ops := range map[string][]kv.Op{
		"many":  many,
		"large": {put("a", strings.Repeat("x", l.MaxBytes))},
	} {
		if _, _, err := s.Commit(ctx, kv.Txn{Ops: ops}); !fault.Is(err, fault.KindRefused) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if _, ok, err := s.Commit(ctx, kv.Txn{Ops: []kv.Op{put("a", strings.Repeat("x", l.MaxBytes-100))}}); err != nil || !ok {
		t.Fatalf("as many bytes as allowed: %v %v", ok, err)
	}
	for name, ops := range map[string][]kv.Op{
		"twice": {put("a", ""), kv.Delete("a")},
		"empty": {put("", "")},
	} {
		if _, _, err := s.Commit(ctx, kv.Txn{Ops: ops}); !fault.Is(err, fault.KindInternal) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if _, _, err := s.Read(ctx, make([]string, l.MaxOps+1)); !fault.Is(err, fault.KindRefused) {
		t.Fatalf("read: %v", err)
	}
}

func endedContextIsUnavailable(t *testing.T, ctx context.Context, s kv.KV) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Get(ctx, "a"); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("get: %v", err)
	}
	if _, _, err := s.Commit(ctx, kv.Txn{Ops: []kv.Op{put("a", "")}}); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("commit: %v", err)
	}
}

func oneOfManyWins(t *testing.T, ctx context.Context, s kv.KV) {
	const n = 16
	var wins sync.Map
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			_, ok, err := s.Commit(ctx, kv.Txn{Compares: []kv.Compare{{Key: "claim"}}, Ops: []kv.Op{put("claim", fmt.Sprint(i))}})
			if err != nil {
				t.Error(err)
			}
			if ok {
				wins.Store(fmt.Sprint(i), true)
			}
		})
	}
	all.Wait()
	winners := 0
	wins.Range(func(any, any) bool { winners++; return true })
	if _, ok := wins.Load(string(get(t, ctx, s, "claim").Value)); winners != 1 || !ok {
		t.Fatalf("%d winners", winners)
	}
}
