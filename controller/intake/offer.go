package intake

import (
	"cmp"
	"context"
	"iter"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// OfferDraft is what a person says of an offer.
type OfferDraft struct {
	Name       string      `json:"name" doc:"1 to 64 letters A to Z and digits (C2); unique among the offers of one reseller, without regard to case."`
	Kind       string      `json:"kind,omitempty" doc:"service (unless given): a service plan. addon: comes on top of one, each at most once (P2). Fixed for ever."`
	Reseller   string      `json:"reseller,omitempty" doc:"Id of the reseller who sells it; none is the provider, or the reseller who asks. Fixed for ever."`
	Values     plan.Values `json:"values" doc:"By property. Limits are whole numbers or \"no limit\", and mandatory in a service plan; 0 is a real zero (C3 to C5). Switches are off unless given. An add-on has only what it adds."`
	Changeable []string    `json:"changeable,omitempty" doc:"Properties that the subscriber may change and that sync leaves alone (P11): php, virus_scan, imap, shell. Unless given: virus_scan and imap, which apply when an account is made (C6)."`
}

// DraftOfOffer is the draft that would make o.
func DraftOfOffer(o plan.Offer) OfferDraft {
	return OfferDraft{Name: o.Name, Kind: o.Kind, Reseller: reselling.Own(o.Reseller), Values: o.Values, Changeable: o.Changeable}
}

// onto is o with what the draft says. Whoever says nothing of a switch of a service plan has it off.
func (d OfferDraft) onto(o plan.Offer) plan.Offer {
	o.Name, o.Values, o.Changeable = d.Name, d.Values, d.Changeable
	if o.Changeable == nil {
		o.Changeable = []string{}
	}
	return o
}

// atCreation fills in what a new offer has unless something is said.
func (d OfferDraft) atCreation() OfferDraft {
	d.Kind = cmp.Or(d.Kind, plan.Service)
	if d.Changeable == nil && d.Kind == plan.Service {
		d.Changeable = []string{plan.VirusScan, plan.IMAP}
	}
	return d
}

func (d OfferDraft) offer(o plan.Offer) plan.Offer {
	o = d.onto(o)
	if o.Kind == plan.Service {
		o.Values = o.Values.Complete()
	}
	return o
}

// Check records all fields of a new offer that are wrong. What the actor does not see does not exist.
func (d OfferDraft) Check(c *fault.Check, look Lookup, actor access.Actor) {
	d = d.atCreation()
	o := d.onto(plan.Offer{Kind: d.Kind})
	o.Check(c)
	owner := ownReseller(actor, d.Reseller)
	r, known := seenReseller(look, actor, owner)
	if !known && owner != "" { // which names are taken there is none of the caller's business
		c.Add("reseller", "%.80q does not exist; see: steelyard reseller list", d.Reseller)
		return
	}
	checkTaken(c, look, offerNames(r.Path), "name", d.Name, "")
}

// CheckEdit records all fields that are wrong in what the offer self should become.
func (d OfferDraft) CheckEdit(c *fault.Check, look Lookup, self string) {
	before, known := look.Offer(self)
	if !known { // one that went meanwhile is told by the commit
		return
	}
	o := d.onto(before)
	o.Check(c)
	c.Require(d.Kind == before.Kind, "kind", "cannot be changed; make another offer")
	c.Require(d.Reseller == reselling.Own(before.Reseller), "reseller", "cannot be changed")
	checkTaken(c, look, offerNames(before.Reseller), "name", d.Name, self)
}

// offerNames is the space that the names of a reseller's offers are unique in.
func offerNames(path string) string { return "offers/" + path }

// CreateOffer adds an offer (rule C1).
func (in *Intake) CreateOffer(ctx context.Context, actor access.Actor, d OfferDraft) (o plan.Offer, rev int64, err error) {
	now, fresh := in.now(), id.New("ofr")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the offer cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, actor) }); err != nil {
			return err
		}
		d := d.atCreation()
		o = d.offer(plan.Offer{ID: fresh, Kind: d.Kind, Version: 1, CreatedAt: now, ChangedAt: now})
		if owner := ownReseller(actor, d.Reseller); owner != "" {
			r, err := working(tx, owner)
			if err != nil {
				return err
			}
			o.Reseller = r.Path
		}
		return cmp.Or(store.Offers.Create(tx, o.ID, o), rename(tx, offerNames(o.Reseller), "", o.Name, o.ID),
			audit(tx, actor, "offer.create", "offers/"+o.ID, nil, o, "", now), remember(tx, "offers", o.ID, o, now))
	})
	return o, rev, err
}

// EditOffer changes an offer that is still at revision rev. When it promises something else then, its version grows, and everybody who has it
// is synced (rules P6, C8); a node that lacks something keeps nobody from it (P12).
func (in *Intake) EditOffer(ctx context.Context, actor access.Actor, offerID string, rev int64, edit func(OfferDraft) (OfferDraft, error)) (o plan.Offer, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Offers.Get(tx, offerID)
		if err != nil {
			return err
		}
		if err := cmp.Or(unchanged(in, store.Offers, offerID, rev, before), staying(&before)); err != nil {
			return err
		}
		d, err := edit(DraftOfOffer(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the offer cannot be changed", func(c *fault.Check, look Lookup) { d.CheckEdit(c, look, offerID) }); err != nil {
			return err
		}
		o = edited(before, d)
		o.ChangedAt = now
		return cmp.Or(store.Offers.Put(tx, offerID, o), rename(tx, offerNames(o.Reseller), before.Name, o.Name, offerID),
			audit(tx, actor, "offer.edit", "offers/"+offerID, before, o, "", now))
	})
	return o, at, err
}

// edited is an offer as a draft wants it.
func edited(before plan.Offer, d OfferDraft) plan.Offer {
	o := d.offer(before)
	if !o.Promises(&before) {
		o.Version++
	}
	return o
}

// staying refuses an offer that everybody is being moved away from.
func staying(o *plan.Offer) error {
	if o.Successor != "" {
		return fault.Refused("offer %s is being replaced by %s, and goes then", o.Name, o.Successor)
	}
	return nil
}

// PreviewOffer tells what an edit would do to everybody who has the offer, and changes nothing (rules C8, P12). It runs the sync that would follow.
func (in *Intake) PreviewOffer(offerID string, edit func(OfferDraft) (OfferDraft, error)) (r subscription.Report, err error) {
	snap := in.store.Snapshot()
	before, known := found(store.Offers.In(snap, offerID))
	if !known {
		return r, fault.NotFound("offer %.80s does not exist", offerID)
	}
	d, err := edit(DraftOfOffer(before))
	if err != nil {
		return r, err
	}
	var c fault.Check
	d.CheckEdit(&c, snapshot{snap}, offerID)
	if err := c.Err("the offer cannot be changed"); err != nil {
		return r, err
	}
	after := edited(before, d)
	find := func(id string) (plan.Offer, bool) {
		if id == offerID {
			return after, true
		}
		return found(store.Offers.In(snap, id))
	}
	around := func(s *subscription.Subscription) subscription.Around { return aroundIn(snap, s) }
	return subscription.Preview(subscribers(snap, offerID), find, around, roomSeen(snap, reselling.Own(before.Reseller))), nil
}

// roomSeen tells, for one subscription of a reseller after the other, whether he may promise what it becomes, as a snapshot shows him; nil for the provider.
func roomSeen(snap *store.Snapshot, resellerID string) func(before, after *subscription.Subscription) bool {
	r, known := BooksIn(snap)(resellerID)
	if !known {
		return nil
	}
	return func(before, after *subscription.Subscription) bool {
		if roomOf(&r, before, after, nil) != nil {
			return false
		}
		was, is := *before, *after
		is.Counted = true
		r.Retail = r.Retail.Promise(shareOf(&was, nil).promised, shareOf(&is, nil).promised)
		return true
	}
}

// subscribers are those who have an offer, as a snapshot shows them.
func subscribers(snap *store.Snapshot, offerID string) iter.Seq[subscription.Subscription] {
	return func(yield func(subscription.Subscription) bool) {
		for item := range store.Subscriptions.Lookup(snap, store.SubscriptionsTo, offerID) {
			if !yield(*item.Value) {
				return
			}
		}
	}
}

// aroundIn is what a subscription meets, as a snapshot shows it.
func aroundIn(snap *store.Snapshot, s *subscription.Subscription) (a subscription.Around) {
	if p, told := store.Provisions.In(snap, s.Server); told && s.Server != "" {
		a.Provision = account.Provides(&p.Provided)
	}
	if use, counted := store.SubscriptionUses.In(snap, s.ID); counted {
		a.Use = *use
	}
	return a
}
