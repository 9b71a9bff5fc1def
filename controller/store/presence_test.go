package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// counting counts commits, and remembers the last lease.
type counting struct {
	*memkv.Store
	mu      sync.Mutex
	commits int
	lease   int64
}

func (c *counting) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	c.mu.Lock()
	c.commits++
	c.mu.Unlock()
	return c.Store.Commit(ctx, t)
}

func (c *counting) Grant(ctx context.Context, ttl time.Duration) (kv.Lease, error) {
	l, err := c.Store.Grant(ctx, ttl)
	if err == nil {
		c.mu.Lock()
		c.lease = l.ID()
		c.mu.Unlock()
	}
	return l, err
}

func writer(t *testing.T, backend kv.KV, replica string) (w *PresenceWriter, stop func()) {
	w = NewPresenceWriter(backend, replica, time.Second, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return w, stop
}

func TestPresenceIsWrittenInFewCommitsAndSurvivesALostLease(t *testing.T) {
	backend := &counting{Store: memkv.New(memkv.Options{})}
	s := running(t, backend, Options{})
	w, stop := writer(t, backend, "a")
	since := time.Unix(1000, 0)
	const n = 1000
	for i := range n {
		w.Add(fleet.Presence{Server: fmt.Sprint(i), Since: since})
	}
	eventually(t, "all are present", func() bool { return Presences.Len(s.Snapshot()) == n })
	backend.mu.Lock()
	commits, lease := backend.commits, backend.lease
	backend.mu.Unlock()
	if commits > n/10 {
		t.Fatalf("%d commits for %d servers", commits, n)
	}
	w.Remove("0", since)
	w.Remove("1", since.Add(time.Second)) // the end of another connection
	eventually(t, "one has gone", func() bool { return Presences.Len(s.Snapshot()) == n-1 })
	if s.Connected("0") || !s.Connected("1") {
		t.Fatal("the wrong one has gone")
	}
	backend.Expire(lease)
	eventually(t, "all are written again", func() bool { return Presences.Len(s.Snapshot()) == n-1 && w.Pending() == 0 })
	stop()
	eventually(t, "all have gone with the replica", func() bool { return Presences.Len(s.Snapshot()) == 0 })
}

func TestPresenceFollowsTheAgentToAnotherReplica(t *testing.T) {
	backend := &counting{Store: memkv.New(memkv.Options{})}
	s := running(t, backend, Options{})
	a, stopA := writer(t, backend, "a")
	b, _ := writer(t, backend, "b")
	holder := func(want string) func() bool {
		return func() bool {
			p, ok := Presences.View(s, "srv")
			return ok && p.Replica == want
		}
	}
	since := time.Unix(1000, 0)
	a.Add(fleet.Presence{Server: "srv", Since: since})
	eventually(t, "a holds it", holder("a"))
	b.Add(fleet.Presence{Server: "srv", Since: since.Add(-time.Hour)}) // b's clock is late
	eventually(t, "b holds it", holder("b"))
	a.markAll() // as after a lost lease: a must not take it back
	eventually(t, "a has looked", func() bool { return a.Pending() == 0 })
	a.Remove("srv", since)
	eventually(t, "a has looked", func() bool { return a.Pending() == 0 })
	stopA()
	time.Sleep(10 * time.Millisecond)
	if !holder("b")() {
		t.Fatal("a disturbed the presence of b")
	}
}

func TestU10_AReplicaIsFoundWhileItRuns(t *testing.T) {
	backend := &counting{Store: memkv.New(memkv.Options{})}
	s := running(t, backend, Options{})
	w := NewPresenceWriter(backend, "rep-a", time.Second, quiet())
	w.Announce(fleet.Replica{Address: "a.example:8080", Scheme: "https"})
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { _ = w.Run(ctx) })
	defer runs.Wait()
	defer cancel()
	found := func() bool {
		r, ok := Replicas.View(s, "rep-a")
		return ok && r.ID == "rep-a" && r.Address == "a.example:8080"
	}
	eventually(t, "it is found", found)
	backend.mu.Lock()
	lease := backend.lease
	backend.mu.Unlock()
	backend.Expire(lease)
	eventually(t, "it is found again after its lease was lost", func() bool {
		backend.mu.Lock()
		defer backend.mu.Unlock()
		return backend.lease != lease && found()
	})
	cancel()
	eventually(t, "it is found no more", func() bool { return Replicas.Len(s.Snapshot()) == 0 })
}
