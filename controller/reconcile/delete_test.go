package reconcile

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// traced notes the agent's commands in the trace of the hall, and answers them as answer does.
func (h *hall) traced(answer func(protocol.Command) (protocol.Result, bool)) func(protocol.Command) (protocol.Result, bool) {
	return func(c protocol.Command) (protocol.Result, bool) {
		if m := h.chassis(c.Server); c.Epoch != h.w.server(c.Server).Epoch || !m.there() {
			return protocol.Result{}, false
		}
		h.mu.Lock()
		h.did("%s", c.Kind)
		h.mu.Unlock()
		return answer(c)
	}
}

func (w *world) delete(id string) order.Service {
	w.t.Helper()
	svc, err := w.intake.DeleteService(context.Background(), ann, id, "the contract ended")
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return svc
}

func (w *world) op(id string) *operation.Operation {
	w.t.Helper()
	op, ok := store.Operations.View(w.store, id)
	if !ok {
		w.t.Fatalf("operation %s is gone", id)
	}
	return op
}

func TestB33_B34_B35_B36_B37_B38_B39_B40_DeleteTakesItsStepsInOrder(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		svc, id := h.active()
		h.run(id, false, "")
		h.settle() // B28 turned it on; its own system runs
		h.run(id, false, "")
		h.forget()
		w.delete(svc.ID)
		h.settle()
		want := "port up 666, on ram, erase, diagnose, off, port down"
		if got := h.done(); got != want {
			t.Fatalf("did %q, want %q", got, want)
		}
		s := w.server(id)
		if s.Claim.Kind != fleet.ClaimNone || s.Cleanliness != fleet.Clean || !w.stock.Index.Available(id) {
			t.Fatalf("after the delete: %+v, reasons %+v", s.Claim, w.stock.Index.Reasons(id))
		}
		if got := w.service(svc.ID); got.State != order.ServiceDeleted || got.Operation != "" {
			t.Fatalf("service %+v", got)
		}
		if again := w.delete(svc.ID); again.State != order.ServiceDeleted {
			t.Fatalf("asked again: %s", again.State)
		}
		if h.chassis(id).on || len(w.openTasks()) != 0 {
			t.Fatalf("on: %v, tasks: %v", h.chassis(id).on, w.openTasks())
		}
	})
}

func TestB34_TheOldTenantsSystemNeverRunsOnInADelete(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		svc, id := h.active()
		h.run(id, true, "other")
		w.delete(svc.ID)
		h.settle()
		if got, want := h.done(), "port up 666, cut, on ram, erase, diagnose, off, port down"; got != want {
			t.Fatalf("did %q, want %q", got, want)
		}
		if !w.stock.Index.Available(id) {
			t.Fatalf("%+v", w.stock.Index.Reasons(id))
		}
	})
}

func TestB42_WithoutPortsTheirStepsAreNotApplicable(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		svc := w.service(w.order(w.place()).Service)
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			res, ok := w.obedient(c)
			if c.Kind == protocol.CommandPowerOff {
				time.AfterFunc(5*time.Second, func() { // it answers before the deed
					_, _ = w.store.Change(context.Background(), func(tx *store.Tx) error { return store.Presences.Delete(tx, id) })
				})
			}
			return res, ok
		})
		opID := w.delete(svc.ID).Operation
		time.Sleep(time.Minute)
		synctest.Wait()
		op := w.op(opID)
		first, last := op.Steps[0], op.Steps[len(op.Steps)-1]
		if op.State != operation.Done || first.State != operation.StepNothing || last.State != operation.StepNothing || first.Detail == "" {
			t.Fatalf("%s: %s; first %+v, last %+v", op.State, op.Message, first, last)
		}
		if s := w.server(id); s.ParkedAt.IsZero() || !w.stock.Index.Available(id) {
			t.Fatalf("parked %v, reasons %+v", s.ParkedAt, w.stock.Index.Reasons(id))
		}
	})
}

func TestB35_WhatRunsIsStoppedInItsTurn(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		id := w.enrol(machine(1, 1, 1))
		h.wire(id)
		w.obey(h.traced(w.silentFor(protocol.CommandImage)))
		o := w.order(w.place())
		h.settle()
		h.forget()
		svc := w.delete(o.Service)
		if got := w.order(o.ID); got.State != order.Canceled {
			t.Fatalf("order %s", got.State)
		}
		if w.server(id).Operation != svc.Operation || w.op(o.Operation).State != operation.Running && w.op(w.order(o.ID).Operation).State != operation.Running {
			t.Fatal("the delete did not take the server over, or the old operation ended out of turn")
		}
		w.obey(h.traced(w.obedient))
		h.settle()
		h.settle()
		if old := w.op(w.order(o.ID).Operation); old.State != operation.Canceled {
			t.Fatalf("the old operation is %s", old.State)
		}
		if s := w.server(id); s.Cleanliness != fleet.Clean || !w.stock.Index.Available(id) || w.service(o.Service).State != order.ServiceDeleted {
			t.Fatalf("%s, %+v, service %s; op %s", s.Cleanliness, w.stock.Index.Reasons(id), w.service(o.Service).State, w.op(svc.Operation).Message)
		}
	})
}

func TestB37_B38_B41_AServerWhoseCleanUpFailedIsNotAvailable(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		w.obey(h.traced(w.refusing(protocol.CommandErase, fault.Refused("the drive does not obey"))))
		op := w.delete(svc.ID).Operation
		h.settle()
		if got := w.op(op); got.State != operation.Held || len(w.openTasks()) != 1 {
			t.Fatalf("%s %s, tasks %v", got.State, got.Message, w.openTasks())
		}
		if w.service(svc.ID).State != order.ServiceDeleted || w.server(id).Claim.Kind != fleet.ClaimNone {
			t.Fatal("the owner was not removed before the clean-up (B37)")
		}
		if _, err := w.intake.SkipStep(context.Background(), ann, op, "the disk is shredded"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got := w.op(op); got.State != operation.Done {
			t.Fatalf("%s %s", got.State, got.Message)
		}
		if s := w.server(id); s.Cleanliness != fleet.Dirty || w.stock.Index.Available(id) {
			t.Fatal("a server without a proven erase is available")
		}
		if got := h.done(); !strings.Contains(got, "off, port down") || !strings.HasSuffix(got, "erase") {
			t.Fatalf("did %q; it is shut down, and then erased anew", got)
		}
	})
}

func TestX4_EveryStepOfADeleteHoldsAndGoesOn(t *testing.T) {
	for _, verb := range []string{"switch", "enable", "power", "on", "off", "shut"} {
		t.Run(verb, func(t *testing.T) {
			inHall(t, func(w *world, h *hall) {
				svc, id := h.active()
				w.obey(h.traced(w.obedient))
				h.run(id, false, "")
				h.breaks(verb, errAway)
				op := w.delete(svc.ID).Operation
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				if got := w.op(op); got.State != operation.Held || w.openTasks()["failure/"+op] == "" || w.stock.Index.Available(id) {
					t.Fatalf("%s %s, tasks %v", got.State, got.Message, w.openTasks())
				}
				h.breaks(verb, nil)
				if _, err := w.intake.RetryOperation(context.Background(), ann, op, "plugged in"); err != nil {
					t.Fatal(err)
				}
				h.settle()
				if got := w.op(op); got.State != operation.Done || !w.stock.Index.Available(id) {
					t.Fatalf("%s %s: %+v", got.State, got.Message, w.stock.Index.Reasons(id))
				}
			})
		})
	}
}

func TestX4_APersonIsAHandWhereThereIsNoOther(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		w.obey(h.traced(w.obedient))
		w.change(func(tx *store.Tx) error {
			sw, err := store.Switches.Get(tx, "swi-1")
			if err != nil {
				return err
			}
			sw.Driver = outofband.SwitchManual
			return store.Switches.Put(tx, "swi-1", sw)
		})
		op, err := w.intake.StopService(context.Background(), ann, svc.ID, "unpaid")
		if err != nil {
			t.Fatal(err)
		}
		h.settle()
		var asked string
		for key, k := range w.openTasks() {
			if strings.HasPrefix(key, "manual/") {
				asked = k
			}
		}
		if asked == "" || w.service(svc.ID).State != order.ServiceStopping {
			t.Fatalf("tasks %v, service %s", w.openTasks(), w.service(svc.ID).State)
		}
		if k, _ := store.Tasks.View(w.store, asked); !strings.Contains(k.Body, "port-"+id) || !strings.Contains(k.Body, "sw1") {
			t.Fatalf("it does not say which port: %s", k.Body)
		}
		if _, _, err := w.intake.EndTask(context.Background(), ann, asked, "shut"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := w.service(svc.ID); got.State != order.ServiceStopped {
			t.Fatalf("%s: %s", got.State, w.op(op.Operation).Message)
		}
	})
}

func TestB4_AnOrderWaitsForAnAddressAndGoesOn(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		first, _ := h.active()
		w.pool("192.0.2.0/30") // two addresses, one is the gateway
		got, _ := h.active()
		if list := w.addresses(got.Server); len(list) != 1 || list[0] != "192.0.2.2" {
			t.Fatalf("addresses %v", list)
		}
		id := w.enrol(machine(9, 1, 1))
		o := w.order(w.place())
		if o.State != order.Waiting || !strings.Contains(o.Message, "no address is free") || w.openTasks()["build/"+o.ID] == "" {
			t.Fatalf("%s: %s, tasks %v", o.State, o.Message, w.openTasks())
		}
		w.delete(first.ID)
		w.delete(got.ID)
		h.settle()
		if list := w.addresses(got.Server); len(list) != 0 {
			t.Fatalf("a deleted service's server still has %v (B36)", list)
		}
		time.Sleep(25 * time.Hour) // released addresses rest
		synctest.Wait()
		if o := w.order(o.ID); o.State != order.Fulfilled || len(w.openTasks()) != 0 {
			t.Fatalf("%s: %s; server %s, tasks %v", o.State, o.Message, id, w.openTasks())
		}
	})
}

// pool gives the location of the world a pool of addresses.
func (w *world) pool(prefix string) {
	w.t.Helper()
	w.change(func(tx *store.Tx) error {
		return store.Locations.Put(tx, "loc-1", fleet.Location{ID: "loc-1", Name: "hall", ExternalID: "1", Generation: order.LocalGeneration})
	})
	if _, _, err := w.intake.CreatePool(context.Background(), ann, intake.PoolDraft{Name: prefix, Location: "loc-1", Prefix: prefix, Gateway: "192.0.2.1"}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) addresses(server string) (list []string) {
	for i := range store.Addresses.Items(w.store.Snapshot()) {
		if i.Value.Server == server {
			list = append(list, i.ID)
		}
	}
	return list
}

func TestB29_WhatTheRulesBeganEndsForWhatAPersonWants(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		svc, id := h.active()
		ctx := context.Background()
		if _, err := w.intake.StopService(ctx, ann, svc.ID, "unpaid"); err != nil {
			t.Fatal(err)
		}
		running := func() *operation.Operation {
			op, _ := store.Operations.View(w.store, w.server(id).Operation)
			return op
		}
		for range 300 { // until the server, which is on still, is turned off by rule B29
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if op := running(); op != nil && op.Kind == operation.Power {
				break
			}
		}
		rule := running()
		if rule == nil || rule.Params.Cause == "" {
			t.Fatalf("no rule turns it off: %+v", rule)
		}
		if _, err := w.intake.ResumeService(ctx, ann, svc.ID, "paid"); err != nil {
			t.Fatalf("resumed a moment later: %v", err)
		}
		h.settle()
		if got := w.service(svc.ID); got.State != order.ServiceActive || !h.chassis(id).on || w.server(id).Operation != "" {
			t.Fatalf("service %s %q, on %v, did %s", got.State, got.Message, h.chassis(id).on, h.done())
		}
		if old := w.op(rule.ID); old.State != operation.Canceled && old.State != operation.Done {
			t.Errorf("the rule's operation is %s", old.State)
		}
		if len(w.openTasks()) != 0 {
			t.Errorf("tasks %v", w.openTasks())
		}
	})
}
