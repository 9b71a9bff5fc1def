package reconcile

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
)

const (
	sweepKey   = "sweep"
	sweepEvery = time.Hour
	// sweepBatch records go in one commit, so that a large backlog holds nobody up.
	sweepBatch = 100
	// keepTask is how long a closed task can be read.
	keepTask = 365 * 24 * time.Hour
)

// sweep forgets ended operations and closed tasks that are beyond their time, and
// results that no operation waits for any more.
func (r *Reconciler) sweep(ctx context.Context) (next time.Time, err error) {
	now := r.now()
	if err := forget(ctx, r, store.Operations, r.oldOperations(now)); err != nil {
		return next, err
	}
	if err := forget(ctx, r, store.Tasks, r.oldTasks(now)); err != nil {
		return next, err
	}
	if err := forget(ctx, r, store.UserData, r.usedData()); err != nil {
		return next, err
	}
	if err := forget(ctx, r, store.Accounts, r.oldAccounts(now)); err != nil {
		return next, err
	}
	return now.Add(sweepEvery), forget(ctx, r, store.Results, r.orphans())
}

func forget[T any](ctx context.Context, r *Reconciler, table store.Table[T], ids []string) error {
	for len(ids) > 0 {
		batch := ids[:min(len(ids), sweepBatch)]
		ids = ids[len(batch):]
		if err := r.change(ctx, func(tx *store.Tx) error {
			for _, id := range batch {
				if err := table.Delete(tx, id); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) oldOperations(now time.Time) (ids []string) {
	byServer := map[string][]*operation.Operation{}
	for i := range store.Operations.Items(r.store.Snapshot()) {
		byServer[i.Value.Server] = append(byServer[i.Value.Server], i.Value)
	}
	for _, ops := range byServer {
		ids = append(ids, operation.Surplus(ops, now)...)
	}
	return ids
}

func (r *Reconciler) oldTasks(now time.Time) (ids []string) {
	for i := range store.Tasks.Items(r.store.Snapshot()) {
		if i.Value.State == task.Closed && now.Sub(i.Value.ClosedAt) > keepTask {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// orphans are results whose operation is over or gone.
func (r *Reconciler) orphans() (keys []string) {
	snap := r.store.Snapshot()
	for i := range store.Results.Items(snap) {
		op, ok := store.Operations.In(snap, i.Value.Operation)
		if !ok || operation.Final(op.State) {
			keys = append(keys, i.ID)
		}
	}
	return keys
}

// usedData are the orders that are over and whose user data is kept still.
func (r *Reconciler) usedData() (ids []string) {
	snap := r.store.Snapshot()
	for i := range store.UserData.Items(snap) {
		if o, ok := store.Orders.In(snap, i.ID); !ok || o.State == order.Fulfilled || o.State == order.Failed || o.State == order.Canceled {
			ids = append(ids, i.ID)
		}
	}
	return ids
}
