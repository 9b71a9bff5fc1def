package intake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// MailDraft is what a person says of the mail server. The password is nil when it is not
// said; then it stays, unless the server or user changes: a password that was given for one
// server is not shown to another.
type MailDraft struct {
	Host     string  `json:"host" doc:"Name or IPv4 address of the mail server; empty: no mail is sent."`
	Port     int     `json:"port,omitempty" doc:"587 for starttls, 465 for tls, unless your server says otherwise."`
	Security string  `json:"security,omitempty" doc:"starttls, tls or none; none only without a password."`
	User     string  `json:"user,omitempty"`
	Password *string `json:"password,omitempty" doc:"Kept sealed and never shown. Left out: stays as it is, while host, port, security and user do."`
	From     string  `json:"from,omitempty" doc:"Address that mails come from."`
	BaseURL  string  `json:"base_url,omitempty" doc:"Address of this controller's API for links in mails; empty: no links."`
}

func (d MailDraft) server(password access.Sealed) notify.MailServer {
	return notify.MailServer{Host: d.Host, Port: d.Port, Security: d.Security, User: d.User, Password: password, From: d.From, BaseURL: d.BaseURL}
}

// Check records all fields that are wrong; before is the present mail server.
func (d MailDraft) Check(c *fault.Check, before notify.MailServer) {
	password := !before.Password.IsZero()
	if d.Password != nil {
		password = *d.Password != ""
		c.Require(len(*d.Password) <= 1024, "password", "is longer than 1024 bytes")
	}
	d.server(access.Sealed{}).Check(c, password)
	same := d.Host == before.Host && d.Port == before.Port && d.Security == before.Security && d.User == before.User
	c.Require(same || d.Password != nil || before.Password.IsZero(), "password", "must be given again when host, port, security or user change")
}

// SetMail replaces the mail server of the fleet.
func (in *Intake) SetMail(ctx context.Context, actor access.Actor, d MailDraft) (rev int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		before, _, err := store.MailServers.Find(tx, store.TheMailServer)
		if err != nil {
			return err
		}
		if err := checked(tx, "the mail server cannot be set", func(c *fault.Check, _ Lookup) { d.Check(c, before) }); err != nil {
			return err
		}
		after := d.server(before.Password)
		if d.Password != nil {
			after.Password = access.Sealed{}
			if err := keepSecret(in, tx, seal.MailPassword, store.TheMailServer, &after, logging.Secret(*d.Password)); err != nil {
				return err
			}
		}
		if after.Host == "" {
			if err := CloseTask(tx, "notify/"+notify.ByMail, actor.Name, "no mail is sent any more", now); err != nil {
				return err
			}
		}
		return cmp.Or(store.MailServers.Put(tx, store.TheMailServer, after),
			audit(tx, actor, "mail.change", "mail-server/"+store.TheMailServer, before.WithoutSecrets(), after.WithoutSecrets(), "", now))
	})
}

// RouteDraft is what a person says of a mail route.
type RouteDraft struct {
	Name       string      `json:"name" doc:"What it is for; unique without regard to case."`
	Events     []string    `json:"events" doc:"Which ones: *, task.*, service.*, operation.*, or types such as task.opened."`
	Department string      `json:"department,omitempty" doc:"Only events of this department, which tasks and operations have; empty: all."`
	To         []string    `json:"to,omitempty" doc:"Addresses; each gets a mail of its own."`
	Role       access.Role `json:"role,omitempty" doc:"Also every user of this role who logs in with a mail address."`
	Disabled   bool        `json:"disabled,omitempty"`
}

// DraftOfRoute is the draft that would make r.
func DraftOfRoute(r notify.Route) RouteDraft {
	return RouteDraft{Name: r.Name, Events: r.Events, Department: r.Department, To: r.To, Role: r.Role, Disabled: r.Disabled}
}

// Check records all fields that are wrong; self is the route that is edited.
func (d RouteDraft) Check(c *fault.Check, look Lookup, self string) {
	order.CheckName(c, "name", d.Name)
	notify.CheckEvents(c, "events", d.Events)
	if d.Department != "" {
		order.CheckName(c, "department", d.Department)
	}
	c.Require(len(d.To) > 0 || d.Role != "", "to", "is empty; give an address, or a role")
	c.Require(len(d.To) <= notify.MaxAddresses, "to", "has %d addresses; a list at your mail server can have more than %d", len(d.To), notify.MaxAddresses)
	for _, to := range d.To {
		notify.CheckAddress(c, "to", to)
	}
	c.Require(d.Role == "" || staff(d.Role), "role", "is %.40q; give admin, systems, operations, marketing or department", d.Role)
	checkTaken(c, look, "mail-routes", "name", d.Name, self)
}

// staff are the roles that see the whole fleet: what is mailed is not narrowed (rule X7).
func staff(r access.Role) bool {
	return r.Known() && r != access.RoleReseller && r != access.RoleCustomer
}

func (d RouteDraft) route() notify.Route {
	return notify.Route{Name: d.Name, Events: slices.Clone(d.Events), Department: d.Department, To: slices.Clone(d.To), Role: d.Role, Disabled: d.Disabled}
}

// CreateRoute adds a mail route.
func (in *Intake) CreateRoute(ctx context.Context, actor access.Actor, d RouteDraft) (r notify.Route, rev int64, err error) {
	now, fresh := in.now(), id.New("mrt")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the mail route cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		if n := store.MailRoutes.Len(in.store.Snapshot()); n >= notify.MaxRoutes {
			return fault.Refused("there are %d mail routes; no more can be kept", n)
		}
		r = d.route()
		r.ID, r.CreatedAt, r.CreatedBy = fresh, now, actor.Name
		return cmp.Or(store.MailRoutes.Create(tx, r.ID, r), rename(tx, "mail-routes", "", r.Name, r.ID),
			audit(tx, actor, "mail_route.create", "mail-routes/"+r.ID, nil, r, "", now), remember(tx, "mail-routes", r.ID, r, now))
	})
	return r, rev, err
}

// EditRoute changes a mail route that is still at revision rev.
func (in *Intake) EditRoute(ctx context.Context, actor access.Actor, routeID string, rev int64,
	edit func(RouteDraft) (RouteDraft, error),
) (r notify.Route, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.MailRoutes.Get(tx, routeID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.MailRoutes, routeID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfRoute(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the mail route cannot be changed", func(c *fault.Check, look Lookup) { d.Check(c, look, routeID) }); err != nil {
			return err
		}
		r = d.route()
		r.ID, r.CreatedAt, r.CreatedBy = before.ID, before.CreatedAt, before.CreatedBy
		return cmp.Or(store.MailRoutes.Put(tx, routeID, r), rename(tx, "mail-routes", before.Name, r.Name, routeID),
			audit(tx, actor, "mail_route.edit", "mail-routes/"+routeID, before, r, "", now))
	})
	return r, at, err
}

// DeleteRoute removes a mail route, and closes what was filed about its addresses.
func (in *Intake) DeleteRoute(ctx context.Context, actor access.Actor, routeID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		r, err := store.MailRoutes.Get(tx, routeID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.MailRoutes, routeID, rev, r); err != nil {
			return err
		}
		for _, to := range r.To {
			if err := CloseTask(tx, "notify/"+routeID+"/"+to, actor.Name, "the mail route was deleted", now); err != nil {
				return err
			}
		}
		return cmp.Or(store.MailRoutes.Delete(tx, routeID), rename(tx, "mail-routes", r.Name, "", routeID),
			audit(tx, actor, "mail_route.delete", "mail-routes/"+routeID, r, nil, "", now))
	})
}

// TestWebhook puts an event of type test on its way to one webhook. It is tried once.
func (in *Intake) TestWebhook(ctx context.Context, actor access.Actor, hook string) (notify.Delivery, int64, error) {
	return in.test(ctx, actor, notify.Delivery{Channel: notify.ByWebhook, Subscriber: hook}, "webhooks/"+hook, func(tx *store.Tx) error {
		_, err := store.Webhooks.Get(tx, hook)
		return err
	})
}

// TestMail puts a mail that says nothing but that it arrived on its way. It is tried once.
func (in *Intake) TestMail(ctx context.Context, actor access.Actor, to string) (notify.Delivery, int64, error) {
	return in.test(ctx, actor, notify.Delivery{Channel: notify.ByMail, To: to}, "mail-server/"+store.TheMailServer, func(tx *store.Tx) error {
		var c fault.Check
		notify.CheckAddress(&c, "to", to)
		if err := c.Err("the mail cannot be sent"); err != nil {
			return err
		}
		m, ok, err := store.MailServers.Find(tx, store.TheMailServer)
		if err == nil && (!ok || m.Host == "") {
			err = fault.Refused("no mail server is set; see: steelyard mail set --help")
		}
		return err
	})
}

func (in *Intake) test(ctx context.Context, actor access.Actor, d notify.Delivery, object string, allowed func(*store.Tx) error) (notify.Delivery, int64, error) {
	now := in.now()
	d.ID, d.State, d.CreatedAt, d.NextAt = id.New("dlv"), notify.Pending, now, now
	d.Event = notify.Event{ID: id.New("evt"), Type: notify.Test, At: now, Data: notify.Data{
		Table: "deliveries", ID: d.ID, Message: "This is a test that " + actor.Name + " asked for.",
	}}
	rev, err := in.store.Change(ctx, func(tx *store.Tx) error {
		if err := allowed(tx); err != nil {
			return err
		}
		return cmp.Or(store.Deliveries.Create(tx, d.ID, d), audit(tx, actor, "delivery.test", object, nil, nil, "", now))
	})
	return d, rev, err
}

// Redeliver sends a delivery again that was given up or delivered, with the same event id.
func (in *Intake) Redeliver(ctx context.Context, actor access.Actor, deliveryID, reason string) (notify.Delivery, error) {
	now := in.now()
	var d notify.Delivery
	_, err := in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Deliveries.Get(tx, deliveryID)
		if err != nil {
			return err
		}
		if d = before; d.State == notify.Pending {
			return nil
		}
		if d.Event.Type == notify.ToOne {
			_, kept, err := store.Letters.Find(tx, d.ID)
			if err != nil {
				return err
			}
			if !kept {
				return fault.Refused("the text of this letter is not kept any more; what it was about has to be asked for anew")
			}
		}
		d = d.Again(now)
		return cmp.Or(store.Deliveries.Put(tx, d.ID, d), audit(tx, actor, "delivery.redeliver", "deliveries/"+d.ID, outcomeOf(before), outcomeOf(d), reason, now))
	})
	return d, err
}

// outcomeOf is what the audit log keeps of a delivery.
func outcomeOf(d notify.Delivery) any {
	return struct {
		State    string    `json:"state"`
		Attempts int       `json:"attempts"`
		EndedAt  time.Time `json:"ended_at,omitzero"`
	}{d.State, d.Attempts, d.EndedAt}
}
