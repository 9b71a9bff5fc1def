package intake

import (
	"cmp"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
)

// FollowOffer brings one subscription to where everything around it is now, in one commit: offers that are being replaced give way to their
// successors (rule C8), newer editions reach it (P6), what its node provides is looked at again (P13), and the reasons for which it is suspended
// are judged (P10, P18): this is where an overuse begins and ends, whoever counted it. Who is to be told of it is told in the same commit. done tells that something became another. Repeated, it changes nothing: so a fan-out that stopped goes on by looking again.
func FollowOffer(tx *store.Tx, subscriptionID string, now time.Time) (done bool, err error) {
	before, known, err := store.Subscriptions.Find(tx, subscriptionID)
	if err != nil || !known {
		return false, err
	}
	p, err := provisionOf(tx, before.Server)
	if err != nil {
		return false, err
	}
	use, _, err := store.SubscriptionUses.Find(tx, before.ID)
	if err != nil {
		return false, err
	}
	out, err := barred(tx, before.Reseller)
	if err != nil {
		return false, err
	}
	look := &lookup{tx: tx}
	after, reached := following(before, look.Offer, subscription.Around{Provision: p, Use: use}, out, now)
	if look.err != nil || same(before, after) {
		return false, look.err
	}
	return true, cmp.Or(putSubscription(tx, access.System, "subscription.follow", before, after, "", now), tellOveruse(tx, &after, reached, now))
}

// following is what becomes of a subscription by what is around it. One that holds the present editions of its offers is only looked at again:
// so what somebody took stays taken until a sync is asked for (rule P17).
func following(s subscription.Subscription, find Finder, a subscription.Around, barred bool, now time.Time) (subscription.Subscription, []subscription.Over) {
	before := s
	behind := false
	for _, offerID := range s.Offers() {
		o, known := find(offerID)
		if by, there := find(o.Successor); known && o.Successor != "" && there {
			s = s.Replace(offerID, by, a.Provision)
			o, behind = by, true
		}
		behind = behind || known && s.Version(o.ID) < o.Version
	}
	if behind {
		s = s.Sync(find, a.Provision)
	}
	if s = s.Checked(a.Provision); behind {
		s = s.Told(&before, now)
	}
	s = s.Expire(now).Judge(a.Use)
	if barred {
		s = s.Suspend(subscription.Reseller)
	} else {
		s = s.Unsuspend(subscription.Reseller)
	}
	return s.Warn(a.Use, now)
}

// barred reports whether the reseller of a path, or one above him, is suspended.
func barred(tx *store.Tx, path string) (bool, error) {
	for id := reselling.Own(path); id != ""; {
		r, known, err := store.Resellers.Find(tx, id)
		if err != nil || !known {
			return false, err
		}
		if r.State == reselling.Suspended {
			return true, nil
		}
		id = r.Parent
	}
	return false, nil
}

// Waiting reports whether FollowOffer would change a subscription, as a snapshot shows everything around it.
func Waiting(snap *store.Snapshot, s *subscription.Subscription, now time.Time) bool {
	barred := false
	for id := reselling.Own(s.Reseller); id != ""; {
		r, known := store.Resellers.In(snap, id)
		if !known {
			break
		}
		barred = barred || r.State == reselling.Suspended
		id = r.Parent
	}
	after, _ := following(*s, snapshot{snap}.Offer, aroundIn(snap, s), barred, now)
	return !same(*s, after)
}

// FinishReplace deletes an offer that is being replaced once nobody has it any more. While somebody has, it does nothing.
func FinishReplace(tx *store.Tx, offerID string, now time.Time) error {
	o, known, err := store.Offers.Find(tx, offerID)
	if err != nil || !known || o.Successor == "" {
		return err
	}
	uses, _, err := store.OfferUses.Find(tx, offerID)
	if err != nil || uses.Subscriptions > 0 {
		return err
	}
	return dropOffer(tx, access.System, o, now)
}
