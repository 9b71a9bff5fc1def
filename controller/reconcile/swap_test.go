package reconcile

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// real makes a server one of metal.
func (w *world) real(id string) string {
	w.change(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, id)
		if err != nil {
			return err
		}
		s.Environment = protocol.EnvRAM
		return store.Servers.Put(tx, id, s)
	})
	return id
}

// permitted counts permits that name a disk.
func (w *world) permitted(serial string) (n int) {
	for i := range store.Commands.Items(w.store.Snapshot()) {
		if i.Value.Erase != nil && strings.Contains(string(i.Value.Erase.SignedPermit), `"`+serial+`"`) {
			n++
		}
	}
	return n
}

func with(inv hardware.Inventory, disk string) hardware.Inventory {
	inv.Disks[0].Serial = disk
	return inv
}

// TestB44_NoPermitNamesADiskThatIsKnownInAnotherServer also when a person put the server back into service.
func TestB44_NoPermitNamesADiskThatIsKnownInAnotherServer(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.real(w.enrol(machine(1, 1, 1))), w.real(w.enrol(machine(2, 1, 1)))
		if err := w.intake.Report(context.Background(), a, "v", protocol.Report{Inventory: with(machine(1, 1, 1), "D2-0")}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.intake.CommissionServer(context.Background(), ann, a, "it is a spare", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		op := w.operationOf(a)
		if op == nil || op.State != operation.Held || !strings.Contains(op.Message, w.server(b).Name+" ("+b+")") || w.permitted("D2-0") != 0 {
			t.Fatalf("operation %+v, %d permits", op, w.permitted("D2-0"))
		}
		if w.openTasks()[troubleKey(*op)] == "" {
			t.Errorf("nobody is told: %v", w.openTasks())
		}
		// The disk was moved for good: the other server says so.
		if err := w.intake.Report(context.Background(), b, "v", protocol.Report{Inventory: with(machine(2, 1, 1), "D1-0")}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.intake.RetryOperation(context.Background(), ann, op.ID, "it was moved"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !w.stock.Index.Available(a) {
			t.Errorf("%s: %+v", w.op(op.ID).Message, w.stock.Index.Reasons(a))
		}
	})
}

// TestB44_ADiskThatComesDuringADeleteIsNotErasedInIt however often the erase is tried.
func TestB44_ADiskThatComesDuringADeleteIsNotErasedInIt(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		tries := 0
		w.obey(h.traced(func(c protocol.Command) (protocol.Result, bool) {
			res, ok := w.obedient(c)
			if c.Kind == protocol.CommandErase {
				tries++
				inv := machine(1, 1, 1)
				f, _ := store.Facts.View(w.store, c.Server)
				inv.Identity = f.Inventory.Identity
				if err := w.intake.Report(context.Background(), c.Server, "v", protocol.Report{Inventory: with(inv, "STRANGE")}); err != nil {
					t.Error(err)
				}
				res.Erasures, res.Fault = nil, fault.Unavailable("the machine went away")
			}
			return res, ok
		}))
		w.delete(svc.ID)
		h.settle()
		op := w.operationOf(id)
		if tries != 1 || op == nil || op.State != operation.Held || !strings.Contains(op.Message, `serial "STRANGE"`) {
			t.Fatalf("%d tries, %+v", tries, op)
		}
	})
}

// TestB42_AServerThatLosesItsPowerDuringADeleteIsStartedAgain into the RAM environment, and the erase begins anew.
func TestB42_AServerThatLosesItsPowerDuringADeleteIsStartedAgain(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		svc, id := h.active()
		erases := 0
		w.obey(h.traced(func(c protocol.Command) (protocol.Result, bool) {
			if c.Kind == protocol.CommandErase {
				if erases++; erases == 1 {
					return protocol.Result{}, false
				}
			}
			return w.obedient(c)
		}))
		h.forget()
		w.delete(svc.ID)
		h.settle()
		h.run(id, false, "")
		h.settle()
		h.settle()
		if s := w.server(id); s.Cleanliness != fleet.Clean || s.Operation != "" || erases != 2 {
			t.Fatalf("%d erases, did %q, %+v", erases, h.done(), w.operationOf(id))
		}
	})
}

// TestX1_AMachineWithPartsOfTwoServersHoldsWhatWorksOnThem: it asked for its system while its agent was away.
func TestX1_AMachineWithPartsOfTwoServersHoldsWhatWorksOnThem(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.enrol(machine(1, 1, 1)), w.enrol(machine(2, 1, 1))
		w.obey(w.silentFor(protocol.CommandErase))
		started, err := w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: a, Kind: operation.Erase}, nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.change(func(tx *store.Tx) error { return store.Presences.Delete(tx, a) })
		time.Sleep(time.Minute)
		boot := intake.Boot{MAC: "02:00:00:00:00:02", UUID: "uuid-1", Remote: "10.77.0.9"}
		if err := w.intake.Mixed(context.Background(), []string{a, b}, boot); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		op := w.op(started.ID)
		if op.State != operation.Held || !strings.Contains(op.Message, boot.MAC) {
			t.Fatalf("%s: %s", op.State, op.Message)
		}
		if w.openTasks()[intake.ConflictKey(a)] == "" || w.openTasks()[intake.ConflictKey(b)] == "" || w.server(b).Quarantine == nil {
			t.Errorf("tasks %v; the other server: %+v", w.openTasks(), w.server(b).Quarantine)
		}
	})
}
