package reconcile

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// reachResellers sees to it that everybody who has a plan is reached by its present edition (rule P6), some at a time, as an edit of an offer
// reaches its subscriptions.
func (r *Reconciler) reachResellers(planID string) (next time.Time) {
	p, ok := store.ResellerPlans.View(r.store, planID)
	if !ok {
		return time.Time{}
	}
	return fan(r, store.Resellers, store.ResellersTo, planID, func(v *reselling.Reseller) bool { return v.Version != p.Version })
}

// reseller brings one to where his plan is, in one commit.
func (r *Reconciler) reseller(ctx context.Context, resellerID string) error {
	v, ok := store.Resellers.View(r.store, resellerID)
	now := r.now()
	if !ok || !intake.Trailing(r.store.Snapshot(), v, now) {
		return nil
	}
	return r.change(ctx, func(tx *store.Tx) error {
		_, err := intake.FollowPlan(tx, resellerID, now)
		return err
	})
}

// shortBelow looks at those directly below a reseller who did not get what their plan says, because he had no more.
func (r *Reconciler) shortBelow(resellerID string) {
	for item := range store.Resellers.Lookup(r.store.Snapshot(), store.ResellersShort, resellerID) {
		r.queue.add(store.Resellers.Name() + "/" + item.ID)
	}
}

// roomAt looks in a while at what waits until a reseller may promise more, if anything does: what he has, or may have, is another. The while is there because each
// account that is made or changed makes it another.
func (r *Reconciler) roomAt(resellerID string) {
	for range store.Subscriptions.Lookup(r.store.Snapshot(), store.SubscriptionsHeld, resellerID) {
		r.queue.addAt(store.Retails.Name()+"/"+resellerID, r.now().Add(fanOutPause))
		return
	}
	r.shortBelow(resellerID)
}

// room looks at subscriptions and resellers that wait for what a reseller may promise.
func (r *Reconciler) room(resellerID string) {
	snap, now := r.store.Snapshot(), r.now()
	for item := range store.Subscriptions.Lookup(snap, store.SubscriptionsHeld, resellerID) {
		if intake.Waiting(snap, item.Value, now) {
			r.queue.add(store.Subscriptions.Name() + "/" + item.ID)
		}
	}
	r.shortBelow(resellerID)
}
