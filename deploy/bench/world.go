package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/reconcile"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// counted is a backend that counts what is committed.
type counted struct {
	kv.KV
	bytes, ops, commits atomic.Int64
}

// Commit counts what was committed.
func (c *counted) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	rev, ok, err := c.KV.Commit(ctx, t)
	if ok && err == nil && len(t.Ops) > 0 { // without any it only proves what was read
		c.commits.Add(1)
		for _, op := range t.Ops {
			c.ops.Add(1)
			c.bytes.Add(int64(len(op.Value)))
		}
	}
	return rev, ok, err
}

// world is a controller without doors over an embedded etcd, with many free servers and nobody at
// the other end of them.
type world struct {
	ctx      context.Context
	etcd     *embedded.Server
	kv       *counted
	store    *store.Store
	stock    *stock.Stock
	intakes  []*intake.Intake // of as many replicas; the first one's store is store
	auth     *authority.Authority
	waiting  sync.Map // order id → chan string, told its state
	claimed  atomic.Int64
	wishes   [][]match.Module // of each tariff
	servers  int
	finished sync.WaitGroup
	stop     context.CancelFunc
}

const orderTariffs = 8

// newWorld opens one in dir with so many servers.
func newWorld(ctx context.Context, dir string, servers int) (w *world, err error) {
	w = &world{servers: servers}
	w.ctx, w.stop = context.WithCancel(ctx)
	if w.etcd, err = embedded.Open(ctx, embedded.Options{Dir: filepath.Join(dir, "world"), Logger: quietLog}); err != nil {
		return nil, err
	}
	w.kv = &counted{KV: w.etcd.KV()}
	if w.auth, err = authority.Open(filepath.Join(dir, "authority")); err != nil {
		return nil, err
	}
	if err := write(ctx, w.kv, records(0, servers, func(int) bool { return true }, "loc-bench")); err != nil {
		return nil, err
	}
	w.store = store.New(w.kv, quietLog)
	w.stock = stock.New(w.store, time.Now)
	w.intakes = []*intake.Intake{intake.New(w.store, quietLog, time.Now)}
	w.stock.Listen(w.heard)
	w.run(w.store.Run)
	if err := w.store.Ready(w.ctx); err != nil {
		return nil, err
	}
	w.run(w.stock.Run)
	if _, err := w.store.Change(w.ctx, w.catalogue); err != nil {
		return nil, err
	}
	return w, w.allFree()
}

func (w *world) run(f func(context.Context) error) {
	w.finished.Go(func() { _ = f(w.ctx) })
}

func (w *world) close() {
	w.stop()
	w.finished.Wait()
	_ = w.kv.Close()
	_ = w.etcd.Close()
}

// replica adds another controller's store and intake.
func (w *world) replica() error {
	s := store.New(w.kv, quietLog)
	w.run(s.Run)
	w.intakes = append(w.intakes, intake.New(s, quietLog, time.Now))
	return s.Ready(w.ctx)
}

// catalogue puts what is sold into the store.
func (w *world) catalogue(tx *store.Tx) error {
	m := order.Module{ID: "mod-bench", Kind: order.ModuleLocal, Location: "loc-bench", Department: "dc", DiagTimeout: 30, InstallTimeoutLinux: 20, InstallTimeoutWindows: 90}
	if err := store.Modules.Put(tx, m.ID, m); err != nil {
		return err
	}
	w.wishes = nil
	for n := range orderTariffs { // as many pairs of processor and number of sockets as there are
		inv := inventory(n)
		whole := inv.Configuration()
		sold := hardware.Configuration{Arch: whole.Arch, CPUModel: whole.CPUModel, Sockets: whole.Sockets, Cores: whole.Cores}
		t := order.Tariff{ID: fmt.Sprint("tar-", n), Name: fmt.Sprint("size ", n), Revision: 1, Modules: []string{m.ID}, Configuration: sold}
		if err := store.Tariffs.Put(tx, t.ID, t); err != nil {
			return err
		}
		w.wishes = append(w.wishes, []match.Module{{ID: m.ID, Wish: match.Wish{Location: m.Location, Configuration: sold}}})
	}
	return store.Images.Put(tx, "img-bench", image.Image{ImageManifest: protocol.ImageManifest{ID: "img-bench", Name: "debian", OSFamily: "linux", RawBytes: 1 << 30}})
}

// allFree waits until the stock has every server.
func (w *world) allFree() error {
	for until := time.Now().Add(30 * time.Second); w.stock.Catalogue.Free() < w.servers; time.Sleep(5 * time.Millisecond) {
		if w.ctx.Err() != nil || time.Now().After(until) {
			return fmt.Errorf("only %d of %d servers became available", w.stock.Catalogue.Free(), w.servers)
		}
	}
	return nil
}

// lead starts the reconciler as a controller does.
func (w *world) lead() {
	r := reconcile.New(w.store, w.stock, w.auth, quietLog, time.Now, unobserved{})
	w.run(func(ctx context.Context) error {
		return store.Elect(ctx, w.kv, store.Election{Name: "reconcile", Replica: "bench", Logger: quietLog}, r.Run)
	})
}

type unobserved struct{}

func (unobserved) Matched(bool, bool, time.Duration)               {}
func (unobserved) OperationFinished(string, string, time.Duration) {}
func (unobserved) OrderFulfilled(time.Duration)                    {}

// heard tells those who wait for an order that it moved.
func (w *world) heard(table, id string) {
	if table != store.Orders.Name() {
		return
	}
	o, ok := store.Orders.View(w.store, id)
	if !ok || o.State == order.New {
		return
	}
	if c, ok := w.waiting.Load(id); ok {
		select {
		case c.(chan string) <- o.State:
		default:
		}
	}
}

// order places one and waits until a server is being prepared for it.
func (w *world) order(replica, tariff int) error {
	moved := make(chan string, 1)
	o, err := w.intakes[replica].PlaceOrder(w.ctx, access.Actor{Name: "bench", Role: access.RoleOperations}, intake.OrderWish{
		Tariff: fmt.Sprint("tar-", tariff%orderTariffs), Customer: "customer", Image: "img-bench", Hostname: "web1.example.org",
	}, func(_ *store.Tx, o order.Order) error { w.waiting.Store(o.ID, moved); return nil })
	if err != nil {
		return err
	}
	defer w.waiting.Delete(o.ID)
	select {
	case state := <-moved:
		if state != order.Preparing {
			return fmt.Errorf("order %s is %s", o.ID, state)
		}
		w.claimed.Add(1)
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("order %s was not served in 20 s", o.ID)
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// settled waits until every order that got a server has its first command in the outbox.
func (w *world) settled() error {
	for int64(store.Commands.Len(w.store.Snapshot())) < w.claimed.Load() {
		if err := sleep(w.ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
