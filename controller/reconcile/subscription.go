package reconcile

import (
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// An edit of an offer reaches everybody who has it (rule P6) some at a time: so it leaves room for everything else, and who comes after a crash
// sees in the subscriptions themselves who was reached.
const (
	fanOut      = 256
	fanOutPause = time.Second
)

// subscription brings one to where everything around it is, in one commit, and looks again when its date is over.
func (r *Reconciler) subscription(ctx context.Context, subscriptionID string) (next time.Time, err error) {
	s, ok := store.Subscriptions.View(r.store, subscriptionID)
	if !ok {
		return time.Time{}, nil
	}
	now := r.now()
	if intake.Waiting(r.store.Snapshot(), s, now) {
		if err := r.change(ctx, func(tx *store.Tx) error {
			_, err := intake.FollowOffer(tx, subscriptionID, now)
			return err
		}); err != nil {
			return time.Time{}, err
		}
	}
	if now.Before(s.ExpiresAt) {
		next = s.ExpiresAt
	}
	return next, nil
}

// reach sees to it that everybody who has one is reached by its present edition, or gets its successor; then one that is replaced goes (rule C8).
func (r *Reconciler) reach(ctx context.Context, offerID string) (next time.Time, err error) {
	o, ok := store.Offers.View(r.store, offerID)
	if !ok {
		return time.Time{}, nil
	}
	version := o.Version
	if by, there := store.Offers.View(r.store, o.Successor); o.Successor != "" && there {
		version = by.Version
	}
	wants := func(s *subscription.Subscription) bool { return unreached(s, o) && s.Held[offerID] < version }
	if next := fan(r, store.Subscriptions, store.SubscriptionsTo, offerID, wants); !next.IsZero() {
		return next, nil
	}
	if o.Successor == "" {
		return time.Time{}, nil
	}
	now := r.now()
	if err := r.change(ctx, func(tx *store.Tx) error { return intake.FinishReplace(tx, offerID, now) }); err != nil {
		return time.Time{}, err
	}
	if _, there := store.Offers.View(r.store, offerID); there { // somebody got it at the last moment
		next = now.Add(fanOutPause)
	}
	return next, nil
}

// fan looks at some of those that an index leads to and that want it, and tells when to go on; the zero time is when all were reached.
func fan[V any](r *Reconciler, table store.Table[V], index, key string, wants func(*V) bool) (next time.Time) {
	n := 0
	for item := range table.Lookup(r.store.Snapshot(), index, key) {
		if !wants(item.Value) {
			continue
		}
		if n++; n > r.fanOut {
			break
		}
		r.queue.add(table.Name() + "/" + item.ID)
	}
	if n == 0 {
		return time.Time{}
	}
	return r.now().Add(fanOutPause)
}

// unreached reports whether an offer has something new for a subscription. A locked one was reached once that was told. One that waits until its reseller has room for it
// is looked at when he may have, see roomAt.
func unreached(s *subscription.Subscription, o *plan.Offer) bool {
	if o.Successor != "" {
		return true
	}
	return s.Version(o.ID) < o.Version && (!s.Locked || s.Result.Outcome != subscription.Skipped)
}

// provided looks at the subscriptions on a node whose capabilities are others now (rule P13).
func (r *Reconciler) provided(server string) {
	for item := range store.Subscriptions.Lookup(r.store.Snapshot(), store.SubscriptionsOn, server) {
		r.queue.add(store.Subscriptions.Name() + "/" + item.ID)
	}
}

// suspendedBelow looks at the subscriptions of a reseller and of those below him, when some are not as his state says (rule P10).
func (r *Reconciler) suspendedBelow(resellerID string) {
	of, ok := store.Resellers.View(r.store, resellerID)
	if !ok {
		return
	}
	for item := range store.Subscriptions.Items(r.store.Snapshot()) {
		if path := item.Value.Reseller; path == of.Path || strings.HasPrefix(path, of.Path+"/") {
			told := len(item.Value.Suspended) > 0
			if told || of.State == reselling.Suspended {
				r.queue.add(store.Subscriptions.Name() + "/" + item.ID)
			}
		}
	}
}
