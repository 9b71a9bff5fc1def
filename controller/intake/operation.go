package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// OperationWish asks for an operation on a server, outside of any order.
type OperationWish struct {
	Server string           `json:"server"`
	Kind   string           `json:"kind"`
	Params operation.Params `json:"params"`
}

// RequestOperation starts an operation for a person, with the fleet's own time
// limits (rule B16). At most one runs on a server (X4).
func (in *Intake) RequestOperation(ctx context.Context, actor access.Actor, w OperationWish, extra func(tx *store.Tx, op operation.Operation) error) (operation.Operation, error) {
	now := in.now()
	opID := id.New("opn")
	var op operation.Operation
	err := in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, w.Server)
		if err != nil {
			return err
		}
		if err := mayOperate(&s, w.Kind); err != nil {
			return err
		}
		before := s
		op, err = Begin(tx, &s, opID, w.Kind, w.Params, 0, now)
		if err != nil {
			return err
		}
		op.RequestedBy = actor.Name
		if err := cmp.Or(store.Operations.Create(tx, op.ID, op), store.Servers.Put(tx, s.ID, s),
			audit(tx, actor, "operation."+w.Kind, "servers/"+s.ID, before, s, "", now)); err != nil {
			return err
		}
		if extra != nil {
			return extra(tx, op)
		}
		return nil
	})
	return op, err
}

// running refuses what has to wait for the operation that runs on a server; called is how the caller names it.
func running(s *fleet.Server, called string) error {
	return fault.Refused("operation %s is running on server %s; wait for it or cancel it", s.Operation, called)
}

func mayOperate(s *fleet.Server, kind string) error {
	switch {
	case s.Approval != fleet.Approved:
		return fault.Refused("server %s is %s; approve it first", s.ID, s.Approval)
	case s.Operation != "":
		return running(s, s.ID)
	case kind == operation.Stop, kind == operation.Resume, kind == operation.Rescue, kind == operation.Delete:
		return fault.Refused("a %s belongs to a service; ask for it there", kind)
	case kind == operation.MoveContent:
		return fault.Refused("content moves to another server; say to which: steelyard server move-content %s --to SERVER", s.Name)
	case kind == operation.Inspect:
		return mayInspect(s)
	case s.Environment == protocol.EnvRescue && kind == operation.Diagnose:
		return fault.Refused("server %s is in rescue, and its customer at its disks; end that first: steelyard service rescue %s --end", s.ID, s.Claim.Ref)
	case kind == operation.Diagnose:
		return nil
	case kind == operation.Power && s.Claim.Kind == fleet.ClaimClient && s.Maintenance == nil:
		return fault.Refused("server %s belongs to service %s, which wants it as it is: use steelyard service power, or begin maintenance first", s.ID, s.Claim.Ref)
	case kind == operation.Power:
		return nil
	case s.Unsettled() != "":
		return fault.Refused("server %s is not settled: %s", s.ID, s.Unsettled())
	case s.Node != nil:
		return fault.Refused("server %s is a hosting node, which keeps its system between two owners; end that first: steelyard server end-node %s", s.ID, s.Name)
	case s.Claim.Kind != fleet.ClaimNone && s.Claim.Kind != "":
		return fault.Refused("server %s %s; its disks may not be touched", s.ID, taken(s.Claim))
	}
	return nil
}

// Begin makes the record of a new operation on s, and raises its epoch so that
// commands of anything before are refused (rule X5). The caller stores both.
// allowed 0 takes the fleet's own limit.
func Begin(tx *store.Tx, s *fleet.Server, opID, kind string, p operation.Params, allowed time.Duration, now time.Time) (operation.Operation, error) {
	f, known, err := store.Facts.Find(tx, s.ID)
	if err != nil {
		return operation.Operation{}, err
	}
	if !known && (kind == operation.Erase || kind == operation.Install) {
		return operation.Operation{}, fault.Refused("server %s never reported its hardware", s.ID)
	}
	if kind == operation.Erase || kind == operation.Install {
		if err := unused(tx, s); err != nil {
			return operation.Operation{}, err
		}
	}
	bmc, _, err := store.BMCs.Find(tx, s.ID)
	if err != nil {
		return operation.Operation{}, err
	}
	p.Driver, p.Capable = bmc.Driver, s.ParkedAt.IsZero()
	p.Virtual = s.Environment == protocol.EnvSimulated || s.Environment == protocol.EnvSandbox
	switch kind {
	case operation.Power:
		if err := checkPower(p); err != nil {
			return operation.Operation{}, err
		}
	case operation.Stop, operation.Resume, operation.Rescue, operation.MoveContent:
	case operation.Delete:
		allowed = 24 * time.Hour // until the disks are known that are to be erased then
		if known {
			allowed = operation.EraseAllowed(allDisks(&f.Inventory))
		}
	case operation.Inspect:
		if allowed == 0 {
			allowed = operation.InspectAllowed
		}
	case operation.Diagnose:
		if allowed == 0 {
			allowed = max(operation.DiagnoseAllowed, protocol.DiagnoseTakes(p.Profile))
		}
	case operation.Erase:
		if p.Disks, err = fleet.EraseRefs(s, &f.Inventory); err != nil {
			return operation.Operation{}, err
		}
		allowed = operation.EraseAllowed(p.Disks)
	case operation.Install:
		img, err := store.Images.Get(tx, p.Image)
		if err != nil {
			return operation.Operation{}, err
		}
		if p.Disk, err = fleet.InstallTarget(s.Environment, &f.Inventory, img.RawBytes); err != nil {
			return operation.Operation{}, err
		}
		if allowed == 0 {
			allowed = operation.InstallAllowed
		}
	default:
		var c fault.Check
		c.Add("kind", "is %q; use diagnose, erase, install, power or inspect", kind)
		return operation.Operation{}, c.Err("the operation cannot be started")
	}
	replaces := s.Operation != ""
	if !replaces {
		s.Epoch++
	} // else the epoch is raised when nothing of the operation before has its hands on a device any more
	s.Operation = opID
	op := operation.New(opID, kind, s.ID, s.Epoch, allowed, p, now)
	if replaces {
		op.Epoch = 0
	}
	if operation.Wakes(op) {
		s.ParkedAt = time.Time{}
	}
	return op, nil
}

// allDisks are the largest that an erase could have to cover.
func allDisks(inv *hardware.Inventory) (refs []protocol.DiskRef) {
	for _, d := range inv.Disks {
		refs = append(refs, fleet.Ref(d))
	}
	return refs
}

func checkPower(p operation.Params) error {
	var c fault.Check
	switch p.Action {
	case operation.PowerOn, operation.PowerOff, operation.PowerHardOff, operation.PowerCycle, operation.PowerBootRAM:
	default:
		c.Add("action", "is %q; use on, off, hard-off, cycle or boot-ram", p.Action)
	}
	return c.Err("the server cannot be switched")
}

// CancelOperation asks to end an operation.
func (in *Intake) CancelOperation(ctx context.Context, actor access.Actor, opID, reason string) (operation.Operation, error) {
	return in.decide(ctx, actor, "operation.cancel", opID, reason, operation.Cancel)
}

// RetryOperation lets a held operation try again.
func (in *Intake) RetryOperation(ctx context.Context, actor access.Actor, opID, reason string) (operation.Operation, error) {
	return in.decide(ctx, actor, "operation.retry", opID, reason, operation.Retry)
}

// SkipStep lets a held operation go on without its failed step.
func (in *Intake) SkipStep(ctx context.Context, actor access.Actor, opID, reason string) (operation.Operation, error) {
	return in.decide(ctx, actor, "operation.skip", opID, reason, operation.Skip)
}

func (in *Intake) decide(ctx context.Context, actor access.Actor, action, opID, reason string,
	f func(operation.Operation, operation.Ask) (operation.Operation, error),
) (operation.Operation, error) {
	now := in.now()
	var op operation.Operation
	err := in.change(ctx, func(tx *store.Tx) error {
		before, err := store.Operations.Get(tx, opID)
		if err != nil {
			return err
		}
		if op, err = f(before, operation.Ask{Reason: reason, Actor: actor.Name, At: now}); err != nil {
			return err
		}
		return cmp.Or(store.Operations.Put(tx, opID, op),
			audit(tx, actor, action, "operations/"+opID, before, op, reason, now))
	})
	return op, err
}
