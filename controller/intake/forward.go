package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// ForwardDraft is what a person says of a new forward (rule C18).
type ForwardDraft struct {
	Domain   string `json:"domain" doc:"A new domain, as it is or pasted from a browser. www. in front of it belongs to the forward too."`
	Account  string `json:"account" doc:"Id of the account whose site it leads to."`
	Redirect bool   `json:"redirect,omitempty" doc:"Answer with 301 to the account's domain. Otherwise the site is shown under this name, and mail is taken for it (alias)."`
}

// Check records what is wrong with a draft by itself.
func (d ForwardDraft) Check(c *fault.Check) {
	if _, err := account.Pasted(d.Domain); err != nil {
		c.Add("domain", "%s", fault.From(err).Message)
	}
	c.Require(d.Account != "", "account", "is empty; name the account that it leads to")
}

// CreateForward makes a domain lead to an account's site. It is on the server of the account, and belongs to whom that belongs.
func (in *Intake) CreateForward(ctx context.Context, actor access.Actor, d ForwardDraft) (f account.Forward, rev int64, err error) {
	now, fresh := in.now(), id.New("fwd")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		w := &work{tx: tx, now: now}
		f = account.Forward{ID: fresh, Redirect: d.Redirect, State: account.Making, CreatedAt: now, CreatedBy: actor.Name, ChangedAt: now}
		err := checked(tx, "the forward cannot be made", func(c *fault.Check, look Lookup) {
			d.Check(c)
			w.target(c, look.(*lookup), actor, d.Account)
			if domain, err := account.Pasted(d.Domain); err == nil {
				f.Domain = domain
				checkName(c, look.(*lookup), "domain", domain, fresh, account.Party{Reseller: w.a.Reseller, Customer: w.a.Customer}, account.WWW(domain))
			}
		})
		if err != nil {
			return err
		}
		f.Account, f.Server, f.Reseller, f.Owner = w.a.ID, w.a.Server, w.a.Reseller, w.a.Owner
		p := hosting.Placement{
			ID: f.ID, Kind: hosting.Forwarding, Name: f.Domain, Domains: []string{account.WWW(f.Domain)}, Server: f.Server, Managed: true,
			Reseller: w.a.Reseller, Customer: w.a.Customer, State: hosting.Making, CreatedAt: now, ChangedAt: now,
		}
		if _, err := placeable(tx, p.Server, p.Reseller); err != nil {
			return err
		}
		had := w.a
		if w.a, err = w.a.Lead(account.Leads{Forward: f.ID, Domain: f.Domain, Redirect: f.Redirect}); err != nil {
			return err
		}
		more := grown(&had, &w.a)
		return cmp.Or(store.Forwards.Create(tx, f.ID, f), store.Placements.Create(tx, p.ID, p), carry(tx, &p, 1), hold(tx, &p),
			store.Accounts.Put(tx, w.a.ID, w.a), in.tellNode(tx, &w.a, &w.sub, nil, now), mayUse(tx, actor, w.a.Reseller, more),
			audit(tx, actor, "forward.create", "forwards/"+f.ID, nil, f, "", now), remember(tx, "forwards", f.ID, f, now))
	})
	return f, rev, err
}

// target finds the account of a forward. What the actor does not see does not exist.
func (w *work) target(c *fault.Check, l *lookup, actor access.Actor, accountID string) {
	a, known, err := store.Accounts.Find(w.tx, accountID)
	l.keep(err)
	scope := access.ScopeOf(actor, "accounts")
	if known && scope.Field != "" {
		known = scope.Sees(map[string]string{"reseller": a.Reseller, "customer": a.Owner}[scope.Field])
	}
	c.Require(accountID == "" || known, "account", "%.80q does not exist; see: steelyard account list", accountID)
	if !known {
		return
	}
	w.a = a
	w.sub, _, err = store.Subscriptions.Find(w.tx, a.Subscription)
	l.keep(err)
}

// EditForward says whether a forward redirects.
func (in *Intake) EditForward(ctx context.Context, actor access.Actor, forwardID string, redirect bool) (f account.Forward, rev int64, err error) {
	return in.onForward(ctx, actor, forwardID, "edit", "", func(f *account.Forward, l *account.Leads) error {
		if f.State == account.Leaving {
			return fault.Refused("forward %s is being removed", f.Domain)
		}
		f.Redirect, l.Redirect = redirect, redirect
		return nil
	})
}

// RemoveForward takes a forward away (rule C19). Its name is free when the node has let go of it.
func (in *Intake) RemoveForward(ctx context.Context, actor access.Actor, forwardID, reason string) (f account.Forward, rev int64, err error) {
	now := in.now()
	return in.onForward(ctx, actor, forwardID, "remove", reason, func(f *account.Forward, l *account.Leads) error {
		if f.State != account.Leaving {
			f.State, f.ChangedAt = account.Leaving, now
		}
		l.Leaving = true
		return nil
	})
}

func (in *Intake) onForward(ctx context.Context, actor access.Actor, forwardID, action, reason string, do func(*account.Forward, *account.Leads) error) (f account.Forward, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Forwards.Get(tx, forwardID)
		if err != nil {
			return err
		}
		f = before
		w := &work{tx: tx, now: now}
		if err := w.read(f.Account); err != nil {
			return err
		}
		l := account.Leads{Forward: f.ID, Domain: f.Domain, Redirect: f.Redirect, Leaving: f.State == account.Leaving}
		if err := do(&f, &l); err != nil {
			return err
		}
		if w.a, err = w.a.Lead(l); err != nil {
			return err
		}
		state := map[string]string{account.Making: hosting.Making, account.There: hosting.There, account.Leaving: hosting.Leaving}[f.State]
		return cmp.Or(store.Forwards.Put(tx, f.ID, f), placementIs(tx, f.ID, state, "", now), store.Accounts.Put(tx, w.a.ID, w.a), in.tellNode(tx, &w.a, &w.sub, nil, now),
			audit(tx, actor, "forward."+action, "forwards/"+f.ID, before, f, reason, now))
	})
	return f, rev, err
}

// forwardsAtOnce is how many forwards one commit says are there.
const forwardsAtOnce = 20

// forwardsThere says of forwards that the node has them. Those that are left are said at the next look.
func forwardsThere(tx *store.Tx, a *account.Account, now time.Time) error {
	n := 0
	for _, l := range a.Forwards {
		seen, ok := store.Forwards.In(tx.Hint(), l.Forward)
		if l.Leaving || n == forwardsAtOnce || ok && seen.State != account.Making {
			continue
		}
		f, known, err := store.Forwards.Find(tx, l.Forward)
		if err != nil {
			return err
		}
		if !known || f.State != account.Making {
			continue
		}
		n++
		f.State, f.ChangedAt = account.There, now
		if err := cmp.Or(store.Forwards.Put(tx, f.ID, f), placementIs(tx, f.ID, hosting.There, "", now)); err != nil {
			return err
		}
	}
	return nil
}
