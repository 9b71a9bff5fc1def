package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// seizure is sold servers on which a crowd places things while others take them back.
type seizure struct {
	t        *testing.T
	ctx      context.Context
	ledger   *ledger
	replicas []*world
	servers  []string
	sales    map[string]string // server → the first sale of it

	mu      sync.Mutex
	placed  map[string][]string // server → placements that are there
	barred  []loss              // who could not place
	kept    []loss              // who could not take back
	revoked int
}

// TestS8_NothingIsOnAServerThatIsTakenBack: whoever comes first, and whatever replica he asks; every loser hears the truth.
func TestS8_NothingIsOnAServerThatIsTakenBack(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) kv.KV{
		"memory": func(t *testing.T) kv.KV {
			k := memkv.New(memkv.Options{})
			t.Cleanup(func() { _ = k.Close() })
			return k
		},
		"etcd": func(t *testing.T) kv.KV { return etcdtest.Single(t).KV() },
	} {
		t.Run(name, func(t *testing.T) {
			z := newSeizure(t, open(t))
			z.crowd(1200)
			z.rest()
			z.truthful()
		})
	}
}

func newSeizure(t *testing.T, backend kv.KV) *seizure {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	z := &seizure{t: t, ctx: ctx, ledger: newLedger(), sales: map[string]string{}, placed: map[string][]string{}}
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for n := range 2 {
		running.Go(z.start(n, backend))
	}
	for _, w := range z.replicas {
		if err := w.store.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	first := z.replicas[0]
	first.put()
	for n := range 20 {
		id := fmt.Sprintf("srv-%016d", n)
		inv := machine(n, 1, 1)
		z.ledger.proof[id] = proof{rev: 1, disks: map[string]bool{inv.Disks[0].Serial: true}}
		z.ledger.lives.plant(id, fleet.StateAvailable)
		z.servers = append(z.servers, id)
	}
	running.Go(func() { _ = z.ledger.follow(ctx, backend) })
	running.Go(func() { first.agents(ctx) })
	for n, id := range z.servers {
		z.commit(func(tx *store.Tx) error { _, err := allotable(tx, n, time.Now()); return err })
		if n%2 == 0 { // it is inspected before it is released
			z.commit(func(tx *store.Tx) error { return makeNode(tx, id, false) })
		}
	}
	for _, id := range z.servers {
		z.until("server "+id+" is sold", func() bool {
			sale, _, _, err := first.intake.Sell(ctx, ann, acme, id)
			z.sales[id] = sale.ID
			return err == nil
		})
	}
	return z
}

// start puts a replica together and gives what it runs.
func (z *seizure) start(n int, backend kv.KV) func() {
	log := slog.New(slog.DiscardHandler)
	w := &world{t: z.t, store: store.New(backend, log)}
	w.stock, w.intake = stock.New(w.store, time.Now), intake.New(w.store, log, time.Now)
	w.obey(w.obedient)
	r := New(w.store, w.stock, w, log, time.Now, w)
	z.replicas = append(z.replicas, w)
	return func() {
		var running sync.WaitGroup
		running.Go(func() { _ = w.store.Run(z.ctx) })
		running.Go(func() { _ = w.stock.Run(z.ctx) })
		running.Go(func() {
			_ = store.Elect(z.ctx, backend, store.Election{Name: "reconcile", Replica: fmt.Sprint("rep-", n), Logger: log}, r.Run)
		})
		running.Wait()
	}
}

func (z *seizure) commit(f func(tx *store.Tx) error) {
	z.t.Helper()
	if _, err := z.replicas[0].store.Change(z.ctx, f); err != nil {
		z.t.Fatal(err)
	}
}

func (z *seizure) until(what string, ok func() bool) {
	z.t.Helper()
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-z.ctx.Done():
			z.t.Fatal("never came to pass: " + what)
		}
	}
}

// crowd does so many things side by side: most place something, some remove what they placed, some take a server back.
func (z *seizure) crowd(tries int64) {
	var crowd sync.WaitGroup
	var next atomic.Int64
	for worker := range 24 {
		w, rng := z.replicas[worker%2], rand.New(rand.NewPCG(8, uint64(worker)))
		crowd.Go(func() {
			for i := next.Add(1); i <= tries; i = next.Add(1) {
				server := z.servers[(i/60+rng.Int64N(3))%int64(len(z.servers))] // they come to one server after another, all at once
				switch rng.IntN(6) {
				case 0, 1:
					z.takeBack(w, server)
				case 2, 3:
					z.remove(w, server)
				default:
					z.place(w, server, fmt.Sprint("db", i))
				}
			}
		})
	}
	crowd.Wait()
}

func (z *seizure) place(w *world, server, name string) {
	p, _, err := w.intake.Place(z.ctx, ann, intake.PlacementDraft{Kind: hosting.Database, Name: name, Server: server, Reseller: acme})
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case err == nil:
		z.placed[server] = append(z.placed[server], p.ID)
	case fault.Is(err, fault.KindRefused):
		z.barred = append(z.barred, loss{server, err.Error()})
	case !fault.Is(err, fault.KindUnavailable) && !fault.Is(err, fault.KindConflict):
		z.t.Errorf("placed on %s: %v", server, err)
	}
}

func (z *seizure) remove(w *world, server string) {
	z.mu.Lock()
	list := z.placed[server]
	z.placed[server] = nil
	z.mu.Unlock()
	for _, id := range list {
		for {
			_, err := w.intake.Unplace(z.ctx, ann, id, intake.AnyRevision)
			if !fault.Is(err, fault.KindUnavailable) && !fault.Is(err, fault.KindConflict) {
				if err != nil {
					z.t.Errorf("%s is not removed: %v", id, err)
				}
				break
			}
		}
	}
}

func (z *seizure) takeBack(w *world, server string) {
	_, _, err := w.intake.Revoke(z.ctx, ann, z.sales[server], "unpaid")
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case err == nil:
		z.revoked++
	case fault.Is(err, fault.KindRefused):
		z.kept = append(z.kept, loss{server, err.Error()})
	case !fault.Is(err, fault.KindUnavailable) && !fault.Is(err, fault.KindConflict):
		z.t.Errorf("server %s is not taken back: %v", server, err)
	}
}

// rest waits until no revocation is under way.
func (z *seizure) rest() {
	z.t.Helper()
	z.until("every revocation ended", func() bool {
		return read(z.ledger, func(l *ledger) bool {
			for _, s := range l.sales {
				if s.State == reselling.Revoking {
					return false
				}
			}
			return len(l.sales) == len(z.servers)
		})
	})
}

// truthful holds what everybody was told against what happened.
func (z *seizure) truthful() {
	z.t.Helper()
	read(z.ledger, func(l *ledger) bool {
		for _, b := range l.broken {
			z.t.Error(b)
		}
		for _, b := range z.barred {
			taken := strings.Contains(b.said, "is being taken back (sale "+z.sales[b.server]+")")
			after := l.sales[z.sales[b.server]].State == reselling.Revoked && strings.Contains(b.said, "is not proven clean")
			if !taken && !after {
				z.t.Errorf("who wanted to place on server %s was told %q; its sale is %+v", b.server, b.said, l.sales[z.sales[b.server]])
			}
		}
		gone := 0
		for _, s := range l.sales {
			if s.State == reselling.Revoked {
				gone++
			}
		}
		for _, k := range z.kept {
			used := strings.Contains(k.said, "cannot be taken back: customers have ")
			if again := strings.Contains(k.said, "was revoked at"); !used && (!again || l.sales[z.sales[k.server]].State != reselling.Revoked) {
				z.t.Errorf("who wanted server %s back was told %q", k.server, k.said)
			}
		}
		if len(z.barred) == 0 || len(z.kept) == 0 || gone == 0 || len(l.placements) == 0 {
			z.t.Errorf("nothing was proven: %d could not place, %d could not take back, %d were taken back, %d things are there", len(z.barred), len(z.kept), gone, len(l.placements))
		}
		return true
	})
}
