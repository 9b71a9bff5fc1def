package intake

import (
	"cmp"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
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
	roomFor := func(after *subscription.Subscription) error { return roomIn(tx, &before, after, use) }
	after, reached, err := followingWith(before, look.Offer, subscription.Around{Provision: p, Use: use}, out, now, roomFor)
	if err = cmp.Or(look.err, err); err != nil || same(before, after) {
		return false, err
	}
	return true, cmp.Or(putSubscription(tx, access.System, "subscription.follow", before, after, "", now), tellOveruse(tx, &after, reached, now))
}

// followingWith is [following], unless the reseller has no room for it: then the new editions of offers wait, and it is told, while all else is as it should be. room
// tells, with a refusal, whether he has.
func followingWith(before subscription.Subscription, find Finder, a subscription.Around, barred bool, now time.Time,
	room func(after *subscription.Subscription) error,
) (subscription.Subscription, []subscription.Over, error) {
	after, reached, behind := following(before, find, a, barred, now)
	if after.Counted, after.Held = after.Reseller != "", nil; !after.Counted || len(behind) == 0 {
		return after, reached, nil
	}
	err := room(&after)
	if !fault.Is(err, fault.KindRefused) {
		return after, reached, err
	}
	nothing := func(string) (plan.Offer, bool) { return plan.Offer{}, false }
	after, reached, _ = following(before, nothing, a, barred, now)
	after.Counted, after.Held = true, behind
	return after.Waits(now), reached, nil
}

// following is what becomes of a subscription by what is around it. One that holds the present editions of its offers is only looked at again:
// so what somebody took stays taken until a sync is asked for (rule P17). behind are the editions that it is brought to, by offer.
func following(s subscription.Subscription, find Finder, a subscription.Around, barred bool, now time.Time) (after subscription.Subscription, reached []subscription.Over, behind map[string]uint64) {
	before := s
	for _, offerID := range s.Offers() {
		o, known := find(offerID)
		if by, there := find(o.Successor); known && o.Successor != "" && there {
			s = s.Replace(offerID, by, a.Provision)
			o, behind = by, waitsFor(behind, offerID, by.Version)
		}
		if known && s.Version(o.ID) < o.Version {
			behind = waitsFor(behind, o.ID, o.Version)
		}
	}
	if len(behind) > 0 {
		s = s.Sync(find, a.Provision)
	}
	if s = s.Checked(a.Provision); len(behind) > 0 {
		s = s.Told(&before, now)
	}
	s = s.Expire(now).Judge(a.Use)
	if barred {
		s = s.Suspend(subscription.Reseller)
	} else {
		s = s.Unsuspend(subscription.Reseller)
	}
	s, reached = s.Warn(a.Use, now)
	return s, reached, behind
}

func waitsFor(behind map[string]uint64, offerID string, version uint64) map[string]uint64 {
	if behind == nil {
		behind = map[string]uint64{}
	}
	behind[offerID] = version
	return behind
}

// roomIn refuses what a subscription becomes where its reseller may not promise that much, as he is in a commit.
func roomIn(tx *store.Tx, before, after *subscription.Subscription, use subscription.Use) error {
	r, err := store.Resellers.Get(tx, reselling.Own(after.Reseller))
	if err != nil {
		return err
	}
	if r, err = withRetail(tx, r); err != nil {
		return err
	}
	return roomOf(&r, before, after, use)
}

// roomOf is roomIn for a reseller who was read.
func roomOf(r *reselling.Reseller, before, after *subscription.Subscription, use subscription.Use) error {
	was, is := *before, *after
	counted := shareOf(&was, use).promised
	was.Counted, is.Counted = true, true
	now, then := *r, *r
	now.Retail = r.Retail.Promise(counted, shareOf(&was, use).promised) // one that is not counted yet is no growth
	then.Retail = now.Retail.Promise(shareOf(&was, use).promised, shareOf(&is, use).promised)
	return then.CheckSold(&now)
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
	a := aroundIn(snap, s)
	after, _, _ := followingWith(*s, snapshot{snap}.Offer, a, barred, now, func(after *subscription.Subscription) error {
		r, _ := BooksIn(snap)(reselling.Own(s.Reseller))
		return roomOf(&r, s, after, a.Use)
	})
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
