package reconcile

import (
	"context"
	"fmt"
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

func (w *world) stopService(id string) order.Service {
	w.t.Helper()
	svc, err := w.intake.StopService(context.Background(), ann, id, "unpaid")
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return svc
}

func TestB28_AnActiveServerThatIsOffIsTurnedOn(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		_, id := h.active()
		h.run(id, false, "")
		h.settle()
		if !h.chassis(id).on || h.done() != "on disk" {
			t.Fatalf("on %v, did %q", h.chassis(id).on, h.done())
		}
	})
}

func TestB29_AStoppedServerThatIsOnIsTurnedOff(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		svc, id := h.active()
		w.stopService(svc.ID)
		h.settle()
		if got := h.done(); got != "port down, off" {
			t.Fatalf("did %q", got)
		}
		h.run(id, true, "other") // somebody presses the button
		h.settle()
		if h.chassis(id).on {
			t.Fatal("a stopped server stays on")
		}
		if got := w.service(svc.ID).State; got != order.ServiceStopped {
			t.Fatalf("service %s", got)
		}
	})
}

func TestB30_NothingElseIsSwitched(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		id := w.enrol(machine(1, 1, 1))
		h.wire(id)
		h.run(id, false, "")
		h.settle()
		if h.done() != "" {
			t.Fatalf("did %q to a server that belongs to nobody", h.done())
		}
	})
}

func TestA17_ACustomersPowerOffIsRespected(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		svc, id := h.active()
		for _, step := range []struct {
			action string
			on     bool
		}{{operation.PowerOff, false}, {operation.PowerOn, true}, {operation.PowerCycle, true}, {operation.PowerHardOff, false}} {
			if _, err := w.intake.PowerService(context.Background(), ann, svc.ID, step.action, ""); err != nil {
				t.Fatal(err)
			}
			h.settle()
			time.Sleep(6 * time.Hour)
			synctest.Wait()
			if h.chassis(id).on != step.on || w.service(svc.ID).State != order.ServiceActive {
				t.Fatalf("%s: on %v, service %s", step.action, h.chassis(id).on, w.service(svc.ID).State)
			}
		}
	})
}

func TestB28_HoldsAfterAMissedEvent(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		_, id := h.active()
		h.breaks("power", errAway)
		h.run(id, false, "")
		time.Sleep(time.Hour) // the management controller was away as well
		synctest.Wait()
		if o, _ := store.Observations.View(w.store, id); o.PowerError == "" {
			t.Fatal("nobody can see that it is not looked at")
		}
		h.breaks("power", nil)
		h.settle()
		if !h.chassis(id).on {
			t.Fatal("it stays off")
		}
	})
}

func TestB28_AFlappingServerIsDamped(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		_, id := h.active()
		ctx, stop := context.WithCancel(context.Background())
		flap := make(chan struct{})
		go func() { // its power supply is broken
			defer close(flap)
			for sleep(ctx, 10*time.Second) == nil {
				if h.chassis(id).on {
					h.run(id, false, "")
				}
			}
		}()
		time.Sleep(4 * time.Hour)
		stop()
		<-flap
		if n := strings.Count(h.done(), "on disk"); n < 3 || n > 7 {
			t.Fatalf("it was turned on %d times in four hours", n)
		}
		if w.openTasks()["power/"+id] == "" {
			t.Fatalf("nobody was told: %v", w.openTasks())
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if !h.chassis(id).on || w.openTasks()["power/"+id] != "" {
			t.Fatalf("on %v, tasks %v", h.chassis(id).on, w.openTasks())
		}
	})
}

func TestB28_MaintenanceKeepsHandsOff(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		_, id := h.active()
		if _, _, err := w.intake.SetMaintenance(context.Background(), ann, id, "new fan", time.Time{}); err != nil {
			t.Fatal(err)
		}
		h.run(id, false, "")
		h.settle()
		if h.chassis(id).on {
			t.Fatal("it was turned on under the technician's hands")
		}
	})
}

func TestB28_ARackThatComesBackIsTurnedOnInTurns(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		const n = 20
		var ids []string
		for range n {
			_, id := h.active()
			ids = append(ids, id)
		}
		var at []time.Time
		w.obey(h.traced(w.obedient))
		for _, id := range ids {
			h.run(id, false, "")
		}
		h.settle()
		h.settle()
		for i := range store.Operations.Items(w.store.Snapshot()) {
			if i.Value.Kind == operation.Power && i.Value.Params.Cause == "B28" {
				at = append(at, i.Value.CreatedAt)
			}
		}
		if len(at) != n {
			t.Fatalf("%d of %d were turned on", len(at), n)
		}
		for _, from := range at {
			within := 0
			for _, other := range at {
				if d := other.Sub(from); d >= 0 && d < 10*time.Second {
					within++
				}
			}
			if within > powerBurst+6 {
				t.Fatalf("%d were turned on within ten seconds", within)
			}
		}
	})
}

func TestB31_StopShutsThePorts(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		w.stopService(svc.ID)
		h.settle()
		if got := w.service(svc.ID); got.State != order.ServiceStopped || h.ports["port-"+id] != "down" {
			t.Fatalf("%s, port %s", got.State, h.ports["port-"+id])
		}
		if o, _ := store.Observations.View(w.store, id); len(o.Ports) != 1 || o.Ports[0].Admin != "down" {
			t.Fatalf("seen %+v", o.Ports)
		}
	})
}

func TestB32_WithoutPortsAStopIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enrol(machine(1, 1, 1))
		svc := w.service(w.order(w.place()).Service)
		_, err := w.intake.StopService(context.Background(), ann, svc.ID, "unpaid")
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "no switch ports") {
			t.Fatalf("got %v", err)
		}
		if got := w.service(svc.ID); got != svc {
			t.Fatalf("the service changed: %+v", got)
		}
	})
}

func TestB32_APortThatCannotBeShutHoldsTheStop(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, _ := h.active()
		h.breaks("shut", errAway)
		op := w.stopService(svc.ID).Operation
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := w.op(op); got.State != operation.Held || w.service(svc.ID).State != order.ServiceNeedsAttention {
			t.Fatalf("%s, service %s", got.State, w.service(svc.ID).State)
		}
		h.breaks("shut", nil)
		if _, err := w.intake.RetryOperation(context.Background(), ann, op, ""); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got := w.service(svc.ID); got.State != order.ServiceStopped || len(w.openTasks()) != 0 {
			t.Fatalf("%s, tasks %v", got.State, w.openTasks())
		}
	})
}

func TestB32a_ResumeEnablesThePortsAndTurnsTheServerOn(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		w.stopService(svc.ID)
		h.settle()
		h.forget()
		if _, err := w.intake.ResumeService(context.Background(), ann, svc.ID, "paid"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got := w.service(svc.ID); got.State != order.ServiceActive || h.done() != fmt.Sprintf("port up %d, on disk", inService) || !h.chassis(id).on {
			t.Fatalf("%s, did %q", got.State, h.done())
		}
	})
}

func TestA6_AServerThatIsOffIsOrderedAndTurnedOn(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.obedient))
		svc, id := h.active()
		w.delete(svc.ID)
		h.settle()
		if h.chassis(id).on || !w.stock.Index.Available(id) {
			t.Fatalf("on %v, %+v", h.chassis(id).on, w.stock.Index.Reasons(id))
		}
		h.forget()
		o := w.order(w.place())
		h.settle()
		if got := w.order(o.ID); got.State != order.Fulfilled || got.Server != id {
			t.Fatalf("%s: %s", got.State, got.Message)
		}
		if got, want := h.done(), "port up 666, on ram, image, confirm, port up 7"; got != want {
			t.Fatalf("did %q, want %q", got, want)
		}
	})
}

func TestX5_AHandDoesNothingForAnOldEpoch(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		h.mu.Lock()
		h.delay = time.Minute
		h.mu.Unlock()
		op := w.stopService(svc.ID)
		cmd := w.op(op.Operation).Steps[0].CommandID
		w.change(func(tx *store.Tx) error { // the same command again, of a time before
			s, err := store.Servers.Get(tx, id)
			if err != nil {
				return err
			}
			stale := operation.Command{Hand: operation.HandPower, Power: &operation.PowerAct{Hard: true}}
			stale.Command = protocol.Command{ID: cmd + "x", Server: id, Operation: op.Operation, Step: "power-off", Epoch: s.Epoch - 1, Kind: operation.CommandPowerOff, Deadline: time.Now().Add(time.Hour)}
			return store.Commands.Put(tx, store.CommandKey(id, stale.ID), stale)
		})
		h.settle()
		if !strings.HasPrefix(h.done(), "port down") || strings.Contains(h.done(), "cut") {
			t.Fatalf("did %q", h.done())
		}
	})
}

func TestB16_AnAgentIsToldWhenItsTimeIsOver(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.obey(w.silentFor(protocol.CommandImage))
		o := w.order(w.place())
		op := w.op(w.order(o.ID).Operation)
		key := store.CommandKey(id, op.Steps[op.Current].CommandID)
		time.Sleep(20*time.Minute + time.Second) // the module's installtimeout_linux
		synctest.Wait()
		c, ok := store.Commands.View(w.store, key)
		if !ok || c.Cancel == nil {
			t.Fatal("the agent is not asked to stop")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.op(op.ID); got.State != operation.Failed || w.service(o.Service).State != order.ServiceNeedsAttention || len(w.openTasks()) != 1 {
			t.Fatalf("%s, service %s, tasks %v", got.State, w.service(o.Service).State, w.openTasks())
		}
		late := answerTo(c.Command)
		late.Written = &protocol.WrittenImage{ReadBack: true}
		before := w.service(o.Service)
		for range 2 {
			if err := w.intake.Result(context.Background(), id, late); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := w.op(op.ID); got.State != operation.Failed || len(got.Late) != 1 || w.service(o.Service) != before {
			t.Fatalf("a late result: %s, noted %d times", got.State, len(got.Late))
		}
		if s := w.server(id); s.Claim.Kind != fleet.ClaimClient {
			t.Fatalf("claim %+v", s.Claim)
		}
	})
}
