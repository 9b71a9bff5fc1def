package reconcile

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
)

// How many servers of one location are switched on by themselves, so that a rack that comes
// back does not trip its breaker again: some at once, then one after another.
const (
	powerBurst = 4
	powerEvery = 2 * time.Second
)

// power switches a server to the state that its service wants (rules B28 to B30). What was seen
// before the last operation ended, or before the service changed, is not acted on.
func (r *Reconciler) power(ctx context.Context, s *fleet.Server) (next time.Time, err error) {
	svc, rule, action := r.unlike(s)
	if svc == nil {
		return next, r.steady(ctx, s)
	}
	now := r.now()
	at, flaps := fleet.NextTry(s.PowerTries, now)
	if flaps {
		if err := r.flaps(ctx, s, at); err != nil {
			return at, err
		}
	}
	if at.After(now) {
		return at, nil
	}
	if action == operation.PowerOn {
		if at := r.paced.slot(s.Location, now); at.After(now) {
			return at, nil
		}
	}
	return next, r.change(ctx, func(tx *store.Tx) error { return r.switchPower(tx, s.ID, svc.ID, rule, action, now) })
}

// unlike finds the service of a server whose power is not as the service wants it.
func (r *Reconciler) unlike(s *fleet.Server) (svc *order.Service, rule, action string) {
	if s.Claim.Kind != fleet.ClaimClient || s.Operation != "" || s.Maintenance != nil || s.Unsettled() != "" || s.Approval != fleet.Approved {
		return nil, "", ""
	}
	svc, ok := store.Services.View(r.store, s.Claim.Ref)
	if !ok || svc.Server != s.ID {
		return nil, "", ""
	}
	seen, ok := store.Observations.View(r.store, s.ID)
	if !ok || !seen.PowerAt.After(svc.ChangedAt) || s.Last != nil && !seen.PowerAt.After(s.Last.At) {
		return nil, "", ""
	}
	want, rule := order.PowerWanted(svc)
	switch {
	case want == outofband.On && seen.Power == outofband.Off:
		return svc, rule, operation.PowerOn
	case want == outofband.Off && seen.Power == outofband.On:
		return svc, rule, operation.PowerOff
	}
	return nil, "", ""
}

func (r *Reconciler) switchPower(tx *store.Tx, serverID, serviceID, rule, action string, now time.Time) error {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return err
	}
	svc, err := store.Services.Get(tx, serviceID)
	if err != nil {
		return err
	}
	if want, _ := order.PowerWanted(&svc); s.Operation != "" || s.Claim.Ref != svc.ID || want != map[string]string{operation.PowerOn: outofband.On, operation.PowerOff: outofband.Off}[action] {
		return nil // it changed meanwhile; its change is looked at
	}
	before := s
	op, err := intake.Begin(tx, &s, id.At("opn", now), operation.Power, operation.Params{Action: action, Cause: rule}, 0, now)
	if err != nil {
		return err
	}
	s.PowerTries = fleet.Tried(s.PowerTries, now)
	op.Service, op.Order, op.RequestedBy = svc.ID, svc.Order, access.System.Name
	return cmp.Or(store.Servers.Put(tx, s.ID, s), store.Operations.Create(tx, op.ID, op),
		intake.Audit(tx, access.System, "operation.power", "servers/"+s.ID, before, s, "rule "+rule, now))
}

func flapKey(server string) string { return "power/" + server }

// flaps tells a person that switching does not help.
func (r *Reconciler) flaps(ctx context.Context, s *fleet.Server, again time.Time) error {
	if r.open(flapKey(s.ID)) {
		return nil
	}
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		k := task.New(id.At("tsk", now), "operations", task.Failure, flapKey(s.ID), "Server "+s.Name+" does not keep its power state",
			"It was switched several times within hours and changed back each time. It is tried again at "+again.Format(time.RFC3339)+
				". Look at its power supplies and the event log of its management controller; put it into maintenance while you work on it.", now)
		k.Server = s.ID
		if s.Claim.Kind == fleet.ClaimClient {
			k.Service = s.Claim.Ref
		}
		return intake.FileTask(tx, k)
	})
}

// steady closes that task when the server kept its state until it would have been tried again.
func (r *Reconciler) steady(ctx context.Context, s *fleet.Server) error {
	if !r.open(flapKey(s.ID)) || s.Operation != "" {
		return nil
	}
	now := r.now()
	if at, flaps := fleet.NextTry(s.PowerTries, now); flaps && at.After(now) {
		r.queue.addAt(store.Servers.Name()+"/"+s.ID, at)
		return nil
	}
	return r.change(ctx, func(tx *store.Tx) error {
		return intake.CloseTask(tx, flapKey(s.ID), access.System.Name, "it keeps its power state", now)
	})
}

// pacer gives each location its turns.
type pacer struct {
	mu   sync.Mutex
	next map[string]time.Time // when the bucket of a location is full again
}

// slot is now when a turn is free, and takes it; else when to ask again.
func (p *pacer) slot(location string, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := p.next[location]
	if full.Before(now) {
		full = now
	}
	if at := full.Add(-(powerBurst - 1) * powerEvery); at.After(now) {
		return at
	}
	p.next[location] = full.Add(powerEvery)
	return now
}
