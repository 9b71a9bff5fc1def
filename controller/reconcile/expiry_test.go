package reconcile

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// audits counts the lines of an action.
func (w *world) audits(action string) (n int) {
	for i := range store.Audit.Items(w.store.Snapshot()) {
		if i.Value.Action == action {
			n++
		}
	}
	return n
}

// TestB20_AClockRemindsOfAMaintenanceAndNeverEndsIt: a technician may have the server open.
func TestB20_AClockRemindsOfAMaintenanceAndNeverEndsIt(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		id := w.enrol(machine(1, 1, 1))
		maintain := func(d time.Duration) {
			t.Helper()
			if _, _, err := w.intake.SetMaintenance(ctx, ann, id, "fan", time.Now().Add(d)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		key := intake.MaintenanceKey(id)
		maintain(2 * time.Hour)
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.openTasks()[key] != "" || w.server(id).Maintenance.Overdue {
			t.Error("somebody was reminded too early")
		}
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		m := w.server(id).Maintenance
		if m == nil || !m.Overdue || w.openTasks()[key] == "" || w.stock.Index.Available(id) {
			t.Fatalf("after the announced end: %+v, tasks %v", m, w.openTasks())
		}
		if reasons := w.stock.Index.Reasons(id); !strings.Contains(reasons[len(reasons)-1].Message, "should have ended") {
			t.Errorf("why: %+v", reasons)
		}
		if _, _, err := w.intake.EndTask(ctx, ann, w.openTasks()[key], "I asked"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if w.openTasks()[key] != "" || w.audits("server.maintenance_overdue") != 1 {
			t.Errorf("a person's word was not taken: %v", w.openTasks())
		}
		maintain(time.Hour) // more time: and a reminder at its end
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if w.openTasks()[key] == "" {
			t.Fatal("nobody was reminded again")
		}
		if _, _, err := w.intake.EndMaintenance(ctx, ann, id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.openTasks()[key] != "" || !w.stock.Index.Available(id) {
			t.Errorf("after the end: tasks %v, %+v", w.openTasks(), w.stock.Index.Reasons(id))
		}
	})
}

// TestB24_AnOverrideThatWasGivenForATimeEndsByItself, also when the controller was away at that time.
func TestB24_AnOverrideThatWasGivenForATimeEndsByItself(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		id := w.enrol(machine(1, 1, 1))
		for _, away := range []bool{false, true} {
			if _, _, err := w.intake.SetOverride(ctx, ann, id, "spare parts ordered", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if away {
				w.stop()
				synctest.Wait()
			}
			time.Sleep(time.Hour - time.Minute)
			synctest.Wait()
			if !away && w.server(id).Override == nil {
				t.Error("the override ended too early")
			}
			time.Sleep(2 * time.Minute)
			if away {
				w.start(w.kv)
			}
			synctest.Wait()
			if o := w.server(id).Override; o != nil {
				t.Errorf("away %v: the override goes on: %+v", away, o)
			}
		}
		if n := w.audits("server.override_end"); n != 2 {
			t.Errorf("%d audit lines", n)
		}
	})
}

// TestB18_ReplacedPartsAreDiagnosedBeforeTheServerIsAvailableAgain, even if they are of the same model.
func TestB18_ReplacedPartsAreDiagnosedBeforeTheServerIsAvailableAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		inv := machine(1, 1, 1)
		id := w.enrol(inv)
		if !w.stock.Index.Available(id) {
			t.Fatalf("not available: %+v", w.stock.Index.Reasons(id))
		}
		before := w.server(id).Diagnosis.ID
		inv = machine(1, 1, 1)
		inv.Identity.MACs = []string{"02:00:00:00:00:99"}
		inv.NICs[0].PermanentMAC = "02:00:00:00:00:99"
		if err := w.intake.Report(ctx, id, "v", protocol.Report{Inventory: inv}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := w.server(id)
		if s.PendingIdentity == nil || w.stock.Index.Available(id) || w.openTasks()[intake.IdentityKey(id)] == "" {
			t.Fatalf("with another card: %+v", s)
		}
		if o := w.order(w.place()); o.Server == id {
			t.Error("an order got a server that nobody is sure of")
		}
		if _, _, err := w.intake.ConfirmIdentity(ctx, ann, id, s.PendingIdentity.ID, "card replaced"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s = w.server(id)
		if s.Diagnosis.ID == before || s.Claim.Kind != fleet.ClaimClient {
			t.Errorf("diagnosis %s, claim %+v, %+v", s.Diagnosis.ID, s.Claim, w.stock.Index.Reasons(id))
		}
	})
}
