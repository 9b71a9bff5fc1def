package intake

import (
	"context"
	"reflect"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Finder finds the offer of an id.
type Finder = func(id string) (plan.Offer, bool)

// deed is what is done to a subscription whose node provides p. find reads offers in the same commit.
type deed func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error)

// do does one deed to a subscription in one commit. One that changes nothing leaves no trace.
func (in *Intake) do(ctx context.Context, actor access.Actor, action, subscriptionID, reason string, do deed) (s subscription.Subscription, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Subscriptions.Get(tx, subscriptionID)
		if err != nil {
			return err
		}
		p, err := provisionOf(tx, before.Server)
		if err != nil {
			return err
		}
		look := &lookup{tx: tx}
		s, err = do(before, look.Offer, p)
		if look.err != nil {
			return look.err
		}
		if err != nil || same(before, s) {
			return err
		}
		if s.Reseller == "" {
			return putSubscription(tx, actor, "subscription."+action, before, s, reason, now)
		}
		s.Counted, s.Held = true, nil
		if err := putSubscription(tx, actor, "subscription."+action, before, s, reason, now); err != nil {
			return err
		}
		before.Counted = true // what was there is no growth, counted or not
		return mayPromise(tx, actor, s.Reseller, shareOf(&before, nil), shareOf(&s, nil))
	})
	return s, rev, err
}

// same reports whether nothing became of a deed.
func same(a, b subscription.Subscription) bool {
	if len(a.Own)+len(b.Own) == 0 {
		a.Own, b.Own = nil, nil
	}
	if len(a.Accepted)+len(b.Accepted) == 0 {
		a.Accepted, b.Accepted = nil, nil
	}
	if len(a.AddOns)+len(b.AddOns) == 0 {
		a.AddOns, b.AddOns = nil, nil
	}
	if len(a.Suspended)+len(b.Suspended) == 0 {
		a.Suspended, b.Suspended = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// offered finds an offer that is sold by whose the subscription is; others do not exist.
func offered(s *subscription.Subscription, find Finder, field, offerID string) (plan.Offer, error) {
	o, known := find(offerID)
	if known && o.Reseller == s.Reseller {
		return o, nil
	}
	var c fault.Check
	c.Add(field, "%.80q is no offer of whose the subscription is; see: steelyard offer list", offerID)
	return o, c.Err("subscription %s stays as it is", s.Title())
}

// SwitchPlan gives a subscription another plan (rule P5).
func (in *Intake) SwitchPlan(ctx context.Context, actor access.Actor, subscriptionID, planID string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "switch", subscriptionID, "", func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error) {
		o, err := offered(&s, find, "plan", planID)
		if err != nil {
			return s, err
		}
		return s.Switch(o, p)
	})
}

// AddAddOn adds an add-on (rules P2, P5).
func (in *Intake) AddAddOn(ctx context.Context, actor access.Actor, subscriptionID, offerID string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "add", subscriptionID, "", func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error) {
		o, err := offered(&s, find, "offer", offerID)
		if err != nil {
			return s, err
		}
		return s.Add(o, p)
	})
}

// RemoveAddOn takes an add-on away; nothing of the customer's is deleted (rule P19).
func (in *Intake) RemoveAddOn(ctx context.Context, actor access.Actor, subscriptionID, offerID string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "remove", subscriptionID, "", func(s subscription.Subscription, _ Finder, p *plan.Provision) (subscription.Subscription, error) {
		return s.Remove(offerID, p), nil
	})
}

// Detach makes a subscription custom (rules P4, P5).
func (in *Intake) Detach(ctx context.Context, actor access.Actor, subscriptionID, reason string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "detach", subscriptionID, reason, func(s subscription.Subscription, _ Finder, p *plan.Provision) (subscription.Subscription, error) {
		return s.Detach(p), nil
	})
}

// SetValues gives a subscription values of its own: they lock it (rule P8), or are kept from sync alone when by is plan.OfPin (P8a), or are the
// subscriber's choice when it is plan.OfChosen (P11).
func (in *Intake) SetValues(ctx context.Context, actor access.Actor, subscriptionID string, values plan.Values, by, reason string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "set", subscriptionID, reason, func(s subscription.Subscription, _ Finder, p *plan.Provision) (subscription.Subscription, error) {
		return s.Set(values, by, p)
	})
}

// UnsetValues lets properties be again what the offers say.
func (in *Intake) UnsetValues(ctx context.Context, actor access.Actor, subscriptionID string, properties []string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "unset", subscriptionID, "", func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error) {
		return s.Unset(properties, p).Sync(find, p), nil
	})
}

// Unlock gives up the values that locked a subscription, and syncs it.
func (in *Intake) Unlock(ctx context.Context, actor access.Actor, subscriptionID, reason string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "unlock", subscriptionID, reason, func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error) {
		return s.Unlock(p).Sync(find, p), nil
	})
}

// Sync brings a subscription to the present editions of its offers (rules P6, P14, P17), and keeps how that ended.
func (in *Intake) Sync(ctx context.Context, actor access.Actor, subscriptionID, reason string) (subscription.Subscription, int64, error) {
	now := in.now()
	return in.do(ctx, actor, "sync", subscriptionID, reason, func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error) {
		after := s.Sync(find, p)
		return after.Told(&s, now), nil
	})
}

// Take accepts what is available instead of what is promised (rule P15).
func (in *Intake) Take(ctx context.Context, actor access.Actor, subscriptionID, reason string) (subscription.Subscription, int64, error) {
	return in.do(ctx, actor, "take", subscriptionID, reason, func(s subscription.Subscription, find Finder, p *plan.Provision) (subscription.Subscription, error) {
		return s.Sync(find, p).Take(p), nil
	})
}

// Suspend suspends a subscription by hand, or lifts that; other reasons stay (rule P10).
func (in *Intake) Suspend(ctx context.Context, actor access.Actor, subscriptionID, reason string, suspended bool) (subscription.Subscription, int64, error) {
	action := map[bool]string{true: "suspend", false: "unsuspend"}[suspended]
	if suspended {
		if err := needReason(reason, "the customer will ask"); err != nil {
			return subscription.Subscription{}, 0, err
		}
	}
	return in.do(ctx, actor, action, subscriptionID, reason, func(s subscription.Subscription, _ Finder, _ *plan.Provision) (subscription.Subscription, error) {
		if suspended {
			return s.Suspend(subscription.Manual), nil
		}
		return s.Unsuspend(subscription.Manual), nil
	})
}

// Standing is a subscription seen from all sides: where each value comes from, what a sync would do now, and what is over its limit.
type Standing struct {
	Subscription string                `json:"subscription"`
	Title        string                `json:"title"`
	Values       []plan.Effective      `json:"values"`
	Conflicts    []plan.Deviation      `json:"conflicts" doc:"What a sync would find now (P14): each promise that cannot be kept, and the value that is available instead."`
	Changes      []subscription.Change `json:"changes" doc:"What a sync would change now."`
	OverLimit    []subscription.Over   `json:"over_limit" doc:"Of which there is more than the limit (C23)."`
	Use          subscription.Use      `json:"use,omitempty" doc:"How much there is, as far as it is counted."`
	Behind       []string              `json:"behind" doc:"Offers of which a newer edition waits to reach it."`
}

// StandingOf looks at a subscription as it is now; it changes nothing.
func (in *Intake) StandingOf(subscriptionID string) (st Standing, err error) {
	snap := in.store.Snapshot()
	s, known := found(store.Subscriptions.In(snap, subscriptionID))
	if !known {
		return st, fault.NotFound("subscription %.80s does not exist", subscriptionID)
	}
	a := aroundIn(snap, &s)
	find := snapshot{snap}.Offer
	after := s.Sync(find, a.Provision)
	e := subscription.Compare(&s, after, a.Use)
	st = Standing{
		Subscription: s.ID, Title: s.Title(), Values: s.Effective(), Conflicts: slices.Concat([]plan.Deviation{}, after.Unsynced),
		Changes: slices.Concat([]subscription.Change{}, e.Changes), OverLimit: slices.Concat([]subscription.Over{}, s.OverLimit(a.Use)), Use: a.Use, Behind: []string{},
	}
	for _, offerID := range s.Offers() {
		if o, there := find(offerID); there && s.Version(offerID) < o.Version {
			st.Behind = append(st.Behind, offerID)
		}
	}
	return st, nil
}
