package reconcile

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func (w *world) erase(server string) operation.Operation {
	w.t.Helper()
	op, err := w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: server, Kind: operation.Erase}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return op
}

// TestX5_WhatEndedUnansweredIsOfAnOldEpoch: the agent is away with the erase in its journal, and must not
// go on with it after a person cancelled it or its time was over.
func TestX5_WhatEndedUnansweredIsOfAnOldEpoch(t *testing.T) {
	for what, end := range map[string]func(w *world, op operation.Operation){
		"cancelled": func(w *world, op operation.Operation) {
			if _, err := w.intake.CancelOperation(context.Background(), ann, op.ID, "the wrong server"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		},
		"timed out": func(_ *world, op operation.Operation) { time.Sleep(2*op.Allowed + operation.HoldAllowed + time.Hour) },
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.enrol(machine(1, 1, 1))
				w.obey(w.silentFor(protocol.CommandErase))
				op := w.erase(id)
				end(w, op)
				synctest.Wait()
				if s := w.server(id); s.Operation != "" || s.Epoch <= op.Epoch {
					t.Errorf("the operation %q of epoch %d; the server is at %d", s.Operation, op.Epoch, s.Epoch)
				}
			})
		})
	}
}

// TestB41_AnEraseThatProvesNothingSoilsAServerThatWasClean: good diagnostics afterwards do not mend it.
func TestB41_AnEraseThatProvesNothingSoilsAServerThatWasClean(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		if s := w.server(id); s.Cleanliness != fleet.Clean {
			t.Fatalf("%+v", s)
		}
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			res, ok := w.obedient(c)
			if c.Kind == protocol.CommandErase {
				res.Erasures[0].Proven, res.Fault = false, fault.Refused("something is left")
			}
			return res, ok
		})
		op := w.erase(id)
		if _, err := w.intake.CancelOperation(context.Background(), ann, op.ID, "look at the disk"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: id, Kind: operation.Diagnose}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := w.server(id); s.Cleanliness != fleet.Dirty || w.stock.Index.Available(id) {
			t.Errorf("it is %s, available %v", s.Cleanliness, w.stock.Index.Available(id))
		}
	})
}

// TestX2_AHeldOrderNeverTakesAServerThatIsSomebodyElses, even when the records contradict each other.
func TestX2_AHeldOrderNeverTakesAServerThatIsSomebodyElses(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 2))
		o := w.place()
		if got := w.order(o); got.State != order.Held || got.Server != id {
			t.Fatalf("order %s on %q", got.State, got.Server)
		}
		w.change(func(tx *store.Tx) error {
			s, err := store.Servers.Get(tx, id)
			s.Claim = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-of-another"}
			return cmp.Or(err, store.Servers.Put(tx, id, s))
		})
		inv := machine(1, 1, 1)
		if err := w.intake.Report(context.Background(), id, "v", protocol.Report{Inventory: inv}); err != nil {
			t.Fatal(err)
		}
		w.change(func(tx *store.Tx) error { // diagnosed as it is now
			s, err := store.Servers.Get(tx, id)
			s.Diagnosis.ConfigurationKey = inv.Configuration().Key()
			return cmp.Or(err, store.Servers.Put(tx, id, s))
		})
		time.Sleep(HoldFor + time.Minute)
		synctest.Wait()
		got, s := w.order(o), w.server(id)
		if got.State != order.Waiting || got.Server != "" || s.Claim.Ref != "svc-of-another" || s.Operation != "" {
			t.Errorf("order %s on %q, claim %+v, operation %q", got.State, got.Server, s.Claim, s.Operation)
		}
	})
}
