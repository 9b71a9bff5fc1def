package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// A technician puts a customer's disk into the wrong machine.
func TestB44_ADiskThatNobodyAnnouncedIsNotErasedBeforeAPersonLooked(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		erased := store.Erasures.Len(w.store.Snapshot())
		if err := w.intake.Report(context.Background(), id, "v", protocol.Report{Inventory: machine(1, 1, 2)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := w.server(id); s.InService || w.stock.Index.Available(id) || store.Erasures.Len(w.store.Snapshot()) != erased || s.Operation != "" {
			t.Fatalf("server %+v, %d erasures", s, store.Erasures.Len(w.store.Snapshot()))
		}
		if w.openTasks()["new-disk/"+id] == "" {
			t.Fatalf("tasks %v", w.openTasks())
		}
		if _, _, err := w.intake.CommissionServer(context.Background(), ann, id, "it is a spare", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !w.stock.Index.Available(id) || store.Erasures.Len(w.store.Snapshot()) != erased+2 || len(w.openTasks()) != 0 {
			t.Fatalf("not available again: %+v, tasks %v", w.stock.Index.Reasons(id), w.openTasks())
		}
	})
}
