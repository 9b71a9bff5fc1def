package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/id"
)

// G6: how many servers a second are given to orders, durably, against the raw transactions
// "if the revision is still this one, put two keys" with as many bytes, on an etcd of its own beside
// ours. Slices of ours and raw alternate.

const (
	slice       = 400 * time.Millisecond
	allocRounds = 2 * rounds
	worldSize   = 24_000
)

func measureAllocations(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "orders")
	w, err := newWorld(ctx, dir, worldSize)
	if err != nil {
		return err
	}
	defer w.close()
	raw, err := newRaw(ctx, filepath.Join(dir, "raw"))
	if err != nil {
		return err
	}
	defer raw.close()
	for _, f := range []func(*world, *rawEtcd) error{b.commits, b.alone, b.orders, b.replicas} {
		if err := f(w, raw); err != nil {
			return err
		}
	}
	return nil
}

// rawEtcd is an etcd that is used directly.
type rawEtcd struct {
	etcd   *embedded.Server
	client *clientv3.Client
	ctx    context.Context
	mu     sync.Mutex
	revs   map[int]int64 // of each worker's first key
}

func newRaw(ctx context.Context, dir string) (*rawEtcd, error) {
	e, err := embedded.Open(ctx, embedded.Options{Dir: dir, Logger: quietLog})
	if err != nil {
		return nil, err
	}
	return &rawEtcd{etcd: e, client: e.Client(), ctx: ctx, revs: map[int]int64{}}, nil
}

func (r *rawEtcd) close() { _ = r.etcd.Close() }

// put is one transaction of a worker with values of so many bytes.
func (r *rawEtcd) put(worker, a, b int) error {
	r.mu.Lock()
	rev := r.revs[worker]
	r.mu.Unlock()
	one, two := fmt.Sprintf("servers/srv-%016d", worker), fmt.Sprintf("orders/ord-%016d", worker)
	got, err := r.client.Txn(r.ctx).If(clientv3.Compare(clientv3.ModRevision(one), "=", rev)).
		Then(clientv3.OpPut(one, string(make([]byte, a))), clientv3.OpPut(two, string(make([]byte, b)))).Commit()
	if err != nil {
		return err
	}
	if !got.Succeeded {
		return errors.New("a raw transaction met another revision")
	}
	r.mu.Lock()
	r.revs[worker] = got.Header.Revision
	r.mu.Unlock()
	return nil
}

// during runs f on so many workers until the slice is over and returns how often it was done, and
// how long it took until the last one ended.
func during(workers int, f func(worker, n int) error) (done int64, took time.Duration, err error) {
	var count atomic.Int64
	var failure atomic.Pointer[error]
	var g sync.WaitGroup
	start := time.Now()
	for worker := range workers {
		g.Go(func() {
			for n := 0; time.Since(start) < slice; n++ {
				if err := f(worker, n); err != nil {
					failure.Store(&err)
					return
				}
				count.Add(1)
			}
		})
	}
	g.Wait()
	if e := failure.Load(); e != nil {
		err = *e
	}
	return count.Load(), time.Since(start), err
}

func rate(done int64, took time.Duration) float64 { return float64(done) / took.Seconds() }

// allocation is the least that gives a server away: match, one change of server and order, and the
// answer.
type allocation struct {
	w       *world
	taken   sync.Map // server → true
	doubled atomic.Int64
	used    atomic.Int64
}

func (a *allocation) one(worker, n int) error {
	offer, ok := a.w.stock.Catalogue.ReserveOf(a.w.wishes[(worker+n)%orderTariffs])
	if !ok {
		return errors.New("no server is free")
	}
	now := time.Now()
	o := anOrder(id.New("ord"), offer.Result.ServerID, now)
	_, err := a.w.store.Change(a.w.ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, offer.Result.ServerID)
		if err != nil {
			return err
		}
		if s.Claim.Kind != fleet.ClaimNone {
			a.doubled.Add(1)
			return errors.New("the server belongs to somebody")
		}
		s.Claim = fleet.Claim{Kind: fleet.ClaimClient, Ref: o.Service, Since: now}
		s.Epoch++
		if err := store.Servers.Put(tx, s.ID, s); err != nil {
			return err
		}
		return store.Orders.Put(tx, o.ID, o)
	})
	if _, again := a.taken.LoadOrStore(offer.Result.ServerID, true); again {
		a.doubled.Add(1)
	}
	a.used.Add(1)
	return err
}

func anOrder(id, server string, now time.Time) order.Order {
	return order.Order{
		ID: id, Tariff: "tar-0", TariffRevision: 1, Modules: []string{"mod-bench"}, Customer: "customer", Image: "img-bench", Hostname: "web1.example.org",
		State: order.Preparing, Message: "server is being prepared", Module: "mod-bench", Server: server, Service: "svc-0000000000000000", PlacedAt: now, PlacedBy: "bench", ChangedAt: now,
	}
}

// giveBack makes all servers free again.
func (a *allocation) giveBack() error {
	err := write(a.w.ctx, a.w.kv, func(yield func(kv.Op) bool) {
		for n := range a.w.servers {
			if _, ok := a.taken.LoadAndDelete(serverID(n)); !ok {
				continue
			}
			s, _ := serverAt(n, true, "loc-bench")
			text, err := json.Marshal(s)
			if err != nil || !yield(kv.Put(store.Servers.Name()+"/"+s.ID, text)) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	a.used.Store(0)
	return a.w.allFree()
}

// sizes of what an allocation writes.
func sizes() (server, of int) {
	s, _ := serverAt(0, false, "loc-bench")
	a, _ := json.Marshal(s)
	b, _ := json.Marshal(anOrder(id.New("ord"), s.ID, time.Now()))
	return len(a), len(b)
}

// commits compares allocations by one change with raw transactions.
func (b *bench) commits(w *world, r *rawEtcd) error {
	a := &allocation{w: w}
	x, y := sizes()
	before := w.store.Stats()
	var total int64
	for _, c := range []struct {
		workers int
		bound   float64
	}{{64, 0.8}, {512, 1.3}} {
		var p pairs
		for range allocRounds {
			ours, took, err := during(c.workers, a.one)
			if err != nil {
				return err
			}
			theirs, tookRaw, err := during(c.workers, func(worker, _ int) error { return r.put(worker, x, y) })
			if err != nil {
				return err
			}
			p.add(rate(ours, took), rate(theirs, tookRaw))
			total += ours
			if a.used.Load() > int64(w.servers)/3 {
				if err := a.giveBack(); err != nil {
					return err
				}
			}
		}
		row := Row{Goal: "G6", Name: fmt.Sprintf("allocations (match, one change, answer), %d at once, against raw etcd", c.workers), Ours: median(p.a), Limit: num(median(p.b)), Unit: "1/s"}
		b.add(row.ratioAtLeast(p.ratio(), c.bound))
	}
	after := w.store.Stats()
	b.add(Row{Goal: "G6", Name: "changes that met a newer record, of all allocations", Ours: 100 * float64(after.Conflicts-before.Conflicts) / float64(total), Unit: "%"}.oursAtMost(1),
		Row{Goal: "G6", Name: fmt.Sprintf("servers given away twice in %d allocations", total), Ours: float64(a.doubled.Load()), Unit: "servers"}.oursAtMost(0))
	b.note("G6: %.1f allocations shared a transaction", float64(after.Changes-before.Changes)/float64(after.Transactions-before.Transactions))
	return a.giveBack()
}

// alone compares the latency of one allocation with that of one raw transaction.
func (b *bench) alone(w *world, r *rawEtcd) error {
	a := &allocation{w: w}
	x, y := sizes()
	var p pairs
	for n := range 300 {
		start := time.Now()
		if err := a.one(0, n); err != nil {
			return err
		}
		middle := time.Now()
		if err := r.put(0, x, y); err != nil {
			return err
		}
		p.add(millis(middle.Sub(start)), millis(time.Since(middle)))
	}
	row := Row{Goal: "G6", Name: "one allocation alone, p50, against one raw transaction", Ours: median(p.a), Limit: num(median(p.b)), Unit: "ms"}
	b.add(row.ratioAtMost(median(p.a)/median(p.b), 1.25))
	return a.giveBack()
}

// orders compares whole orders, from PlaceOrder until the first command is in the outbox, with raw
// transactions of as many bytes.
func (b *bench) orders(w *world, r *rawEtcd) error {
	w.lead()
	if err := w.order(0, 0); err != nil { // the office is taken
		return err
	}
	before := w.store.Stats()
	bytes, ops, commits, first := w.kv.bytes.Load(), w.kv.ops.Load(), w.kv.commits.Load(), w.claimed.Load()
	size := 6 << 10 // until the first slice told how much an order writes
	for _, c := range []struct {
		workers int
		bound   float64
	}{{64, 0.8}, {512, 1.3}} {
		var p pairs
		for n := range allocRounds {
			if int(w.claimed.Load()) > w.servers*3/4 {
				b.note("G6: the servers ran out after %d rounds with %d clients", n, c.workers)
				break
			}
			start := time.Now()
			done, _, err := during(c.workers, func(worker, n int) error { return w.order(0, worker+n) })
			if err == nil {
				err = w.settled()
			}
			if err != nil {
				return err
			}
			ours := rate(done, time.Since(start))
			size = int(w.kv.bytes.Load()-bytes) / int(w.claimed.Load()-first)
			theirs, tookRaw, err := during(c.workers, func(worker, _ int) error { return r.put(worker, size/2, size/2) })
			if err != nil {
				return err
			}
			p.add(ours, rate(theirs, tookRaw))
		}
		row := Row{Goal: "G6", Name: fmt.Sprintf("whole orders until the first command, %d at once, against raw etcd with as many bytes", c.workers), Ours: median(p.a), Limit: num(median(p.b)), Unit: "1/s"}
		b.add(row.ratioAtLeast(p.ratio(), c.bound))
	}
	after, done := w.store.Stats(), float64(w.claimed.Load()-first)
	b.add(Row{Goal: "G6", Name: "changes that met a newer record, of all changes of orders, 1 replica", Ours: conflictShare(before, after), Unit: "%"}.oursAtMost(1))
	b.note("G6: an order is %.1f changes, %.1f records and %.1f kB; %.1f changes shared a transaction", float64(after.Changes-before.Changes)/done,
		float64(w.kv.ops.Load()-ops)/done, float64(size)/1e3, float64(after.Changes-before.Changes)/float64(w.kv.commits.Load()-commits))
	return nil
}

func conflictShare(before, after store.Stats) float64 {
	return 100 * float64(after.Conflicts-before.Conflicts) / float64(after.Changes-before.Changes)
}

// replicas lets three controllers take orders; one of them leads. Then the history is checked.
func (b *bench) replicas(w *world, _ *rawEtcd) error {
	for range 2 {
		if err := w.replica(); err != nil {
			return err
		}
	}
	before := w.store.Stats()
	for range rounds {
		if _, _, err := during(64, func(worker, n int) error { return w.order(worker%3, worker+n) }); err != nil {
			return err
		}
	}
	if err := w.settled(); err != nil {
		return err
	}
	b.add(Row{Goal: "G6", Name: "changes that met a newer record, of all changes of the leader, 3 replicas", Ours: conflictShare(before, w.store.Stats()), Unit: "%"}.oursAtMost(5))
	orders, wrong := w.history()
	b.add(Row{Goal: "G6", Name: fmt.Sprintf("servers given away twice, or to nobody, in %d orders", orders), Ours: float64(wrong), Unit: "servers"}.oursAtMost(0))
	return nil
}

// history counts orders that have a server, and servers that do not belong to exactly the one order
// that says so.
func (w *world) history() (orders, wrong int) {
	snap := w.store.Snapshot()
	holder := map[string]string{} // server → service
	for i := range store.Orders.Items(snap) {
		if i.Value.State != order.Preparing || i.Value.Service == "svc-0000000000000000" { // those of allocations without an order
			continue
		}
		orders++
		if holder[i.Value.Server] != "" {
			wrong++
		}
		holder[i.Value.Server] = i.Value.Service
	}
	for i := range store.Servers.Items(snap) {
		if i.Value.Claim.Kind != fleet.ClaimNone && holder[i.ID] != i.Value.Claim.Ref {
			wrong++
		}
		if i.Value.Claim.Kind == fleet.ClaimNone && holder[i.ID] != "" {
			wrong++
		}
	}
	return orders, wrong
}
