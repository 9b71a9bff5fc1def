package reconcile

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// installed ends the preparation of an order's server: only now, and only when it
// went well, the service becomes active (rule B1).
func (t *turn) installed(op operation.Operation) error {
	o, err := store.Orders.Get(t.tx, op.Order)
	if err != nil {
		return err
	}
	if o.State == order.Canceled {
		t.server = t.server.Released(t.now)
		_, err := intake.RemoveAddresses(t.tx, t.server.ID, access.System, "the order was canceled", t.now)
		return cmp.Or(err, t.withdrawn(op))
	}
	if op.State != operation.Done {
		return t.notInstalled(op, o)
	}
	svc, err := store.Services.Get(t.tx, op.Service)
	if err != nil {
		return err
	}
	before := svc
	svc.State, svc.Message, svc.ActiveAt, svc.ChangedAt = order.ServiceActive, "active", t.now, t.now
	o.State, o.Message, o.ChangedAt = order.Fulfilled, "the service is active", t.now
	return cmp.Or(store.Orders.Put(t.tx, o.ID, o), store.Services.Put(t.tx, svc.ID, svc),
		intake.CloseTask(t.tx, order.FailureKey(o.ID), access.System.Name, "the service is active", t.now),
		intake.Audit(t.tx, access.System, "service.active", "services/"+svc.ID, before, svc, "", t.now))
}

// withdrawn ends a service whose delete was given up while it was still being prepared.
func (t *turn) withdrawn(op operation.Operation) error {
	svc, err := store.Services.Get(t.tx, op.Service)
	if err != nil || svc.State == order.ServiceCanceled || svc.State == order.ServiceDeleted {
		return err
	}
	before := svc
	svc.State, svc.Message, svc.ChangedAt, svc.Operation = order.ServiceCanceled, "canceled before it was active", t.now, ""
	return cmp.Or(store.Services.Put(t.tx, svc.ID, svc),
		intake.Audit(t.tx, access.System, "service.canceled", "services/"+svc.ID, before, svc, "", t.now))
}

// notInstalled keeps the server for the order until a person decides: its disks
// may hold the customer's data already.
func (t *turn) notInstalled(op operation.Operation, o order.Order) error {
	o.State, o.ChangedAt = order.Failed, t.now
	o.Message = "preparation " + op.State + ": " + op.Message
	return cmp.Or(store.Orders.Put(t.tx, o.ID, o),
		t.trouble(op, "Preparing server "+t.server.Name+" for order "+o.ID+" "+op.State,
			op.Message+". The server stays with the order. Cancel the order to release it; its disks are then erased."))
}

// needsAttention marks the service of an operation (rule B43).
func (t *turn) needsAttention(op operation.Operation) error {
	if op.Service == "" {
		return nil
	}
	svc, err := store.Services.Get(t.tx, op.Service)
	if err != nil || svc.State == order.ServiceCanceled || svc.State == order.ServiceDeleted || svc.State == order.ServiceNeedsAttention {
		return err
	}
	svc.State, svc.Message, svc.ChangedAt = order.ServiceNeedsAttention, op.Message, t.now
	return store.Services.Put(t.tx, svc.ID, svc)
}

// served is what the end of an operation means to its service.
func (t *turn) served(op operation.Operation) error {
	svc, err := store.Services.Get(t.tx, op.Service)
	if err != nil {
		return err
	}
	before := svc
	if svc.Operation == op.ID {
		svc.Operation = ""
	}
	if op.State == operation.Done {
		t.succeed(&svc, op)
	} else if op.Kind != operation.Power && svc.State != order.ServiceDeleted {
		svc.State, svc.Message = order.ServiceNeedsAttention, "the "+op.Kind+" was "+op.State+": "+op.Message+". Ask for stop, resume or delete again"
	}
	if svc == before {
		return t.unserved(op)
	}
	svc.ChangedAt = t.now
	return cmp.Or(store.Services.Put(t.tx, svc.ID, svc),
		intake.Audit(t.tx, access.System, "service."+svc.State, "services/"+svc.ID, before, svc, "", t.now), t.unserved(op))
}

func (t *turn) succeed(svc *order.Service, op operation.Operation) {
	switch op.Kind {
	case operation.Stop:
		svc.State, svc.Message = order.ServiceStopped, "stopped: its switch ports are shut"
	case operation.Resume:
		svc.State, svc.Message, svc.PowerOff = order.ServiceActive, "active", false
	case operation.Rescue:
		svc.State, svc.Message = order.ServiceRescue, rescueWords(op)
	case operation.Delete:
		svc.Message = "deleted; server " + t.server.Name + " was cleaned"
	}
}

// rescueWords tell the customer how he gets in: what the agent answered to the rescue.
func rescueWords(op operation.Operation) string {
	for _, s := range op.Steps {
		if s.Command == protocol.CommandRescue && s.Detail != "" {
			return "in rescue: " + s.Detail
		}
	}
	return "in rescue"
}

// repaired ends the rescue of a service whose installed system reports: the customer, or somebody else, has started it.
func (r *Reconciler) repaired(ctx context.Context, s *fleet.Server) error {
	if svc, ok := store.Services.View(r.store, s.Claim.Ref); !ok || !atHome(s, svc) {
		return nil
	}
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, s.ID)
		if err != nil {
			return err
		}
		svc, ok, err := store.Services.Find(tx, s.Claim.Ref)
		if err != nil || !ok || !atHome(&s, &svc) {
			return err
		}
		before := svc
		svc.State, svc.Message, svc.ChangedAt = order.ServiceActive, "active: its own system was started, which ended the rescue", now
		return cmp.Or(store.Services.Put(tx, svc.ID, svc),
			intake.Audit(tx, access.System, "service."+svc.State, "services/"+svc.ID, before, svc, "", now))
	})
}

// atHome reports whether a service that is in rescue has its own system back.
func atHome(s *fleet.Server, svc *order.Service) bool {
	return s.Claim.Kind == fleet.ClaimClient && s.Operation == "" && s.Environment == protocol.EnvInstalled && svc.State == order.ServiceRescue && svc.Server == s.ID
}

// unserved files the task of an operation that failed for good.
func (t *turn) unserved(op operation.Operation) error {
	if op.State != operation.Failed {
		return nil
	}
	department := op.Department
	if department == "" {
		department = "operations"
	}
	k := task.New(id.At("tsk", t.now), department, task.Failure, troubleKey(op), "Operation "+op.ID+" ("+op.Kind+") on server "+t.server.Name+" failed",
		op.Message+". Ask for it again when the cause is gone.", t.now)
	k.Server, k.Operation, k.Order, k.Service = op.Server, op.ID, op.Order, op.Service
	return intake.FileTask(t.tx, k)
}
