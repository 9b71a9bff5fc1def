package intake

import (
	"cmp"
	"context"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// OrderWish is what a customer asks for.
type OrderWish struct {
	Tariff   string         `json:"tariff"` // or Configuration, for who may order by configuration
	Customer string         `json:"customer"`
	Image    string         `json:"image"`
	Hostname string         `json:"hostname"`
	UserData logging.Secret `json:"-"` // for cloud-init
	SSHKeys  []string       `json:"ssh_keys,omitempty"`
	// EmailConfirmed is said by the billing program; the setting of rule B5 may demand it.
	EmailConfirmed bool `json:"email_confirmed,omitempty"`
	// Reference is the order's name with the one who places it; he has no two with the same.
	Reference string `json:"reference,omitempty"`
	// ByConfiguration orders hardware at one module, in place of a tariff.
	ByConfiguration *ConfiguredWish `json:"-"`
}

// ConfiguredWish is an order without a tariff: how another operator's controller orders here.
type ConfiguredWish struct {
	Module        string
	ServerType    string
	Configuration hardware.Configuration
	Exact         bool // no server that would have to be rebuilt
	// Minutes that preparation and diagnostics may take (rules B13 to B15); 0 is the module's.
	InstallTimeout, DiagTimeout int
}

// PlaceOrder records an order and its service, bound to the tariff's present
// revision (rules B1, B12). Matching is reconcile's. extra is done in the same commit.
func (in *Intake) PlaceOrder(ctx context.Context, actor access.Actor, w OrderWish, extra func(tx *store.Tx, o order.Order) error) (order.Order, error) {
	now := in.now()
	orderID, serviceID := id.New("ord"), id.New("svc")
	var o order.Order
	err := in.change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		t, err := in.orderable(tx, &w)
		if err != nil {
			return err
		}
		o = order.Order{
			ID: orderID, Tariff: t.ID, TariffRevision: t.Revision, ServerType: t.ServerType, Configuration: t.Configuration,
			Modules: t.Modules, Customer: w.Customer, Image: w.Image, Hostname: w.Hostname, SSHKeys: w.SSHKeys,
			State: order.New, Message: "waiting to be matched", Service: serviceID, PlacedAt: now, PlacedBy: actor.Name, ChangedAt: now,
			Reference: w.Reference,
		}
		if by := w.ByConfiguration; by != nil {
			o.HoldExpired, o.InstallTimeout, o.DiagTimeout = by.Exact, by.InstallTimeout, by.DiagTimeout
		}
		svc := order.Service{
			ID: serviceID, Order: orderID, Customer: w.Customer, Image: w.Image, Hostname: w.Hostname,
			State: order.ServiceOrdered, Message: "ordered", Reference: w.Reference, CreatedAt: now, ChangedAt: now,
		}
		if err := cmp.Or(in.keepUserData(tx, o.ID, w.UserData), refer(tx, actor, o), store.Orders.Create(tx, o.ID, o), store.Services.Create(tx, svc.ID, svc),
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

func (in *Intake) keepUserData(tx *store.Tx, orderID string, data logging.Secret) error {
	if data == "" {
		return nil
	}
	u := order.UserData{Order: orderID}
	return cmp.Or(keepSecret(in, tx, seal.OrderUserData, orderID, &u, data), store.UserData.Create(tx, orderID, u))
}

// orderable checks a wish against tariff, image and settings, all fields at once.
func (in *Intake) orderable(tx *store.Tx, w *OrderWish) (order.Tariff, error) {
	var c fault.Check
	t, ok, err := in.sold(tx, &c, w)
	if err != nil {
		return t, err
	}
	switch {
	case w.ByConfiguration != nil:
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
	order.CheckUserData(&c, "user_data", string(w.UserData))
	order.CheckReference(&c, "reference", w.Reference)
	settings, _, err := store.Settings.Find(tx, store.FleetSettings)
	if err != nil {
		return t, err
	}
	if settings.RequireConfirmedEmail && !w.EmailConfirmed {
		c.Add("email_confirmed", "is false; this fleet takes orders only after the customer confirmed the e-mail address")
	}
	return t, c.Err("the order cannot be placed")
}

// sold is the tariff of a wish; of one by configuration it is made up, at no revision.
func (in *Intake) sold(tx *store.Tx, c *fault.Check, w *OrderWish) (order.Tariff, bool, error) {
	if w.ByConfiguration == nil {
		return store.Tariffs.Find(tx, w.Tariff)
	}
	look := &lookup{tx: tx}
	w.ByConfiguration.Check(c, look)
	return order.Tariff{
		ServerType: w.ByConfiguration.ServerType, Configuration: w.ByConfiguration.Configuration.AsSold(), Modules: []string{w.ByConfiguration.Module},
	}, true, look.err
}

// Check records all fields that are wrong.
func (w *ConfiguredWish) Check(c *fault.Check, look Lookup) {
	m, ok := look.Module(w.Module)
	switch {
	case !ok:
		c.Add("module", "%.80q does not exist; see: steelyard module list", w.Module)
	case m.Kind != order.ModuleLocal:
		c.Add("module", "%s hands out another operator's servers; order with that one", m.Name)
	case m.ByServerType && w.ServerType == "":
		c.Add("server_type", "is empty, but module %s goes by server type (B9)", m.Name)
	}
	for field, minutes := range map[string]int{"install_timeout": w.InstallTimeout, "diag_timeout": w.DiagTimeout} {
		if minutes != 0 {
			order.CheckTimeout(c, field, minutes)
		}
	}
	if err := (match.Wish{Configuration: w.Configuration}).Validate(""); err != nil {
		for _, f := range fault.From(err).Fields {
			c.Add(f.Name, "%s", f.Message)
		}
	}
}

// refer notes the reference of an order, and refuses one that was used before: it is how a
// program finds the order again whose answer it lost.
func refer(tx *store.Tx, actor access.Actor, o order.Order) error {
	if o.Reference == "" {
		return nil
	}
	const table = "order-references"
	key := actor.Name + "/" + o.Reference
	if actor.Customer != "" { // two customers may have tokens of one name, or somebody who acts for both
		key = actor.Name + "/" + o.Customer + "/" + o.Reference
	}
	before, taken, err := names.Find(tx, nameKey(table, key))
	if err != nil {
		return err
	}
	if taken {
		return fault.Refused("order %s has the reference %s already", before.ID, o.Reference)
	}
	return names.Put(tx, nameKey(table, key), nameHolder{ID: o.ID})
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
		if o.Remote.Module != "" && o.Remote.State != order.RemoteEnded {
			o.Remote.State = order.RemoteWithdrawing // reconcile sees to it that nothing is left there
		}
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
