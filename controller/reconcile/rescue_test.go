package reconcile

import (
	"cmp"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// rescuable makes a service one that may be rescued: on a machine with a system of its own, ordered with a key.
func (w *world) rescuable(svc string) {
	w.change(func(tx *store.Tx) error {
		s, err := store.Services.Get(tx, svc)
		o, err2 := store.Orders.Get(tx, s.Order)
		srv, err3 := store.Servers.Get(tx, s.Server)
		o.SSHKeys, srv.Environment = []string{"ssh-ed25519 AAAA ann"}, protocol.EnvInstalled
		return cmp.Or(err, err2, err3, store.Orders.Put(tx, o.ID, o), store.Servers.Put(tx, srv.ID, srv))
	})
}

// helpful is obedient, and says how to get in.
func (w *world) helpful(c protocol.Command) (protocol.Result, bool) {
	res, ok := w.obedient(c)
	if c.Kind == protocol.CommandRescue {
		res.Detail = "ssh root@192.0.2.7; its host key is SHA256:x"
		if c.Rescue == nil || len(c.Rescue.SSHKeys) != 1 {
			res.Fault = fault.Invalid("without the order's keys")
		}
	}
	return res, ok
}

func TestB43_ARescueStartsFromMemoryAndEndsFromTheDisk(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.helpful))
		svc, id := h.active()
		h.run(id, true, protocol.EnvInstalled)
		w.rescuable(svc.ID)
		if _, err := w.intake.RescueService(ctx, ann, svc.ID, "it does not start"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got, want := h.done(), "port up 666, cut, on ram, rescue, port up 7"; got != want {
			t.Errorf("did %q, want %q", got, want)
		}
		if s := w.service(svc.ID); s.State != order.ServiceRescue || !strings.Contains(s.Message, "root@192.0.2.7") || !strings.Contains(s.Message, "SHA256:x") {
			t.Errorf("%s: %s", s.State, s.Message)
		}
		h.forget()
		if again, err := w.intake.RescueService(ctx, ann, svc.ID, ""); err != nil || again.State != order.ServiceRescue {
			t.Errorf("asked again: %v %s", err, again.State)
		}
		// B28 to B30: his power is his own meanwhile.
		h.run(id, false, "")
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if h.chassis(id).on || h.done() != "" {
			t.Errorf("did %q to a server in rescue", h.done())
		}
		h.run(id, true, protocol.EnvRescue)
		_, err := w.intake.RequestOperation(ctx, ann, intake.OperationWish{Server: id, Kind: operation.Diagnose}, nil)
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "rescue") {
			t.Errorf("diagnostics in rescue: %v", err)
		}
		if _, err := w.intake.PowerService(ctx, ann, svc.ID, operation.PowerOff, ""); !fault.Is(err, fault.KindRefused) {
			t.Errorf("switched in rescue: %v", err)
		}
		if _, err := w.intake.EndRescue(ctx, ann, svc.ID, "repaired"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got, want := h.done(), "cut, on disk"; got != want || w.service(svc.ID).State != order.ServiceActive {
			t.Errorf("did %q, want %q; %s", got, want, w.service(svc.ID).State)
		}
		if len(w.openTasks()) != 0 {
			t.Error(w.openTasks())
		}
	})
}

// B44: what is in memory for a customer never erases; a delete starts the other environment first.
func TestB34_B44_ADeleteOfARescuedServerLeavesItsRescueFirst(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.helpful))
		svc, id := h.active()
		w.rescuable(svc.ID)
		if _, err := w.intake.RescueService(ctx, ann, svc.ID, ""); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.forget()
		w.delete(svc.ID)
		h.settle()
		if got, want := h.done(), "port up 666, cut, on ram, erase, diagnose, off, port down"; got != want {
			t.Errorf("did %q, want %q", got, want)
		}
		if h.chassis(id).boots < 2 {
			t.Error("it was not started anew")
		}
	})
}

func TestB43_RescuesThatCannotBeAreRefused(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.helpful))
		svc, id := h.active()
		refused := func(what, words string) {
			t.Helper()
			_, err := w.intake.RescueService(ctx, ann, svc.ID, "")
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("simulated", "simulated")
		w.rescuable(svc.ID)
		w.change(func(tx *store.Tx) error {
			o, err := store.Orders.Get(tx, svc.Order)
			o.SSHKeys = nil
			return cmp.Or(err, store.Orders.Put(tx, o.ID, o))
		})
		_, err := w.intake.RescueService(ctx, ann, svc.ID, "")
		var f *fault.Fault
		if !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != "ssh_keys" {
			t.Errorf("without keys: %v", err)
		}
		if _, err := w.intake.EndRescue(ctx, ann, svc.ID, ""); err != nil {
			t.Errorf("the end of none: %v", err)
		}
		w.stopService(svc.ID)
		h.settle()
		refused("stopped", "only an active one")
		if _, err := w.intake.EndRescue(ctx, ann, svc.ID, ""); !fault.Is(err, fault.KindRefused) {
			t.Errorf("the end of none, stopped: %v", err)
		}
		if h.chassis(id).on {
			t.Error("it was turned on")
		}
	})
}

// A rescue that did not come to its end leads back to the disk, whatever the machine started meanwhile.
func TestB32a_AFailedRescueIsResumedFromTheDisk(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		w.obey(h.traced(w.refusing(protocol.CommandRescue, fault.Refused("no such card"))))
		svc, _ := h.active()
		w.rescuable(svc.ID)
		s, err := w.intake.RescueService(ctx, ann, svc.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got := w.service(svc.ID); got.State != order.ServiceNeedsAttention {
			t.Fatalf("%s: %s", got.State, got.Message)
		}
		if _, err := w.intake.CancelOperation(ctx, ann, s.Operation, "no"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.forget()
		if _, err := w.intake.ResumeService(ctx, ann, svc.ID, "as it was"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got, want := h.done(), "port up 7, cut, on disk"; got != want || w.service(svc.ID).State != order.ServiceActive {
			t.Errorf("did %q, want %q; %s", got, want, w.service(svc.ID).State)
		}
	})
}
