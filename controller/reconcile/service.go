package reconcile

import (
	"cmp"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
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
		return nil
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
	if err != nil || svc.State == order.ServiceCanceled || svc.State == order.ServiceNeedsAttention {
		return err
	}
	svc.State, svc.Message, svc.ChangedAt = order.ServiceNeedsAttention, op.Message, t.now
	return store.Services.Put(t.tx, svc.ID, svc)
}
