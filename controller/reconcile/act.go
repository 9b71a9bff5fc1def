package reconcile

import (
	"cmp"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// act does a step that is the controller's own, in the commit that records it.
func (t *turn) act(op operation.Operation) error {
	if err := t.raise(&op); err != nil {
		return err
	}
	switch op.Steps[op.Current].Command {
	case operation.ActStopRunning:
		// What is left of it, in an agent that is away or on its way here, is of an older epoch now.
		t.server.Epoch++
		op.Epoch = t.server.Epoch
		return t.keep(op)
	case operation.ActRemoveAddresses:
		removed, err := intake.RemoveAddresses(t.tx, t.server.ID, access.System, "rule B36", t.now)
		if err != nil {
			return err
		}
		op.Steps[op.Current].Detail = "removed " + strings.Join(removed, ", ")
		if len(removed) == 0 {
			op.Steps[op.Current].Detail = "it had none"
		}
		return t.keep(op)
	case operation.ActRemoveOwner:
		return t.removeOwner(op)
	case operation.ActMovePlacements:
		return t.movePlacements(op)
	}
	return store.Operations.Put(t.tx, op.ID, op)
}

// raise gives an operation that replaced another its epoch, when nothing of that one is at a
// device any more: from here on everything before is refused (rule X5).
func (t *turn) raise(op *operation.Operation) error {
	if op.Epoch != 0 {
		return nil
	}
	t.server.Epoch++
	op.Epoch = t.server.Epoch
	return store.Servers.Put(t.tx, t.server.ID, t.server)
}

func (t *turn) keep(op operation.Operation) error {
	return cmp.Or(store.Servers.Put(t.tx, t.server.ID, t.server), store.Operations.Put(t.tx, op.ID, op))
}

// removeOwner ends the customer's claim (rule B37). From here on the service is gone, and the
// server is nobody's; it is not available before its disks are proven erased (B41).
func (t *turn) removeOwner(op operation.Operation) error {
	before := t.server
	t.server = t.server.Released(t.now).Soiled(t.now)
	op.Epoch = t.server.Epoch
	err := cmp.Or(t.keep(op), intake.Audit(t.tx, access.System, "server.release", "servers/"+t.server.ID, before, t.server, "rule B37", t.now))
	if err != nil || op.Service == "" {
		return err
	}
	svc, err := store.Services.Get(t.tx, op.Service)
	if err != nil {
		return err
	}
	was := svc
	svc.State, svc.Message, svc.ChangedAt, svc.PowerOff = order.ServiceDeleted, "deleted; server "+t.server.Name+" is being cleaned", t.now, false
	return cmp.Or(store.Services.Put(t.tx, svc.ID, svc),
		intake.Audit(t.tx, access.System, "service.deleted", "services/"+svc.ID, was, svc, "", t.now))
}

// oust asks the operation that this one replaces to end (rule B35).
func (t *turn) oust(op operation.Operation) error {
	old, err := operation.Cancel(*t.replaced, operation.Ask{Reason: "operation " + op.ID + " takes the server back", Actor: op.RequestedBy, At: t.now})
	if err != nil {
		return err
	}
	return cmp.Or(store.Operations.Put(t.tx, old.ID, old), store.Operations.Put(t.tx, op.ID, op))
}

// handBack gives the server to the operation that this one should have stopped and did not come to:
// it ends first, in its own way.
func (t *turn) handBack(op operation.Operation) error {
	if t.replaced == nil || operation.Final(t.replaced.State) || t.server.Operation != "" {
		return nil
	}
	old := *t.replaced
	old.ReplacedBy, old.Epoch = "", t.server.Epoch
	t.server.Operation = old.ID
	if old.CancelAsked == nil {
		old.CancelAsked = &operation.Ask{Reason: "operation " + op.ID + " was to replace it and was " + op.State, Actor: access.System.Name, At: t.now}
	}
	return store.Operations.Put(t.tx, old.ID, old)
}

// disks names what an erase must cover as it is known now: the permit of a delete is made
// long after the delete was asked for, and the customer may have changed disks. An erase covers the disks that it was asked
// for, with what they have given back of their ends meanwhile.
func (t *turn) disks(op *operation.Operation) error {
	f, err := store.Facts.Get(t.tx, op.Server)
	if err != nil {
		return err
	}
	if op.Kind != operation.Delete {
		op.Params.Disks = fleet.Grown(op.Params.Disks, &f.Inventory)
		return nil
	}
	s := t.server
	if p, ok := store.Presences.View(t.r.store, op.Server); ok {
		s.Environment = p.Environment
	}
	refs, err := fleet.EraseRefs(&s, &f.Inventory)
	if err != nil {
		return err
	}
	if len(op.Params.Disks) > 0 { // an erase was begun: what came since was never in the customer's server
		if fresh := fleet.Beyond(op.Params.Disks, refs); len(fresh) > 0 {
			return fault.Refused("disk %s (serial %q) came into server %s while it was being erased; find out whose it is. Take it out and retry; or, if it belongs there, cancel and put the server into service again, which erases all its disks", fresh[0].Name, fresh[0].Serial, t.server.Name)
		}
	}
	op.Params.Disks = refs
	step := &op.Steps[op.Current]
	step.Allowed = operation.EraseAllowed(op.Params.Disks)
	step.Deadline = t.now.Add(step.Allowed)
	if op.Deadline.Before(step.Deadline) {
		op.Deadline = step.Deadline
	}
	return nil
}

// foreign refuses disks that the records know in another server too: somebody swapped disks between servers, or one machine is known
// twice. What is on them may be another customer's (rule B44). Names of simulated disks and loop files repeat.
func (t *turn) foreign(refs []protocol.DiskRef) error {
	if t.server.Environment != protocol.EnvRAM && t.server.Environment != protocol.EnvInstalled {
		return nil
	}
	for i := range store.Facts.Items(t.r.store.Snapshot()) {
		d, holds := fleet.Holds(&i.Value.Inventory, refs)
		if !holds || i.ID == t.server.ID {
			continue
		}
		other, ok := store.Servers.View(t.r.store, i.ID)
		if !ok || other.Approval == fleet.Retired || other.Environment == protocol.EnvSimulated || other.Environment == protocol.EnvSandbox {
			continue
		}
		return fault.Refused("disk %s (serial %q) is known in server %s (%s) too; nothing is written to it here. Put it back; or, if it was moved for good, start that server, so that it reports what it has now, or retire it",
			d.Name, d.Serial, other.Name, other.ID)
	}
	return nil
}

// park notes that a server without an owner was switched off on purpose: that its agent is away
// is no error then (rules B21, B23; A6).
func (t *turn) park(op operation.Operation) {
	if t.server.Claim.Kind != fleet.ClaimNone && t.server.Claim.Kind != "" || op.State != operation.Done {
		return
	}
	for _, s := range op.Steps {
		if s.Command == operation.CommandPowerOff && s.State == operation.StepDone {
			t.server.ParkedAt = t.now
		}
	}
}
