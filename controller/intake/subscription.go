package intake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// SubscriptionDraft is what a person says of a new subscription.
type SubscriptionDraft struct {
	Name      string      `json:"name" doc:"Shown to people, with the plan in brackets (P3); usually the domain."`
	Reseller  string      `json:"reseller,omitempty" doc:"Id of the reseller whose it is; none is the provider, or the reseller who asks. Fixed for ever."`
	Customer  string      `json:"customer,omitempty" doc:"Id or reference of the customer who has it; one of that reseller's."`
	Plan      string      `json:"plan,omitempty" doc:"Id of the service plan, an offer of that reseller; none makes a custom one, without add-ons (P4)."`
	AddOns    []string    `json:"add_ons,omitempty" doc:"Ids of add-ons, each once (P2)."`
	Values    plan.Values `json:"values,omitempty" doc:"Values that stand above the plan and are kept from sync (P8a, C10); of a custom one all that it has."`
	ExpiresAt time.Time   `json:"expires_at,omitzero" doc:"When it is suspended (P10); none is never."`
}

// Check records all fields that are wrong, as far as they refer to something. What the actor does not see does not exist.
func (d SubscriptionDraft) Check(c *fault.Check, look Lookup, actor access.Actor) {
	order.CheckName(c, "name", d.Name)
	d.Values.Check(c, "values")
	owner := ownReseller(actor, d.Reseller)
	r, known := seenReseller(look, actor, owner)
	if !known && owner != "" {
		c.Add("reseller", "%.80q does not exist; see: steelyard reseller list", d.Reseller)
		return
	}
	if d.Customer != "" {
		customer, known := seenCustomer(look, actor, d.Customer)
		c.Require(known && customer.Reseller == r.Path, "customer", "%.80q is no customer of that reseller, or of the provider where none is named", d.Customer)
	}
	if d.Plan != "" {
		checkSold(c, look, "plan", d.Plan, r.Path)
	}
	for i, addOn := range d.AddOns {
		checkSold(c, look, "add_ons", addOn, r.Path)
		c.Require(!slices.Contains(d.AddOns[:i], addOn), "add_ons", "names %.80q twice", addOn)
	}
}

// checkSold records an offer that is not sold by the reseller of a path.
func checkSold(c *fault.Check, look Lookup, field, offerID, path string) {
	o, known := look.Offer(offerID)
	c.Require(known && o.Reseller == path, field, "%.80q is no offer of whose the subscription is; see: steelyard offer list", offerID)
}

// subscribe makes a subscription in a commit: record, counters and audit line. server is where its account is or will be, "" none. The fault is
// invalid with all fields, or refused: a retired offer, a reseller who may have nothing new.
func subscribe(tx *store.Tx, actor access.Actor, d SubscriptionDraft, server string, now time.Time) (s subscription.Subscription, err error) {
	look := &lookup{tx: tx}
	if err := checked(tx, "the subscription cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, actor) }); err != nil {
		return s, err
	}
	s = subscription.Subscription{ID: id.New("sub"), Name: d.Name, Server: server, ExpiresAt: d.ExpiresAt, CreatedAt: now, ChangedAt: now}
	if owner := ownReseller(actor, d.Reseller); owner != "" {
		r, err := working(tx, owner)
		if err != nil {
			return s, err
		}
		s.Reseller = r.Path
	}
	if customer, known := seenCustomer(look, actor, d.Customer); known {
		s.Customer = customer.Reference
	}
	p, err := provisionOf(tx, server)
	if err != nil {
		return s, err
	}
	var service *plan.Offer
	if o, known := look.Offer(d.Plan); known {
		service = &o
	}
	var addOns []plan.Offer
	for _, addOn := range d.AddOns {
		o, _ := look.Offer(addOn)
		addOns = append(addOns, o)
	}
	if s, err = subscription.New(s, service, addOns, d.Values, p); err != nil || look.err != nil {
		return s, cmp.Or(look.err, err)
	}
	s = s.Expire(now)
	s.Counted = s.Reseller != ""
	was, is, err := resoldAs(tx, &subscription.Subscription{}, &s)
	if err := cmp.Or(err, mayPromise(tx, actor, s.Reseller, was, is), mayUse(tx, actor, s.Reseller, []string{reselling.Subscriptions})); err != nil {
		return s, err
	}
	return s, cmp.Or(store.Subscriptions.Create(tx, s.ID, s), countOffers(tx, nil, s.Offers()),
		audit(tx, actor, "subscription.create", "subscriptions/"+s.ID, nil, s, "", now))
}

// unsubscribe removes a subscription in a commit.
func unsubscribe(tx *store.Tx, actor access.Actor, s subscription.Subscription, reason string, now time.Time) error {
	if _, _, err := resoldAs(tx, &s, &subscription.Subscription{ID: s.ID, Reseller: s.Reseller}); err != nil {
		return err
	}
	return cmp.Or(store.Subscriptions.Delete(tx, s.ID), store.SubscriptionUses.Delete(tx, s.ID), countOffers(tx, s.Offers(), nil),
		audit(tx, actor, "subscription.delete", "subscriptions/"+s.ID, s, nil, reason, now))
}

// provisionOf is what a server provides, as far as it is known; nil when it is not.
func provisionOf(tx *store.Tx, server string) (*plan.Provision, error) {
	if server == "" {
		return nil, nil
	}
	p, known, err := store.Provisions.Find(tx, server)
	if err != nil || !known {
		return nil, err
	}
	return account.Provides(&p.Provided), nil
}

// countOffers keeps how many subscriptions have each offer (rule C7).
func countOffers(tx *store.Tx, before, after []string) error {
	for _, offerID := range before {
		if !slices.Contains(after, offerID) {
			if err := countOffer(tx, offerID, ^uint64(0)); err != nil {
				return err
			}
		}
	}
	for _, offerID := range after {
		if !slices.Contains(before, offerID) {
			if err := countOffer(tx, offerID, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func countOffer(tx *store.Tx, offerID string, by uint64) error {
	u, _, err := store.OfferUses.Find(tx, offerID)
	if err != nil {
		return err
	}
	if u.Subscriptions += by; u.Subscriptions == 0 {
		return store.OfferUses.Delete(tx, offerID)
	}
	return store.OfferUses.Put(tx, offerID, u)
}

// putSubscription stores what became of a subscription, with its counters and its audit line.
func putSubscription(tx *store.Tx, actor access.Actor, action string, before, after subscription.Subscription, reason string, now time.Time) error {
	after.ChangedAt, after.Counted = now, after.Reseller != ""
	month, err := monthOf(tx, now)
	if err != nil {
		return err
	}
	after.PastTraffic = usage.Changed(before.PastTraffic, before.Values.Of(plan.TrafficMiB).Limit, after.Values.Of(plan.TrafficMiB).Limit, month)
	_, _, counted := resoldAs(tx, &before, &after)
	return cmp.Or(counted, store.Subscriptions.Put(tx, after.ID, after), countOffers(tx, before.Offers(), after.Offers()), followed(tx, &after, now),
		audit(tx, actor, action, "subscriptions/"+after.ID, before, after, reason, now))
}

// monthOf is the month of the fleet's time zone (rule U7).
func monthOf(tx *store.Tx, now time.Time) (string, error) {
	s, _, err := store.Settings.Find(tx, store.FleetSettings)
	return usage.MonthOf(s.TimeZone, now), err
}

// Subscribe makes a subscription without an account.
func (in *Intake) Subscribe(ctx context.Context, actor access.Actor, d SubscriptionDraft) (s subscription.Subscription, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if s, err = subscribe(tx, actor, d, "", now); err != nil {
			return err
		}
		return remember(tx, "subscriptions", s.ID, s, now)
	})
	return s, rev, err
}

// Unsubscribe removes a subscription that carries no account.
func (in *Intake) Unsubscribe(ctx context.Context, actor access.Actor, subscriptionID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		s, err := store.Subscriptions.Get(tx, subscriptionID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Subscriptions, subscriptionID, rev, s); err != nil {
			return err
		}
		if s.Server != "" {
			return fault.Refused("subscription %s carries an account; remove the account, and the subscription goes with it", s.Title())
		}
		return unsubscribe(tx, actor, s, "", now)
	})
}

// SubscriptionEdit is what can be changed of a subscription beside its plan and its values.
type SubscriptionEdit struct {
	Name      string    `json:"name" doc:"Shown to people."`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"When it is suspended (P10); none is never. A later date than now lifts that."`
}

// Check records all fields that are wrong.
func (d SubscriptionEdit) Check(c *fault.Check, _ Lookup, _ string) {
	order.CheckName(c, "name", d.Name)
}

// EditSubscription changes name and date of a subscription that is still at revision rev.
func (in *Intake) EditSubscription(ctx context.Context, actor access.Actor, subscriptionID string, rev int64,
	edit func(SubscriptionEdit) (SubscriptionEdit, error),
) (s subscription.Subscription, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Subscriptions.Get(tx, subscriptionID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Subscriptions, subscriptionID, rev, before); err != nil {
			return err
		}
		d, err := edit(SubscriptionEdit{before.Name, before.ExpiresAt})
		if err != nil {
			return err
		}
		if err := checked(tx, "the subscription cannot be changed", func(c *fault.Check, look Lookup) { d.Check(c, look, subscriptionID) }); err != nil {
			return err
		}
		s = before
		s.Name, s.ExpiresAt = d.Name, d.ExpiresAt
		s = s.Expire(now)
		return putSubscription(tx, actor, "subscription.edit", before, s, "", now)
	})
	return s, at, err
}
