package reconcile

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/protocol"
)

// tooLarge makes the ordered image larger than any disk.
func tooLarge(w *world) {
	w.change(func(tx *store.Tx) error {
		return store.Images.Put(tx, "img-1", image.Image{ImageManifest: protocol.ImageManifest{ID: "img-1", Name: "debian", OSFamily: "linux", RawBytes: 1 << 50}})
	})
}

func TestB43_AnOrderThatNoWaitingCanHelpFailsAndKeepsNoServer(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		tooLarge(w)
		o := w.order(w.place())
		if o.State != order.Failed || w.service(o.Service).State != order.ServiceNeedsAttention || w.openTasks()[order.FailureKey(o.ID)] == "" {
			t.Fatalf("order %s, service %s, tasks %v", o.State, w.service(o.Service).State, w.openTasks())
		}
		if !w.stock.Index.Available(id) || w.stock.Catalogue.Free() != 1 {
			t.Fatalf("the server is lost: %+v, %d free", w.stock.Index.Reasons(id), w.stock.Catalogue.Free())
		}
	})
}

func TestB43_AHeldServerIsLetGoWhenItsOrderCannotBePrepared(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 2, 1))
		placed := w.place()
		tooLarge(w)
		if err := w.intake.Report(context.Background(), id, "v", protocol.Report{Inventory: machine(1, 1, 1)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		o := w.order(placed)
		if o.State != order.Failed || w.server(id).Claim.Kind != fleet.ClaimNone || !w.stock.Index.Available(id) || w.openTasks()[order.BuildKey(o.ID)] != "" {
			t.Fatalf("order %s, claim %+v, tasks %v", o.State, w.server(id).Claim, w.openTasks())
		}
	})
}

func TestB27_ClosingTheBuildTaskReleasesTheHold(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 2, 1))
		o := w.order(w.place())
		if _, _, err := w.intake.EndTask(context.Background(), ann, o.Task, "no parts"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		now := w.order(o.ID)
		if now.State != order.Waiting || !w.stock.Index.Available(id) || w.openTasks()[order.BuildKey(o.ID)] != now.Task || now.Task == o.Task {
			t.Fatalf("order %s with task %s, tasks %v, %+v", now.State, now.Task, w.openTasks(), w.stock.Index.Reasons(id))
		}
		exact := w.enrol(machine(2, 1, 1))
		if now = w.order(o.ID); now.State != order.Fulfilled || now.Server != exact || len(w.openTasks()) != 0 {
			t.Fatalf("order %s on %s, tasks %v", now.State, now.Server, w.openTasks())
		}
	})
}

func TestB45_ADiskThatCameAfterThePermitIsErasedByTheNextOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.obey(w.silentFor(protocol.CommandErase))
		id := w.enrol(machine(1, 1, 1))
		first := w.operationOf(id)
		if err := w.intake.Report(context.Background(), id, "v", protocol.Report{Inventory: machine(1, 1, 2)}); err != nil {
			t.Fatal(err)
		}
		w.obey(w.obedient)
		c, _ := store.Commands.View(w.store, store.CommandKey(id, first.Steps[first.Current].CommandID))
		res, _ := w.obedient(c.Command)
		if err := w.intake.Result(context.Background(), id, res); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := w.server(id); s.InService || s.Cleanliness != fleet.Dirty {
			t.Fatalf("the erase of the other disk made the server %s and in service: %v", s.Cleanliness, s.InService)
		}
		if _, _, err := w.intake.CommissionServer(context.Background(), ann, id, "a spare", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		erased := map[string]int{} // disks by operation
		for i := range store.Erasures.Items(w.store.Snapshot()) {
			erased[i.Value.Operation]++
		}
		if len(erased) != 2 || erased[first.ID] != 1 || !w.stock.Index.Available(id) {
			t.Fatalf("%v erases, %+v", erased, w.stock.Index.Reasons(id))
		}
	})
}

func TestX6_AServerThatCannotBeErasedSafelyHasOneTask(t *testing.T) {
	inWorld(t, func(w *world) {
		inv := machine(1, 1, 2)
		inv.Disks[1].Serial = ""
		id := w.enrol(inv)
		time.Sleep(time.Hour)
		synctest.Wait()
		if tasks := w.openTasks(); len(tasks) != 1 || tasks["cleanup/"+id] == "" || w.stock.Index.Available(id) {
			t.Fatalf("tasks %v, %+v", tasks, w.stock.Index.Reasons(id))
		}
		if err := w.intake.Report(context.Background(), id, "v", protocol.Report{Inventory: machine(1, 1, 2)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.server(id).InService {
			t.Fatal("the exchanged disk is erased without a person")
		}
		if _, _, err := w.intake.CommissionServer(context.Background(), ann, id, "disk exchanged", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(w.openTasks()) != 0 || !w.stock.Index.Available(id) {
			t.Fatalf("tasks %v, %+v", w.openTasks(), w.stock.Index.Reasons(id))
		}
	})
}

// slow lets the commit of an install wait until pass is closed.
type slow struct {
	kv.KV
	armed atomic.Bool
	pass  chan struct{}
}

func (k *slow) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	claims := slices.ContainsFunc(t.Ops, func(o kv.Op) bool {
		return strings.HasPrefix(o.Key, store.Operations.Name()+"/") && bytes.Contains(o.Value, []byte(operation.Install))
	})
	if claims && k.armed.CompareAndSwap(true, false) {
		<-k.pass
	}
	return k.KV.Commit(ctx, t)
}

func TestB28b_AServerThatALoserGivesBackGoesToWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &slow{KV: memkv.New(memkv.Options{}), pass: make(chan struct{})}
		w := &world{t: t, kv: backend}
		w.obey(w.obedient)
		w.start(backend)
		w.seed()
		id := w.enrol(machine(1, 1, 1))
		backend.armed.Store(true)
		first := w.place() // its claim is under way
		if _, err := w.intake.CancelOrder(context.Background(), ann, first, "changed mind"); err != nil {
			t.Fatal(err)
		}
		second := w.place()
		if o := w.order(second); o.State != order.Waiting {
			t.Fatalf("order %s while the only server is being claimed", o.State)
		}
		close(backend.pass)
		synctest.Wait()
		if a, b := w.order(first), w.order(second); a.State != order.Canceled || b.State != order.Fulfilled || b.Server != id {
			t.Errorf("the first order is %s, the second %s on %q", a.State, b.State, b.Server)
		}
		w.stop()
		_ = backend.Close()
	})
}
