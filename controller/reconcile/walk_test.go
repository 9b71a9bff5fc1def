package reconcile

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func TestB41_AServerIsErasedAndDiagnosedBeforeItIsAvailable(t *testing.T) {
	inWorld(t, func(w *world) {
		var kinds []string
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			kinds = append(kinds, c.Kind)
			return w.obedient(c)
		})
		id := w.enrol(machine(1, 1, 1))
		if got := strings.Join(kinds, " "); got != "erase diagnose" {
			t.Fatalf("did %q", got)
		}
		if !w.stock.Index.Available(id) || w.stock.Catalogue.Free() != 1 {
			t.Fatalf("not available: %+v", w.stock.Index.Reasons(id))
		}
	})
}

func TestB1_B26_AnExactServerIsPreparedAndOnlyThenActive(t *testing.T) {
	inWorld(t, func(w *world) {
		exact := w.enrol(machine(1, 1, 1))
		w.enrol(machine(2, 2, 1))
		w.obey(w.silentFor(protocol.CommandConfirm))
		id := w.place()
		o := w.order(id)
		if o.State != order.Preparing || o.Server != exact || o.TariffRevision != 3 {
			t.Fatalf("order: %+v", o)
		}
		if svc := w.service(o.Service); svc.State != order.ServicePreparing {
			t.Fatalf("the service is %s before the preparation has finished", svc.State)
		}
		if s := w.server(exact); s.Claim.Kind != fleet.ClaimClient || s.Claim.Ref != o.Service || s.Cleanliness != fleet.Dirty {
			t.Fatalf("server: %+v", s)
		}
		op := w.operationOf(exact)
		res, _ := w.obedient(protocol.Command{ID: op.Steps[op.Current].CommandID, Operation: op.ID, Server: exact, Step: "confirm", Epoch: op.Epoch, Kind: protocol.CommandConfirm})
		if err := w.intake.Result(context.Background(), exact, res); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if o, svc := w.order(id), w.service(o.Service); o.State != order.Fulfilled || svc.State != order.ServiceActive || svc.Server != exact {
			t.Fatalf("order %s, service %s", o.State, svc.State)
		}
		if n := store.Commands.Len(w.store.Snapshot()) + store.Results.Len(w.store.Snapshot()); n != 0 {
			t.Fatalf("%d commands and results are left", n)
		}
	})
}

func TestB27_TheClosestServerIsHeldUntilItFits(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 2, 1)) // 32 GiB where 16 are sold
		o := w.order(w.place())
		if o.State != order.Held || o.Server != id || len(o.Parts) == 0 || o.Distance == 0 {
			t.Fatalf("order: %+v", o)
		}
		if s := w.server(id); s.Claim.Kind != fleet.ClaimHeld || s.Claim.Ref != o.ID {
			t.Fatalf("claim: %+v", s.Claim)
		}
		if w.openTasks()["build/"+o.ID] != o.Task {
			t.Fatalf("tasks: %v", w.openTasks())
		}
		rebuilt := machine(1, 1, 1)
		if err := w.intake.Report(context.Background(), id, "v", protocol.Report{Inventory: rebuilt}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		o = w.order(o.ID)
		if o.State != order.Fulfilled || len(w.openTasks()) != 0 {
			t.Fatalf("order %s (%s), tasks %v", o.State, o.Message, w.openTasks())
		}
	})
}

func TestB27_AHoldThatNobodyWorksOnEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 2, 1))
		o := w.order(w.place())
		w.change(func(tx *store.Tx) error {
			k, err := store.Tasks.Get(tx, o.Task)
			k.Assignee = "bob"
			return cmp.Or(err, store.Tasks.Put(tx, k.ID, k))
		})
		time.Sleep(HoldFor + time.Minute)
		synctest.Wait()
		if o = w.order(o.ID); o.State != order.Held {
			t.Fatalf("the hold ended although bob works on it: %s", o.State)
		}
		w.change(func(tx *store.Tx) error {
			k, err := store.Tasks.Get(tx, o.Task)
			k.Assignee = ""
			return cmp.Or(err, store.Tasks.Put(tx, k.ID, k))
		})
		time.Sleep(HoldFor + time.Minute)
		synctest.Wait()
		o = w.order(o.ID)
		if o.State != order.Waiting || w.server(id).Claim.Kind != fleet.ClaimNone || !w.stock.Index.Available(id) {
			t.Fatalf("order %s, claim %s", o.State, w.server(id).Claim.Kind)
		}
		w.enrol(machine(2, 1, 1))
		if o = w.order(o.ID); o.State != order.Fulfilled || o.Server == id {
			t.Fatalf("order %s on %s", o.State, o.Server)
		}
	})
}

func TestB27_CancelingAHeldOrderReleasesItsServer(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 2, 1))
		o := w.order(w.place())
		if _, err := w.intake.CancelOrder(context.Background(), ann, o.ID, "changed mind"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !w.stock.Index.Available(id) || len(w.openTasks()) != 0 || w.service(o.Service).State != order.ServiceCanceled {
			t.Fatalf("server %+v, tasks %v", w.stock.Index.Reasons(id), w.openTasks())
		}
	})
}

func TestB41_CancelingDuringPreparationErasesBeforeTheServerIsAvailable(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.obey(w.silentFor(protocol.CommandImage))
		o := w.order(w.place())
		if _, err := w.intake.CancelOrder(context.Background(), ann, o.ID, "changed mind"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.stock.Index.Available(id) || w.server(id).Claim.Kind != fleet.ClaimClient {
			t.Fatal("the server was given back while the agent may still write")
		}
		time.Sleep(time.Minute) // the agent does not answer the recall
		synctest.Wait()
		if s := w.server(id); !w.stock.Index.Available(id) || s.Cleanliness != fleet.Clean {
			t.Fatalf("server: %+v, %+v", s, w.stock.Index.Reasons(id))
		}
		erased := false
		for i := range store.Erasures.Items(w.store.Snapshot()) {
			erased = erased || i.Value.At.After(o.PlacedAt)
		}
		if !erased {
			t.Fatal("no erase happened after the order")
		}
	})
}

func TestB9_WithoutAServerTheOrderWaitsWithATask(t *testing.T) {
	inWorld(t, func(w *world) {
		o := w.order(w.place())
		if o.State != order.Waiting || w.openTasks()["build/"+o.ID] == "" {
			t.Fatalf("order %s, tasks %v", o.State, w.openTasks())
		}
		w.enrol(machine(1, 1, 1))
		if o = w.order(o.ID); o.State != order.Fulfilled || len(w.openTasks()) != 0 {
			t.Fatalf("order %s, tasks %v", o.State, w.openTasks())
		}
	})
}

func TestB9_ByServerTypeTakesNoSubstitute(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(func(tx *store.Tx) error {
			m, err := store.Modules.Get(tx, "mod-1")
			m.ByServerType = true
			k, err2 := store.Tariffs.Get(tx, "tar-1")
			k.ServerType = "gold"
			return cmp.Or(err, err2, store.Modules.Put(tx, m.ID, m), store.Tariffs.Put(tx, k.ID, k))
		})
		id := w.enrol(machine(1, 1, 1))
		o := w.order(w.place())
		if o.State != order.Waiting {
			t.Fatalf("order %s took a server of no type", o.State)
		}
		w.change(func(tx *store.Tx) error {
			s, err := store.Servers.Get(tx, id)
			s.ServerType = "gold"
			return cmp.Or(err, store.Servers.Put(tx, id, s))
		})
		if o = w.order(o.ID); o.State != order.Fulfilled {
			t.Fatalf("order %s: %s", o.State, o.Message)
		}
	})
}

func TestB43_AFailedInstallIsHeldAndTheServiceNeedsAttention(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.obey(w.refusing(protocol.CommandImage, fault.Refused("the disk is smaller than the image")))
		o := w.order(w.place())
		op := w.operationOf(id)
		if op.State != operation.Held || w.service(o.Service).State != order.ServiceNeedsAttention || w.openTasks()["failure/"+op.ID] == "" {
			t.Fatalf("operation %s, service %s, tasks %v", op.State, w.service(o.Service).State, w.openTasks())
		}
		w.obey(w.obedient)
		if _, err := w.intake.RetryOperation(context.Background(), ann, op.ID, "disk replaced"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.service(o.Service).State != order.ServiceActive || len(w.openTasks()) != 0 {
			t.Fatalf("service %s, tasks %v", w.service(o.Service).State, w.openTasks())
		}
	})
}

func TestB16_TheModulesTimeBoundsAnOrdersInstall(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.obey(w.silentFor(protocol.CommandImage))
		o := w.order(w.place())
		if op := w.operationOf(id); op.Deadline.Sub(op.CreatedAt) != 20*time.Minute {
			t.Fatalf("allowed %s", op.Deadline.Sub(op.CreatedAt))
		}
		time.Sleep(21 * time.Minute)
		synctest.Wait()
		if o = w.order(o.ID); o.State != order.Failed || w.service(o.Service).State != order.ServiceNeedsAttention {
			t.Fatalf("order %s, service %s", o.State, w.service(o.Service).State)
		}
		if _, err := w.intake.CancelOrder(context.Background(), ann, o.ID, "give up"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := w.server(id); s.Claim.Kind != fleet.ClaimNone || s.Cleanliness != fleet.Clean {
			t.Fatalf("server %+v", s)
		}
	})
}

func TestX5_ALateOrForgedResultChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.obey(w.silentFor(protocol.CommandImage))
		w.place()
		op := w.operationOf(id)
		at := op.Current
		good := protocol.Result{Command: op.Steps[at].CommandID, Operation: op.ID, Epoch: op.Epoch, Written: &protocol.WrittenImage{ReadBack: true}}
		for name, f := range map[string]func(*protocol.Result){
			"older epoch":       func(r *protocol.Result) { r.Epoch-- },
			"other operation":   func(r *protocol.Result) { r.Operation = "opn-x" },
			"unknown command":   func(r *protocol.Result) { r.Command = "opn-x-0-1" },
			"command of no one": func(r *protocol.Result) { r.Command = "" },
		} {
			bad := good
			f(&bad)
			if err := w.intake.Result(context.Background(), id, bad); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			synctest.Wait()
			if now := w.operationOf(id); now.Current != at || now.Steps[at].State != operation.StepSent {
				t.Fatalf("%s moved the operation", name)
			}
		}
		for range 2 { // twice is once
			if err := w.intake.Result(context.Background(), id, good); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if w.server(id).Last.State != operation.Done {
			t.Fatalf("last: %+v", w.server(id).Last)
		}
	})
}

func TestB45_AnEraseThatIsNotProvenLeavesTheServerUnavailable(t *testing.T) {
	inWorld(t, func(w *world) {
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			res, ok := w.obedient(c)
			if c.Kind == protocol.CommandErase {
				res.Erasures[0].Proven = false
			}
			return res, ok
		})
		id := w.enrol(machine(1, 1, 2))
		if op := w.operationOf(id); op == nil || op.State != operation.Held || w.server(id).Cleanliness != fleet.Dirty {
			t.Fatalf("operation %+v", op)
		}
		if w.stock.Index.Available(id) || len(w.openTasks()) != 1 {
			t.Fatalf("available, or no task: %v", w.openTasks())
		}
	})
}
