package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// StopService shuts the switch ports of a service's server (rule B31). Without ports it
// is refused, and the service stays as it is (B32). A service that is stopped, or
// is being stopped, is left alone.
func (in *Intake) StopService(ctx context.Context, actor access.Actor, serviceID, reason string) (order.Service, error) {
	if in.far(serviceID) {
		return in.wishRemote(ctx, actor, serviceID, order.WishStop, "", reason)
	}
	return in.move(ctx, actor, serviceID, reason, func(w *wish) error {
		switch w.svc.State {
		case order.ServiceStopped, order.ServiceStopping:
			return errThere
		}
		if err := cmp.Or(w.lives("stopped"), w.idle()); err != nil {
			return err
		}
		wiring, _, err := store.Wirings.Find(w.tx, w.server.ID)
		if err != nil {
			return err
		}
		if len(wiring.Ports) == 0 {
			return fault.Refused("service %s cannot be stopped: server %s has no switch ports; configure them first: steelyard server ports %s", w.svc.ID, w.server.Name, w.server.ID)
		}
		return w.begin(operation.Stop, operation.Params{}, order.ServiceStopping, "its switch ports are being shut")
	})
}

// ResumeService enables the ports and turns the server on (rule B32a).
func (in *Intake) ResumeService(ctx context.Context, actor access.Actor, serviceID, reason string) (order.Service, error) {
	if in.far(serviceID) {
		return in.wishRemote(ctx, actor, serviceID, order.WishResume, "", reason)
	}
	return in.move(ctx, actor, serviceID, reason, func(w *wish) error {
		switch w.svc.State {
		case order.ServiceActive, order.ServiceResuming:
			return errThere
		}
		if err := cmp.Or(w.lives("resumed"), w.idle()); err != nil {
			return err
		}
		return w.resume("its switch ports are being enabled")
	})
}

// RescueService starts a service's server from memory and lets its customer in by SSH, with the keys of his order, to repair his system. His disks
// are his own meanwhile: nothing of ours touches them.
func (in *Intake) RescueService(ctx context.Context, actor access.Actor, serviceID, reason string) (order.Service, error) {
	if in.far(serviceID) {
		return in.wishRemote(ctx, actor, serviceID, order.WishRescue, "", reason)
	}
	return in.move(ctx, actor, serviceID, reason, func(w *wish) error {
		switch w.svc.State {
		case order.ServiceRescue, order.ServiceRescuing:
			return errThere
		case order.ServiceActive:
		default:
			return fault.Refused("service %s is %s; only an active one is rescued", w.svc.ID, w.svc.State)
		}
		if err := cmp.Or(w.owned(), w.idle()); err != nil {
			return err
		}
		if w.server.Environment == protocol.EnvSimulated || w.server.Environment == protocol.EnvSandbox {
			return fault.Refused("server %s is of environment %s; there is no machine that could be started from memory", w.server.ID, w.server.Environment)
		}
		keys, err := w.keys()
		if err != nil {
			return err
		}
		w.svc.PowerOff, w.server.PowerTries = false, nil
		return w.begin(operation.Rescue, operation.Params{SSHKeys: keys}, order.ServiceRescuing, "its server is being started from memory")
	})
}

// keys are those of the order, which are let in.
func (w *wish) keys() ([]string, error) {
	o, _, err := store.Orders.Find(w.tx, w.svc.Order)
	if err != nil {
		return nil, err
	}
	var c fault.Check
	c.Require(len(o.SSHKeys) > 0, "ssh_keys", "of order %s are none; a rescue lets in the holders of the order's keys only", w.svc.Order)
	return o.SSHKeys, c.Err("service %s cannot be rescued", w.svc.ID)
}

// EndRescue starts the server of a service from its disk again.
func (in *Intake) EndRescue(ctx context.Context, actor access.Actor, serviceID, reason string) (order.Service, error) {
	if in.far(serviceID) {
		return in.wishRemote(ctx, actor, serviceID, order.WishEndRescue, "", reason)
	}
	return in.move(ctx, actor, serviceID, reason, func(w *wish) error {
		switch {
		case w.svc.State == order.ServiceActive, w.svc.State == order.ServiceResuming:
			return errThere
		case !w.rescued():
			return fault.Refused("service %s is %s; there is no rescue to end", w.svc.ID, w.svc.State)
		}
		if err := cmp.Or(w.lives("resumed"), w.idle()); err != nil {
			return err
		}
		return w.resume("its server is being started from its disk")
	})
}

// rescued reports whether a rescue was the last that happened to the server, well or not.
func (w *wish) rescued() bool {
	last := w.server.Last
	return w.svc.State == order.ServiceRescue || w.svc.State == order.ServiceNeedsAttention && last != nil && last.Kind == operation.Rescue
}

func (w *wish) resume(message string) error {
	return w.begin(operation.Resume, operation.Params{FromDisk: w.rescued()}, order.ServiceResuming, message)
}

// DeleteService takes the server back (rules B33–B42). It may be asked for again at any time, and
// takes the server over from whatever runs on it.
func (in *Intake) DeleteService(ctx context.Context, actor access.Actor, serviceID, reason string) (order.Service, error) {
	if in.far(serviceID) {
		return in.wishRemote(ctx, actor, serviceID, order.WishDelete, "", reason)
	}
	return in.move(ctx, actor, serviceID, reason, func(w *wish) error {
		switch w.svc.State {
		case order.ServiceDeleted, order.ServiceDeleting, order.ServiceCanceled:
			return errThere
		}
		if w.svc.Server == "" {
			return fault.Refused("service %s has no server yet; cancel its order %s instead", w.svc.ID, w.svc.Order)
		}
		if err := w.owned(); err != nil {
			return err
		}
		again, err := w.deleteAgain()
		if err != nil || again {
			return err
		}
		if err := cmp.Or(w.replace(), w.endOrder()); err != nil {
			return err
		}
		return w.begin(operation.Delete, operation.Params{}, order.ServiceDeleting, "it is being deleted")
	})
}

// PowerService switches a service's server for its customer. A customer who switches it off is
// respected until he turns it on again (A17).
func (in *Intake) PowerService(ctx context.Context, actor access.Actor, serviceID, action, reason string) (order.Service, error) {
	if in.far(serviceID) {
		return in.wishRemote(ctx, actor, serviceID, order.WishPower, action, reason)
	}
	return in.move(ctx, actor, serviceID, reason, func(w *wish) error {
		if action == operation.PowerBootRAM {
			return fault.Refused("a customer's server is not booted into the RAM environment; use on, off, hard-off or cycle")
		}
		if err := checkPower(operation.Params{Action: action}); err != nil {
			return err
		}
		if w.svc.State != order.ServiceActive {
			return fault.Refused("service %s is %s; only an active one is switched on and off", w.svc.ID, w.svc.State)
		}
		if err := cmp.Or(w.owned(), w.idle()); err != nil {
			return err
		}
		w.svc.PowerOff = action == operation.PowerOff || action == operation.PowerHardOff
		w.server.PowerTries = nil
		return w.begin(operation.Power, operation.Params{Action: action}, order.ServiceActive, "power: "+action)
	})
}

// wish is one commit's view of a wish about a service.
type wish struct {
	tx          *store.Tx
	actor       access.Actor
	reason      string
	now         time.Time
	opID        string
	svc         order.Service
	server, was fleet.Server
	op          operation.Operation
	replaces    string
}

var errThere = fault.Conflict("it is so already")

// move commits a wish about a service. One that is fulfilled already changes nothing and is no error.
func (in *Intake) move(ctx context.Context, actor access.Actor, serviceID, reason string, f func(*wish) error) (svc order.Service, err error) {
	now, opID := in.now(), id.New("opn")
	err = in.change(ctx, func(tx *store.Tx) error {
		w := &wish{tx: tx, actor: actor, reason: reason, now: now, opID: opID}
		var err error
		if w.svc, err = store.Services.Get(tx, serviceID); err != nil {
			return err
		}
		before := w.svc
		if w.svc.Server != "" {
			if w.server, err = store.Servers.Get(tx, w.svc.Server); err != nil {
				return err
			}
			w.was = w.server
		}
		svc = w.svc
		if err := f(w); err != nil {
			if err == errThere {
				return nil
			}
			return err
		}
		svc = w.svc
		return cmp.Or(store.Services.Put(tx, svc.ID, svc), store.Servers.Put(tx, w.server.ID, w.server), store.Operations.Put(tx, w.op.ID, w.op),
			audit(tx, actor, "service."+w.op.Kind, "services/"+svc.ID, before, svc, reason, now),
			audit(tx, actor, "operation."+w.op.Kind, "servers/"+w.server.ID, w.was, w.server, reason, now))
	})
	return svc, err
}

// lives refuses what only a service that was active once can have.
func (w *wish) lives(done string) error {
	switch w.svc.State {
	case order.ServiceActive, order.ServiceStopped, order.ServiceRescue, order.ServiceNeedsAttention:
	default:
		return fault.Refused("service %s is %s; it cannot be %s now", w.svc.ID, w.svc.State, done)
	}
	if w.svc.ActiveAt.IsZero() {
		return fault.Refused("service %s was never active; it cannot be %s", w.svc.ID, done)
	}
	return w.owned()
}

// owned makes sure that the server is still the service's.
func (w *wish) owned() error {
	if w.server.Claim.Kind != fleet.ClaimClient || w.server.Claim.Ref != w.svc.ID {
		return fault.Refused("server %s is not service %s's any more; nothing can be done to it for this service", w.server.ID, w.svc.ID)
	}
	return nil
}

// idle refuses while something runs on the server, but for what the rules of power began by themselves (B28, B29):
// that ends for what a person wants.
func (w *wish) idle() error {
	if w.server.Operation == "" {
		return nil
	}
	old, ok, err := store.Operations.Find(w.tx, w.server.Operation)
	switch {
	case err != nil:
		return err
	case ok && old.Kind == operation.Power && old.Params.Cause != "":
		return w.replace()
	}
	return running(&w.server, w.server.ID)
}

// deleteAgain lets a delete go on that waits for a person (rule B42).
func (w *wish) deleteAgain() (bool, error) {
	op, ok, err := store.Operations.Find(w.tx, w.server.Operation)
	if err != nil || !ok || op.Kind != operation.Delete || operation.Final(op.State) {
		return false, err
	}
	w.op = op
	if op.State == operation.Held {
		if w.op, err = operation.Retry(op, operation.Ask{Reason: w.reason, Actor: w.actor.Name, At: w.now}); err != nil {
			return false, err
		}
	}
	w.svc.State, w.svc.Message, w.svc.Operation, w.svc.ChangedAt = order.ServiceDeleting, "it is being deleted", op.ID, w.now
	return true, nil
}

// replace notes that a running operation is to be stopped by this one, in its turn (rule B35).
// Until then it starts nothing new.
func (w *wish) replace() error {
	if w.server.Operation == "" {
		return nil
	}
	old, ok, err := store.Operations.Find(w.tx, w.server.Operation)
	if err != nil || !ok || operation.Final(old.State) {
		return err
	}
	old.ReplacedBy = w.opID
	w.replaces = old.ID
	return cmp.Or(w.recall(old), store.Operations.Put(w.tx, old.ID, old))
}

// recall stops what a hand other than the agent is doing for the old operation: two hands on one
// device would leave nobody knows what.
func (w *wish) recall(old operation.Operation) error {
	if old.Current >= len(old.Steps) || old.Steps[old.Current].Hand == operation.HandAgent {
		return nil
	}
	key := store.CommandKey(old.Server, old.Steps[old.Current].CommandID)
	cmd, ok, err := store.Commands.Find(w.tx, key)
	if err != nil || !ok || cmd.Cancel != nil {
		return err
	}
	cmd.Cancel = &operation.Ask{Reason: "operation " + w.opID + " takes the server", Actor: w.actor.Name, At: w.now}
	return store.Commands.Put(w.tx, key, cmd)
}

// endOrder ends an order that was not fulfilled before its service is deleted.
func (w *wish) endOrder() error {
	o, ok, err := store.Orders.Find(w.tx, w.svc.Order)
	if err != nil || !ok || o.State == order.Fulfilled || o.State == order.Canceled {
		return err
	}
	before := o
	o.State, o.Message, o.ChangedAt = order.Canceled, "its service is deleted", w.now
	return cmp.Or(store.Orders.Put(w.tx, o.ID, o), audit(w.tx, w.actor, "order.cancel", "orders/"+o.ID, before, o, w.reason, w.now),
		CloseTask(w.tx, order.BuildKey(o.ID), access.System.Name, "the service is deleted", w.now),
		CloseTask(w.tx, order.FailureKey(o.ID), access.System.Name, "the service is deleted", w.now))
}

func (w *wish) begin(kind string, p operation.Params, state, message string) error {
	op, err := Begin(w.tx, &w.server, w.opID, kind, p, 0, w.now)
	if err != nil {
		return err
	}
	op.Service, op.Order, op.RequestedBy = w.svc.ID, w.svc.Order, w.actor.Name
	if w.replaces != "" {
		op = operation.Taking(op, w.replaces)
	}
	m, err := moduleOf(w.tx, w.svc.Order)
	if err != nil {
		return err
	}
	op.Department = m.Department
	if m.DiagTimeout > 0 {
		op = operation.Bound(op, protocol.CommandDiagnose, time.Duration(m.DiagTimeout)*time.Minute)
	}
	w.op = op
	w.svc.State, w.svc.Message, w.svc.Operation, w.svc.ChangedAt = state, message, op.ID, w.now
	return nil
}

// moduleOf is the module which served an order; empty when it is not known any more.
func moduleOf(tx *store.Tx, orderID string) (m order.Module, err error) {
	o, ok, err := store.Orders.Find(tx, orderID)
	if err != nil || !ok || o.Module == "" {
		return m, err
	}
	m, _, err = store.Modules.Find(tx, o.Module)
	if o.DiagTimeout > 0 {
		m.DiagTimeout = o.DiagTimeout
	}
	return m, err
}
