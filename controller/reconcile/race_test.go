package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/protocol"
)

// rush is replicas over one real etcd, and a crowd that orders.
type rush struct {
	t        *testing.T
	ctx      context.Context
	etcd     *embedded.Server
	rec      *recorder
	ledger   *ledger
	replicas []*replica
	servers  []string

	deposeAt int // claims; 0 is never
	deposing sync.Once
	deposed  error
}

type replica struct {
	kv     *recorded
	store  *store.Store
	stock  *stock.Stock
	intake *intake.Intake
}

func newRush(t *testing.T, replicas int, dimms func(i int) int) *rush {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	r := &rush{t: t, ctx: ctx, etcd: etcdtest.Single(t), rec: &recorder{began: time.Now()}, ledger: newLedger()}
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	var w world
	for n := range replicas {
		running.Go(r.start(n, &w))
	}
	for _, rep := range r.replicas {
		if err := rep.store.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	r.furnish(dimms)
	running.Go(func() { _ = r.ledger.follow(ctx, r.etcd.KV()) })
	r.until("the stock is known everywhere", func() bool {
		for _, rep := range r.replicas {
			if rep.stock.Catalogue.Free() != len(r.servers) {
				return false
			}
		}
		return true
	})
	return r
}

// start puts a replica together and gives what it runs.
func (r *rush) start(n int, w *world) func() {
	log := slog.New(slog.DiscardHandler)
	name := fmt.Sprintf("rep-%d", n)
	rep := &replica{kv: &recorded{KV: r.etcd.KV(), rec: r.rec, client: n, replica: name}}
	rep.kv.after = func(claims int) { r.claimed(rep, claims) }
	rep.store = store.NewWith(rep.kv, log, store.Options{MaxBatch: 8}) // small, so that there is a middle
	rep.stock = stock.New(rep.store, time.Now)
	rep.intake = intake.New(rep.store, log, time.Now)
	rec := New(rep.store, rep.stock, w, log, time.Now, w)
	r.replicas = append(r.replicas, rep)
	return func() {
		var running sync.WaitGroup
		running.Go(func() { _ = rep.store.Run(r.ctx) })
		running.Go(func() { _ = rep.stock.Run(r.ctx) })
		running.Go(func() {
			_ = store.Elect(r.ctx, rep.kv, store.Election{Name: "reconcile", Replica: name, Logger: log}, rec.Run)
		})
		running.Wait()
	}
}

// furnish stores fifty available servers and what is sold of them.
func (r *rush) furnish(dimms func(i int) int) {
	r.t.Helper()
	s := r.replicas[0].store
	(&world{t: r.t, store: s}).put()
	now := time.Now()
	for i := range 50 {
		id := fmt.Sprintf("srv-%016d", i)
		inv := machine(i, dimms(i), 1)
		c := inv.Configuration()
		r.servers = append(r.servers, id)
		r.ledger.proof[id] = proof{rev: 1, disks: map[string]bool{inv.Disks[0].Serial: true}}
		r.ledger.lives.plant(id, fleet.StateAvailable)
		_, err := s.Commit(r.ctx, func(tx *store.Tx) error {
			return cmp.Or(
				store.Facts.Put(tx, id, fleet.Facts{Server: id, At: now, Digest: inv.Digest(), Inventory: inv, Configuration: c, Key: c.Key()}),
				store.Presences.Put(tx, id, fleet.Presence{Server: id}),
				store.Servers.Put(tx, id, fleet.Server{
					ID: id, Name: id, Location: "loc-1", Environment: protocol.EnvSimulated, Identity: inv.Identity, Approval: fleet.Approved,
					Claim: fleet.Claim{Kind: fleet.ClaimNone, Since: now}, Cleanliness: fleet.Clean, CleanSince: now, InService: true, CreatedAt: now, FreeSince: now,
					Diagnosis: &fleet.DiagnosisSummary{ID: "opn-1", At: now, Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, ConfigurationKey: c.Key()},
				}))
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rush) until(what string, ok func() bool) {
	r.t.Helper()
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.ctx.Done():
			r.t.Fatal("never came to pass: " + what)
		}
	}
}

// crowd places n orders side by side at all replicas, while others look whose the servers are.
func (r *rush) crowd(n int) {
	r.t.Helper()
	var placing, looking sync.WaitGroup
	var next atomic.Int64
	for worker := range 48 {
		rep := r.replicas[worker%len(r.replicas)]
		placing.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				w := intake.OrderWish{Tariff: "tar-1", Customer: fmt.Sprint("cus-", i), Image: "img-1", Hostname: fmt.Sprintf("web%d.example.org", i)}
				if _, err := rep.intake.PlaceOrder(r.ctx, ann, w, nil); err != nil {
					r.t.Errorf("order %d: %v", i, err)
				}
			}
		})
	}
	ctx, stop := context.WithCancel(r.ctx)
	for n := range 4 {
		eye := &recorded{KV: r.etcd.KV(), rec: r.rec, client: 100 + n}
		looking.Go(func() {
			for i := n; eye.look(ctx, r.servers[i%len(r.servers)]) == nil; i += 7 {
				time.Sleep(2 * time.Millisecond) // to leave something to those who work
			}
		})
	}
	placing.Wait()
	r.settled(n)
	stop()
	looking.Wait()
}

// settled waits until every order was answered.
func (r *rush) settled(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d orders answered", n), func() bool {
		c := r.orders()
		return c[order.New] == 0 && c[order.Preparing]+c[order.Held]+c[order.Waiting]+c[order.Canceled] == n
	})
}

// orders counts them by state, in what the ledger has read.
func (r *rush) orders() map[string]int {
	return read(r.ledger, func(l *ledger) map[string]int {
		count := map[string]int{}
		for _, o := range l.orders {
			count[o.State]++
		}
		return count
	})
}

// winners are fifty: each server has one order, and each order at most one server.
func (r *rush) winners(preparing, held, waiting int) {
	r.t.Helper()
	if c := r.orders(); c[order.Preparing] != preparing || c[order.Held] != held || c[order.Waiting] != waiting {
		r.t.Errorf("orders are %v; want %d preparing, %d held, %d waiting", c, preparing, held, waiting)
	}
	alias := read(r.ledger, func(l *ledger) map[string]string {
		owner, has := map[string]string{}, map[string]string{}
		for id, svc := range l.services {
			owner[id] = svc.Order
		}
		for id, s := range l.servers {
			o := s.Claim.Ref
			if by, ok := owner[o]; ok {
				o = by
			}
			if s.Claim.Kind == fleet.ClaimNone {
				r.t.Errorf("server %s belongs to nobody while %d orders wait", id, waiting)
			} else if has[o] != "" {
				r.t.Errorf("order %s has servers %s and %s", o, has[o], id)
			}
			has[o] = id
		}
		return owner
	})
	for _, b := range r.ledger.broken {
		r.t.Error(b)
	}
	r.rec.check(r.t, alias)
}

// ledByTheLeader: each claim was committed at a revision at which its replica held the office.
func (r *rush) ledByTheLeader() {
	r.t.Helper()
	for _, c := range r.rec.claims {
		if at := leaderAt(r.ledger.led, c.rev); at != c.replica {
			r.t.Errorf("replica %s claimed server %s at revision %d, when %q led", c.replica, c.server, c.rev, at)
		}
	}
	seen := map[string]bool{}
	for _, c := range r.rec.claims {
		seen[c.replica] = true
	}
	if len(seen) < 2 {
		r.t.Errorf("claims were made by %v only; the office was to pass on", seen)
	}
}

func TestB28b_X2_AThousandOrdersOnFiftyServersHaveFiftyWinners(t *testing.T) {
	for name, c := range map[string]struct {
		dimms           func(i int) int
		preparing, held int
	}{
		"all exact": {func(int) int { return 1 }, 50, 0},
		"mixed":     {func(i int) int { return 1 + i%2 }, 25, 25},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRush(t, 1, c.dimms)
			r.crowd(1000)
			r.winners(c.preparing, c.held, 950)
		})
	}
}

// The leader loses its office in the middle without knowing: what it still tries is not done.
func TestX2_B28b_ALeaderDeposedInTheMiddleClaimsNothingMore(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n, " replicas"), func(t *testing.T) {
			r := newRush(t, n, func(i int) int { return 1 + i%2 })
			r.deposeAt = 15
			r.crowd(1000)
			if r.deposed != nil {
				t.Fatal(r.deposed)
			}
			r.winners(25, 25, 950)
			r.ledByTheLeader()
		})
	}
}

// claimed ends the lease of who leads when so many servers are claimed: the office is
// gone before the leader hears of its last commit.
func (r *rush) claimed(by *replica, claims int) {
	if r.deposeAt > 0 && claims >= r.deposeAt {
		r.deposing.Do(func() { r.deposed = by.kv.depose(r.ctx, r.revoke) })
	}
}

func (r *rush) revoke(ctx context.Context, lease int64) error {
	_, err := r.etcd.Client().Revoke(ctx, clientv3.LeaseID(lease))
	return err
}

// Servers that are given back go to those who wait, and to nobody twice.
func TestB27_B28b_CanceledHoldsGoToThoseWhoWait(t *testing.T) {
	r := newRush(t, 2, func(int) int { return 2 })
	r.crowd(200)
	r.winners(0, 50, 150)
	var canceling sync.WaitGroup
	for i, id := range read(r.ledger, func(l *ledger) (ids []string) {
		for id, o := range l.orders {
			if o.State == order.Held && len(ids) < 20 {
				ids = append(ids, id)
			}
		}
		return ids
	}) {
		canceling.Go(func() {
			if _, err := r.replicas[i%2].intake.CancelOrder(r.ctx, access.Actor{Name: "ann"}, id, "changed mind"); err != nil {
				t.Error(err)
			}
		})
	}
	canceling.Wait()
	r.until("the servers are held again", func() bool { return r.orders()[order.Held] == 50 })
	r.winners(0, 50, 130)
}
