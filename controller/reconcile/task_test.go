package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
)

// TestX6_ATaskThatIsLateIsToldOnce, also when nobody led at that moment; more time is asked for again.
func TestX6_ATaskThatIsLateIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		k, _, err := w.intake.CreateTask(ctx, ann, task.Draft{Department: "dc-ops", Subject: "count the disks", DueAt: time.Now().Add(2 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		late := func() bool {
			t.Helper()
			synctest.Wait()
			got, ok := store.Tasks.View(w.store, k.ID)
			return ok && got.Overdue
		}
		time.Sleep(2*time.Hour - time.Minute)
		if late() {
			t.Error("it was late too early")
		}
		w.stop()
		synctest.Wait()
		time.Sleep(time.Hour)
		w.start(w.kv)
		if !late() {
			t.Fatal("nobody was told")
		}
		more := func(d task.Draft) (task.Draft, error) { d.DueAt = time.Now().Add(time.Hour); return d, nil }
		if _, _, err := w.intake.EditTask(ctx, ann, k.ID, 0, more); err != nil {
			t.Fatal(err)
		}
		if late() {
			t.Error("it is late although there is more time")
		}
		time.Sleep(time.Hour + time.Second)
		if !late() || w.audits("task.overdue") != 2 {
			t.Errorf("at the second end: late %v, %d audit lines", late(), w.audits("task.overdue"))
		}
		if _, _, err := w.intake.EndTask(ctx, ann, k.ID, "there are nine"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if w.audits("task.overdue") != 2 {
			t.Error("a closed task was told to be late")
		}
	})
}
