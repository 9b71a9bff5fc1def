package reconcile

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// due marks a task that should have been done by now, once; those who want to know are told by the change. It is looked at again when it
// becomes due.
func (r *Reconciler) due(ctx context.Context, taskID string) (next time.Time, err error) {
	now := r.now()
	k, ok := store.Tasks.View(r.store, taskID)
	if !ok || k.Remind().IsZero() {
		return time.Time{}, nil
	}
	if at := k.Remind(); now.Before(at) {
		return at, nil
	}
	return time.Time{}, r.change(ctx, func(tx *store.Tx) error {
		before, known, err := store.Tasks.Find(tx, taskID)
		if at := before.Remind(); err != nil || !known || at.IsZero() || now.Before(at) {
			return err
		}
		after := before
		after.Overdue, after.ChangedAt = true, now
		return cmp.Or(store.Tasks.Put(tx, taskID, after),
			intake.Audit(tx, access.System, "task.overdue", "tasks/"+taskID, before, after, "it was to be done by "+before.DueAt.UTC().Format("2006-01-02 15:04 UTC"), now))
	})
}
