package seal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

func TestX9_RotationSealsEverythingAnewAndRemovesTheOldKey(t *testing.T) {
	b := backend(t)
	r, _ := join(t, b, fixed("a"))
	r.fleet(perCommit*2 + 1)
	before := r.List()[0]
	fresh := r.begin()
	if again := r.begin(); again.ID != fresh.ID || !r.Rotating() {
		t.Errorf("asking again made the key %s, not %s", again.ID, fresh.ID)
	}
	var removed []string
	if err := r.Finish(t.Context(), func(_ *store.Tx, k Key) error { removed = append(removed, k.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	r.whole(perCommit*2 + 1)
	if r.List()[0].ID != fresh.ID || !slices.Equal(removed, []string{before.ID}) {
		t.Errorf("the keys are %+v, removed was %v", r.List(), removed)
	}
	if all := dump(t, b); strings.Contains(all, before.ID) {
		t.Errorf("the old key is still named:\n%s", all)
	}
	revision := r.store.Snapshot().Rev
	if err := r.finish(); err != nil || r.store.Snapshot().Rev != revision {
		t.Errorf("finishing again: %v, revision %d after %d", err, r.store.Snapshot().Rev, revision)
	}
}

func TestX9_TheFirstRotationNeedsNoSecret(t *testing.T) {
	r, _ := join(t, backend(t), fixed("a"))
	k := r.begin()
	if list := r.List(); r.Rotating() || len(list) != 1 || list[0].ID != k.ID || list[0].Secrets != 0 {
		t.Errorf("the ring is %+v", list)
	}
}

// mortal is a way to the state that breaks at one commit: before it, or after it
// was done but before anybody heard of it.
type mortal struct {
	kv.KV
	at    int64
	after bool
	n     atomic.Int64
}

func (m *mortal) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	if len(t.Ops) == 0 {
		return m.KV.Commit(ctx, t)
	}
	n := m.n.Add(1)
	if m.at == 0 || n < m.at {
		return m.KV.Commit(ctx, t)
	}
	if n == m.at && m.after {
		_, _, _ = m.KV.Commit(ctx, t)
	}
	return 0, false, fault.Unavailable("the state is gone")
}

// A controller that rotates dies at every commit; another one goes on.
func TestX9_ARotationSurvivesACrashAtEveryCommit(t *testing.T) {
	const n = perCommit + 3
	for _, after := range []bool{false, true} {
		for at := int64(1); ; at++ {
			if crashed := crashAt(t, n, at, after); !crashed {
				if at < 6 {
					t.Fatalf("a rotation has only %d commits", at-1)
				}
				break
			}
		}
	}
}

func crashAt(t *testing.T, n int, at int64, after bool) (crashed bool) {
	b := backend(t)
	first, stopFirst := join(t, b, fixed("a"))
	first.fleet(n)
	stopFirst()
	m := &mortal{KV: b, at: at, after: after}
	dying, stop := join(t, m, fixed("a"))
	_, err := dying.store.Change(t.Context(), func(tx *store.Tx) error {
		_, _, err := dying.Begin(tx, access.System, first.List()[0].CreatedAt.Add(1e9))
		return err
	})
	if err == nil {
		err = dying.finish()
	}
	stop()
	next, stopNext := join(t, b, fixed("a"))
	defer stopNext()
	for i := range n { // at any moment everything opens
		if got, err := next.password(serverID(i)); err != nil || got != string(secretOf(i)) {
			t.Fatalf("after a crash at commit %d: %s is %q, %v", at, serverID(i), got, err)
		}
	}
	if err := next.finish(); err != nil {
		t.Fatalf("after a crash at commit %d: %v", at, err)
	}
	next.whole(n)
	return err != nil
}

// Two replicas write while a third rotates, again and again.
func TestX9_RotationAndWritersOnOtherReplicas(t *testing.T) {
	const n = 12
	b := backend(t)
	r, _ := join(t, b, fixed("a"))
	r.fleet(n)
	var writers sync.WaitGroup
	stop := make(chan struct{})
	var wrote atomic.Int64
	for w := range 2 {
		other, _ := join(t, b, fixed("a"))
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := (2*i + w) % n
				if err := other.keep(serverID(k), secretOf(k)); err != nil && !fault.Is(err, fault.KindConflict) {
					t.Errorf("a writer meanwhile: %v", err)
					return
				}
				wrote.Add(1)
			}
		})
	}
	for range 8 {
		before := wrote.Load()
		r.begin()
		for wrote.Load() < before+5 && !t.Failed() {
			if err := r.finish(); err != nil && !fault.Is(err, fault.KindConflict) {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	writers.Wait()
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	r.whole(n)
}

// A newer version of this program has tables that this one does not know.
func TestX9_AKeyStaysWhileAnythingInTheStoreNamesIt(t *testing.T) {
	b := backend(t)
	r, _ := join(t, b, fixed("a"))
	r.mustKeep("srv-1", "open sesame")
	old := r.List()[0].ID
	foreign := kv.Put("webhooks-of-tomorrow/1", fmt.Appendf(nil, `{"url":"x","secret":{"key":%q,"box":"AAAA"}}`, old))
	if _, _, err := b.Commit(t.Context(), kv.Txn{Ops: []kv.Op{foreign}}); err != nil {
		t.Fatal(err)
	}
	r.begin()
	if err := r.finish(); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "webhooks-of-tomorrow/1") {
		t.Errorf("finish: %v", err)
	}
	if list := r.List(); len(list) != 2 || list[0].ID != old || list[0].Current || list[1].Secrets != 1 {
		t.Errorf("the ring is %+v", list)
	}
	if _, _, err := b.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Delete("webhooks-of-tomorrow/1")}}); err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil || len(r.List()) != 1 {
		t.Errorf("later: %v, %+v", err, r.List())
	}
}

// One secret that cannot be opened keeps its key and holds up nobody else.
func TestX9_ADamagedSecretHoldsUpNobody(t *testing.T) {
	const n = perCommit / 2
	r, _ := join(t, backend(t), fixed("a"))
	r.fleet(n)
	r.change(func(tx *store.Tx) error {
		b, _ := store.BMCs.Get(tx, serverID(3))
		b.Password.Box[20] ^= 1
		return store.BMCs.Put(tx, serverID(3), b)
	})
	r.begin()
	if err := r.finish(); err == nil || !strings.Contains(err.Error(), "bmcs/"+serverID(3)+"/password") {
		t.Errorf("finish: %v", err)
	}
	if list := r.List(); len(list) != 2 || list[0].Secrets != 1 || list[1].Secrets != n+2 {
		t.Errorf("the ring is %+v", list)
	}
	r.mustKeep(serverID(3), secretOf(3))
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	r.whole(n)
}

// The authority's file is lost for good: a rotation makes secrets possible again,
// and the old key goes when all of them were given anew.
func TestX9_ALostAuthorityIsOvercome(t *testing.T) {
	b := backend(t)
	lost, stop := join(t, b, fixed("a"))
	lost.fleet(2)
	stop()
	r, _ := join(t, b, fixed("b"))
	r.begin()
	r.begin()
	if err := r.finish(); err == nil {
		t.Error("secrets of the lost authority were sealed anew")
	}
	r.fleet(2)
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	r.whole(2)
}

func TestX9_RunFinishesWhatIsLeftAndLogsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := join(t, backend(t), fixed("a"))
		r.fleet(3)
		r.change(func(tx *store.Tx) error {
			b, _ := store.BMCs.Get(tx, serverID(1))
			b.Password.Box[20] ^= 1
			return store.BMCs.Put(tx, serverID(1), b)
		})
		r.begin()
		ctx, cancel := context.WithCancel(t.Context())
		var log strings.Builder
		var running sync.WaitGroup
		running.Go(func() {
			if err := r.Run(ctx, slog.New(slog.NewTextHandler(&log, nil)), func(*store.Tx, Key) error { return nil }); err == nil {
				t.Error("Run ended without an error of its context")
			}
		})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if warnings := strings.Count(log.String(), "level=WARN"); warnings < 5 || warnings > 15 || !r.Rotating() {
			t.Errorf("in five minutes with a damaged secret there were %d warnings", warnings)
		}
		r.mustKeep(serverID(1), secretOf(1))
		time.Sleep(2 * maxWait)
		cancel()
		running.Wait()
		r.whole(3)
		if strings.Contains(log.String(), "password-of") {
			t.Errorf("the log holds a secret: %s", &log)
		}
		stop()
	})
}

func BenchmarkUnseal(b *testing.B) {
	r, _ := join(b, backend(b), fixed("a"))
	r.mustKeep("srv-1", logging.Secret("calvin-and-hobbes"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.password("srv-1"); err != nil {
			b.Fatal(err)
		}
	}
}
