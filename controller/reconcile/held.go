package reconcile

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// held looks at an order whose server is being rebuilt: when the new inventory
// fits and its diagnostics are good, preparation starts by itself; when nobody
// works on it for too long, the server is released (rule B27).
func (r *Reconciler) held(ctx context.Context, seen order.Order) (next time.Time, err error) {
	err = r.change(ctx, func(tx *store.Tx) error {
		next = time.Time{}
		o, err := store.Orders.Get(tx, seen.ID)
		if err != nil || o.State != order.Held {
			return err
		}
		m, ok, err := store.Modules.Find(tx, o.Module)
		if err != nil || !ok {
			return err
		}
		s, err := store.Servers.Get(tx, o.Server)
		if err != nil {
			return err
		}
		free, fits, parts, distance, err := r.rebuilt(tx, o, s, m)
		switch {
		case err != nil:
			return err
		case s.Claim.Kind != fleet.ClaimHeld || s.Claim.Ref != o.ID:
			return r.release(tx, o, s, "its server is held for it no more; the order waits for one that fits")
		case fits:
			o.Distance, o.Parts = 0, nil
			_, err := r.prepare(tx, o, free, m)
			if lacksAddress(err) { // the hold stays; a person is needed only when it ends
				next = r.now().Add(lackAgain)
			}
			return err
		case !r.now().Before(o.HeldUntil):
			return r.expire(tx, o, s)
		case distance > 0:
			closed, err := closedByHand(tx, o)
			if err != nil {
				return err
			}
			if closed {
				return r.release(tx, o, s, "the build task was closed; the order waits for a server that fits")
			}
		}
		next = o.HeldUntil
		return r.retell(tx, o, parts, distance)
	})
	if lacksAddress(err) {
		r.log.Warn("a held server cannot be prepared", "order", seen.ID, "error", err)
		return next, nil
	}
	return next, err
}

// rebuilt compares the server as it reports itself now, and tells whether only
// the hold keeps it from being available.
func (r *Reconciler) rebuilt(tx *store.Tx, o order.Order, s fleet.Server, m order.Module) (free intake.Free, fits bool, parts []match.Change, distance int, err error) {
	f, known, err := store.Facts.Find(tx, s.ID)
	if err != nil || !known {
		return free, false, o.Parts, o.Distance, err
	}
	res, err := match.Compare(match.Server{ID: s.ID, Location: s.Location, ServerType: s.ServerType, Configuration: f.Configuration}, wishOf(o, m))
	if err != nil { // other location, type or architecture now: nothing to list
		return free, false, o.Parts, o.Distance, nil
	}
	free, err = intake.ForHolder(tx, s, o.ID, r.stock.Index.Surroundings(s.ID))
	if err != nil && !fault.Is(err, fault.KindRefused) {
		return free, false, nil, 0, err
	}
	return free, res.Exact && err == nil, res.Changes, res.Distance, nil
}

// retell brings the list of parts up to date while somebody works it off.
func (r *Reconciler) retell(tx *store.Tx, o order.Order, parts []match.Change, distance int) error {
	if o.Distance == distance && match.Parts(o.Parts) == match.Parts(parts) {
		return nil
	}
	o.Parts, o.Distance, o.ChangedAt = parts, distance, r.now()
	o.Message = "the server is held; to do: " + match.Parts(parts)
	if distance == 0 {
		o.Message = "the held server fits; it is prepared when its diagnostics are good"
	}
	k, ok, err := store.Tasks.Find(tx, o.Task)
	if err != nil {
		return err
	}
	if ok {
		k.Parts, k.Body, k.ChangedAt = parts, match.Parts(parts), r.now()
		if err := store.Tasks.Put(tx, k.ID, k); err != nil {
			return err
		}
	}
	return store.Orders.Put(tx, o.ID, o)
}

// expire extends the hold while the task is worked on, else releases the server.
// From then on the order takes only an exact fit: the closest one was in vain.
func (r *Reconciler) expire(tx *store.Tx, o order.Order, s fleet.Server) error {
	now := r.now()
	k, ok, err := store.Tasks.Find(tx, o.Task)
	if err != nil {
		return err
	}
	if ok && k.Worked(now, HoldFor) {
		o.HeldUntil = now.Add(HoldFor)
		return store.Orders.Put(tx, o.ID, o)
	}
	return r.release(tx, o, s, "nobody rebuilt the held server in time; the order waits for one that fits")
}

// closedByHand reports whether a person closed the build task: the rebuild is called
// off (rule B27).
func closedByHand(tx *store.Tx, o order.Order) (bool, error) {
	k, ok, err := store.Tasks.Find(tx, o.Task)
	return ok && k.State == task.Closed, err
}

// release gives the held server back, and lets the order wait with a task (rule B9).
func (r *Reconciler) release(tx *store.Tx, o order.Order, s fleet.Server, message string) error {
	now := r.now()
	was := o
	k := task.New(id.At("tsk", now), r.department(o), task.Build, order.BuildKey(o.ID), "No server for order "+o.ID,
		"The server that was held for it was not rebuilt. It is served as soon as one becomes available that fits: "+o.Configuration.String()+".", now)
	k.Order, k.Service = o.ID, o.Service
	o.State, o.HoldExpired, o.Server, o.ChangedAt, o.HeldUntil = order.Waiting, true, "", now, time.Time{}
	o.Message, o.Task = message, k.ID
	return cmp.Or(store.Orders.Put(tx, o.ID, o), r.unhold(tx, o, s, message),
		intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "the hold is over", now), intake.FileTask(tx, k),
		intake.Audit(tx, access.System, "order.hold_end", "orders/"+o.ID, was, o, message, now))
}

// unhold releases a server that is held for the order; another one is left alone.
func (r *Reconciler) unhold(tx *store.Tx, o order.Order, s fleet.Server, reason string) error {
	if s.Claim.Kind != fleet.ClaimHeld || s.Claim.Ref != o.ID {
		return nil
	}
	now := r.now()
	before := s
	s = s.Released(now)
	return cmp.Or(store.Servers.Put(tx, s.ID, s), intake.Audit(tx, access.System, "server.release", "servers/"+s.ID, before, s, reason, now))
}
