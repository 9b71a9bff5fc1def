package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// RetireOffer says whether anybody new gets the offer (rule C8). Who has it keeps it, and edits reach him.
func (in *Intake) RetireOffer(ctx context.Context, actor access.Actor, offerID, reason string, retired bool) (o plan.Offer, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Offers.Get(tx, offerID)
		if err != nil {
			return err
		}
		if err := staying(&before); err != nil {
			return err
		}
		if o = before; o.Retired == retired {
			return nil
		}
		o.Retired, o.ChangedAt = retired, now
		action := map[bool]string{true: "offer.retire", false: "offer.resume"}[retired]
		return cmp.Or(store.Offers.Put(tx, offerID, o), audit(tx, actor, action, "offers/"+offerID, before, o, reason, now))
	})
	return o, rev, err
}

// DeleteOffer removes an offer that nobody has (rule C8). The fault is refused, naming those who have it.
func (in *Intake) DeleteOffer(ctx context.Context, actor access.Actor, offerID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		o, err := store.Offers.Get(tx, offerID)
		if err != nil {
			return err
		}
		if err := cmp.Or(unchanged(in, store.Offers, offerID, rev, o), staying(&o)); err != nil {
			return err
		}
		return dropOffer(tx, actor, o, now)
	})
}

func dropOffer(tx *store.Tx, actor access.Actor, o plan.Offer, now time.Time) error {
	if err := cmp.Or(notInUse(tx, &o), notAwaited(tx, &o)); err != nil {
		return err
	}
	if err := use(tx, "offers", successorOf(&o), nil, o.ID); err != nil {
		return err
	}
	return cmp.Or(store.Offers.Delete(tx, o.ID), store.OfferUses.Delete(tx, o.ID), rename(tx, offerNames(o.Reseller), o.Name, "", o.ID),
		audit(tx, actor, "offer.delete", "offers/"+o.ID, o, nil, "", now))
}

// notInUse refuses an offer that somebody has, naming them.
func notInUse(tx *store.Tx, o *plan.Offer) error {
	uses, _, err := store.OfferUses.Find(tx, o.ID)
	if err != nil || uses.Subscriptions == 0 {
		return err
	}
	var list []string
	for s := range subscribers(tx.Hint(), o.ID) {
		if list = append(list, s.Name+" ("+s.ID+")"); len(list) > 20 {
			break
		}
	}
	return fault.Refused("offer %s is in use by %d: %s; move them to another offer first (steelyard offer replace %s --with …), or retire it", o.Name, uses.Subscriptions, order.Some(list), o.Name)
}

// notAwaited refuses an offer that replaces another one just now.
func notAwaited(tx *store.Tx, o *plan.Offer) error {
	awaits, err := usersOf(tx, "offers", o.ID)
	if err == nil && len(awaits) > 0 {
		err = fault.Refused("offer %s replaces %s at this moment; wait until that is done", o.Name, order.Some(awaits))
	}
	return err
}

func successorOf(o *plan.Offer) []string {
	if o.Successor == "" {
		return nil
	}
	return []string{o.Successor}
}

// ReplaceOffer says that everybody who has an offer gets another one instead, and that it is deleted then (rule C8): one wish, which reconcile
// fulfils one subscription after the other. Nobody new gets it meanwhile.
func (in *Intake) ReplaceOffer(ctx context.Context, actor access.Actor, offerID, with, reason string) (o plan.Offer, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Offers.Get(tx, offerID)
		if err != nil {
			return err
		}
		if o = before; o.Successor == with && with != "" {
			return nil
		}
		if err := staying(&o); err != nil {
			return err
		}
		if err := checked(tx, "the offer cannot be replaced", func(c *fault.Check, look Lookup) { checkSuccessor(c, look, &o, with) }); err != nil {
			return err
		}
		if err := cmp.Or(notAwaited(tx, &o), use(tx, "offers", nil, []string{with}, offerID)); err != nil {
			return err
		}
		o.Successor, o.Retired, o.ChangedAt = with, true, now
		return cmp.Or(store.Offers.Put(tx, offerID, o), audit(tx, actor, "offer.replace", "offers/"+offerID, before, o, reason, now))
	})
	return o, rev, err
}

func checkSuccessor(c *fault.Check, look Lookup, o *plan.Offer, with string) {
	by, known := look.Offer(with)
	switch {
	case !known || by.Reseller != o.Reseller:
		c.Add("with", "%.80q does not exist; see: steelyard offer list", with)
	case by.ID == o.ID:
		c.Add("with", "is the offer itself")
	case by.Kind != o.Kind:
		c.Add("with", "%s is of another kind (%s); choose one of kind %s", by.Name, by.Kind, o.Kind)
	case by.Retired:
		c.Add("with", "%s is retired; nobody new gets it", by.Name)
	}
}
