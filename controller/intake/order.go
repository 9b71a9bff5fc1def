package intake

import (
	"cmp"
	"context"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// OrderWish is what a customer asks for.
type OrderWish struct {
	Tariff   string   `json:"tariff"`
	Customer string   `json:"customer"`
	Image    string   `json:"image"`
	Hostname string   `json:"hostname"`
	SSHKeys  []string `json:"ssh_keys,omitempty"`
	// EmailConfirmed is said by the billing program; the setting of rule B5 may demand it.
	EmailConfirmed bool `json:"email_confirmed,omitempty"`
}

// PlaceOrder records an order and its service, bound to the tariff's present
// revision (rules B1, B12). Matching is reconcile's. extra is done in the same commit.
func (in *Intake) PlaceOrder(ctx context.Context, actor access.Actor, w OrderWish, extra func(tx *store.Tx, o order.Order) error) (order.Order, error) {
	now := in.now()
	orderID, serviceID := id.New("ord"), id.New("svc")
	var o order.Order
	err := in.change(ctx, func(tx *store.Tx) error {
		t, err := in.orderable(tx, &w)
		if err != nil {
			return err
		}
		o = order.Order{
			ID: orderID, Tariff: t.ID, TariffRevision: t.Revision, ServerType: t.ServerType, Configuration: t.Configuration,
			Modules: t.Modules, Customer: w.Customer, Image: w.Image, Hostname: w.Hostname, SSHKeys: w.SSHKeys,
			State: order.New, Message: "waiting to be matched", Service: serviceID, PlacedAt: now, PlacedBy: actor.Name, ChangedAt: now,
		}
		svc := order.Service{
			ID: serviceID, Order: orderID, Customer: w.Customer, Image: w.Image, Hostname: w.Hostname,
			State: order.ServiceOrdered, Message: "ordered", CreatedAt: now, ChangedAt: now,
		}
		if err := cmp.Or(store.Orders.Create(tx, o.ID, o), store.Services.Create(tx, svc.ID, svc),
			audit(tx, actor, "order.place", "orders/"+o.ID, nil, o, "", now)); err != nil {
			return err
		}
		if extra != nil {
			return extra(tx, o)
		}
		return nil
	})
	return o, err
}

// orderable checks a wish against tariff, image and settings, all fields at once.
func (in *Intake) orderable(tx *store.Tx, w *OrderWish) (order.Tariff, error) {
	var c fault.Check
	t, ok, err := store.Tariffs.Find(tx, w.Tariff)
	if err != nil {
		return t, err
	}
	switch {
	case !ok:
		c.Add("tariff", "%q does not exist; see: steelyard tariff list", w.Tariff)
	case t.Retired:
		c.Add("tariff", "%s is retired and takes no orders", t.Name)
	case len(t.Modules) == 0:
		c.Add("tariff", "%s has no processing module; add one: steelyard tariff edit", t.Name)
	}
	img, found, err := store.Images.Find(tx, w.Image)
	if err != nil {
		return t, err
	}
	switch {
	case !found:
		c.Add("image", "%q does not exist; see: steelyard image list", w.Image)
	case img.Retired:
		c.Add("image", "%s is retired", img.Name)
	case ok && len(t.Images) > 0 && !slices.Contains(t.Images, w.Image):
		c.Add("image", "%s is not offered with tariff %s", img.Name, t.Name)
	}
	c.Require(w.Customer != "" && len(w.Customer) <= 128, "customer", "is empty or longer than 128 bytes")
	order.CheckHostname(&c, "hostname", w.Hostname)
	order.CheckSSHKeys(&c, "ssh_keys", w.SSHKeys)
	settings, _, err := store.Settings.Find(tx, store.FleetSettings)
	if err != nil {
		return t, err
	}
	if settings.RequireConfirmedEmail && !w.EmailConfirmed {
		c.Add("email_confirmed", "is false; this fleet takes orders only after the customer confirmed the e-mail address")
	}
	return t, c.Err("the order cannot be placed")
}

// CancelOrder withdraws an order that is not fulfilled. A server that is being
// prepared is stopped, and given back by reconcile when it stopped.
func (in *Intake) CancelOrder(ctx context.Context, actor access.Actor, orderID, reason string) (order.Order, error) {
	now := in.now()
	var o order.Order
	err := in.change(ctx, func(tx *store.Tx) error {
		before, err := store.Orders.Get(tx, orderID)
		if err != nil {
			return err
		}
		o = before
		switch o.State {
		case order.Canceled:
			return nil
		case order.Fulfilled:
			return fault.Refused("order %s is fulfilled; its service %s is active", o.ID, o.Service)
		}
		if err := in.letGo(tx, actor, o, reason); err != nil {
			return err
		}
		o.State, o.Message, o.ChangedAt = order.Canceled, canceledBy(actor.Name, reason), now
		svc, err := store.Services.Get(tx, o.Service)
		if err != nil {
			return err
		}
		svc.State, svc.Message, svc.ChangedAt = order.ServiceCanceled, o.Message, now
		return cmp.Or(store.Orders.Put(tx, o.ID, o), store.Services.Put(tx, svc.ID, svc),
			CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "the order was canceled", now),
			CloseTask(tx, order.FailureKey(o.ID), access.System.Name, "the order was canceled", now),
			audit(tx, actor, "order.cancel", "orders/"+o.ID, before, o, reason, now))
	})
	return o, err
}

// letGo frees the server of an order: at once while it is only held, or prepared
// by nothing; else through the end of the operation.
func (in *Intake) letGo(tx *store.Tx, actor access.Actor, o order.Order, reason string) error {
	if o.Server == "" {
		return nil
	}
	now := in.now()
	s, err := store.Servers.Get(tx, o.Server)
	if err != nil {
		return err
	}
	mine := s.Claim.Kind == fleet.ClaimHeld && s.Claim.Ref == o.ID || s.Claim.Kind == fleet.ClaimClient && s.Claim.Ref == o.Service
	if !mine {
		return nil
	}
	if o.Operation != "" && s.Operation == o.Operation {
		op, err := store.Operations.Get(tx, o.Operation)
		if err != nil || operation.Final(op.State) {
			return err
		}
		op, err = operation.Cancel(op, operation.Ask{Reason: "the order was canceled: " + reason, Actor: actor.Name, At: now})
		if err != nil {
			return err
		}
		return store.Operations.Put(tx, op.ID, op)
	}
	before := s
	s = s.Released(now)
	if _, err := RemoveAddresses(tx, s.ID, actor, reason, now); err != nil {
		return err
	}
	return cmp.Or(store.Servers.Put(tx, s.ID, s), audit(tx, actor, "server.release", "servers/"+s.ID, before, s, reason, now))
}

// canceledBy is the message of what a person called off.
func canceledBy(who, reason string) string {
	if reason == "" {
		return "canceled by " + who
	}
	return "canceled by " + who + ": " + reason
}
