package reconcile

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// lackAgain is how often an order that waits for an address is looked at: addresses rest, and
// pools are added, without news for the order.
const lackAgain = time.Minute

// noAddress says that the pools of a module are exhausted.
type noAddress struct{ error }

func (n noAddress) Unwrap() error { return n.error }

func addressFault(err error) error {
	if fault.Is(err, fault.KindRefused) {
		return noAddress{err}
	}
	return err
}

func lacksAddress(err error) bool { return errors.As(err, &noAddress{}) }

// lack lets an order wait for an address, with a task.
func (r *Reconciler) lack(ctx context.Context, seen order.Order, cause error) error {
	now := r.now()
	r.queue.addAt(waitingKey, now.Add(lackAgain))
	if seen.State == order.Waiting && seen.Message == cause.Error() {
		return nil
	}
	return r.change(ctx, func(tx *store.Tx) error {
		o, err := store.Orders.Get(tx, seen.ID)
		if err != nil || o.State != order.New && o.State != order.Waiting {
			return err
		}
		was := o
		k := task.New(id.At("tsk", now), r.department(o), task.Build, order.BuildKey(o.ID), "No address for order "+o.ID,
			cause.Error()+". Add a pool, or release addresses; the order goes on by itself then.", now)
		k.Order, k.Service = o.ID, o.Service
		o.State, o.Task, o.Message, o.ChangedAt = order.Waiting, k.ID, cause.Error(), now
		return cmp.Or(intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "a server would be there, an address is not", now),
			store.Orders.Put(tx, o.ID, o), intake.FileTask(tx, k), intake.Audit(tx, access.System, "order.wait", "orders/"+o.ID, was, o, o.Message, now))
	})
}
