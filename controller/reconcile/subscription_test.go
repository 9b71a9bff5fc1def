package reconcile

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// seller is a world with offers and subscriptions.
type seller struct{ *world }

func inTrade(t *testing.T, f func(s *seller)) {
	t.Helper()
	inWorld(t, func(w *world) { f(&seller{w}) })
}

func (s *seller) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

func (s *seller) offer(d intake.OfferDraft) plan.Offer {
	s.t.Helper()
	if d.Values == nil {
		d.Values = plan.Values{plan.Mailboxes: plan.Number(5)}.Complete()
	}
	o, _, err := s.intake.CreateOffer(context.Background(), ann, d)
	s.ok(err)
	return o
}

func (s *seller) subscribe(d intake.SubscriptionDraft) string {
	s.t.Helper()
	sub, _, err := s.intake.Subscribe(context.Background(), ann, d)
	s.ok(err)
	return sub.ID
}

func (s *seller) sub(id string) subscription.Subscription {
	s.t.Helper()
	v, ok := store.Subscriptions.View(s.store, id)
	if !ok {
		s.t.Fatalf("subscription %s is not there", id)
	}
	return *v
}

func (s *seller) mailboxes(offer string, n uint64) {
	s.t.Helper()
	_, _, err := s.intake.EditOffer(context.Background(), ann, offer, intake.AnyRevision, func(d intake.OfferDraft) (intake.OfferDraft, error) {
		d.Values = plan.Values{plan.Mailboxes: plan.Number(n)}.Complete()
		return d, nil
	})
	s.ok(err)
}

// TestP6_AnEditReachesEverybodyWhoFollows some at a time; TestP8: but not who is locked.
func TestP6_AnEditReachesEverybodyWhoFollows(t *testing.T) {
	inTrade(t, func(s *seller) {
		gold := s.offer(intake.OfferDraft{Name: "Gold"})
		var ids []string
		for i := range fanOut + 50 {
			ids = append(ids, s.subscribe(intake.SubscriptionDraft{Name: fmt.Sprintf("s%d.example", i), Plan: gold.ID}))
		}
		_, _, err := s.intake.SetValues(context.Background(), ann, ids[7], plan.Values{plan.Databases: plan.Number(3)}, plan.OfOwn, "")
		s.ok(err)
		s.mailboxes(gold.ID, 9)
		time.Sleep(10 * fanOutPause)
		synctest.Wait()
		for i, id := range ids {
			got, want := s.sub(id), subscription.Synced
			if i == 7 {
				want = subscription.Skipped
			}
			if got.Result.Outcome != want || (got.Values[plan.Mailboxes] == plan.Number(9)) != (i != 7) {
				t.Fatalf("%d: %+v", i, got)
			}
		}
	})
}

func TestC8_ReplacingAnOfferMovesEverybodyAndThenItIsGone(t *testing.T) {
	inTrade(t, func(s *seller) {
		gold, silver, unused := s.offer(intake.OfferDraft{Name: "Gold"}), s.offer(intake.OfferDraft{Name: "Silver"}), s.offer(intake.OfferDraft{Name: "Unused"})
		var ids []string
		for i := range fanOut + 10 {
			ids = append(ids, s.subscribe(intake.SubscriptionDraft{Name: fmt.Sprintf("s%d.example", i), Plan: gold.ID}))
		}
		for _, old := range []string{gold.ID, unused.ID} {
			_, _, err := s.intake.ReplaceOffer(context.Background(), ann, old, silver.ID, "one is enough")
			s.ok(err)
		}
		time.Sleep(10 * fanOutPause)
		synctest.Wait()
		for _, old := range []string{gold.ID, unused.ID} {
			if o, there := store.Offers.View(s.store, old); there {
				t.Errorf("%+v is still there", o)
			}
		}
		for _, id := range ids {
			if got := s.sub(id); got.PlanName() != "Silver" || got.Values[plan.Mailboxes] != plan.Number(5) {
				t.Fatalf("%+v", got)
			}
		}
		if uses, _ := store.OfferUses.View(s.store, silver.ID); uses == nil || uses.Subscriptions != uint64(len(ids)) {
			t.Errorf("counted %+v", uses)
		}
	})
}

func TestP13_WhatANodeProvidesIsLookedAtWhenItChanges(t *testing.T) {
	inTrade(t, func(s *seller) {
		id := s.subscribe(intake.SubscriptionDraft{Name: "a.example", Plan: s.offer(intake.OfferDraft{Name: "Gold"}).ID})
		provide := func(mail bool) {
			s.change(func(tx *store.Tx) error {
				return store.Provisions.Put(tx, "srv-node", hosting.Provision{Provided: protocol.Provided{Switches: map[string]bool{"mail": mail, "disk_quota": true}}})
			})
			synctest.Wait()
		}
		s.change(func(tx *store.Tx) error {
			v := s.sub(id)
			v.Server = "srv-node"
			return store.Subscriptions.Put(tx, id, v)
		})
		provide(false)
		if got := s.sub(id); len(got.Unsynced) != 1 || got.Values[plan.Mailboxes] != plan.Number(0) {
			t.Errorf("%+v", got)
		}
		provide(true)
		if got := s.sub(id); len(got.Unsynced) != 0 || got.Values[plan.Mailboxes] != plan.Number(5) {
			t.Errorf("extended: %+v", got)
		}
	})
}

func TestP10_DateOveruseAndResellerSuspendByThemselves(t *testing.T) {
	inTrade(t, func(s *seller) {
		ctx := context.Background()
		r, _, err := s.intake.CreateReseller(ctx, ann, intake.ResellerDraft{Name: "acme", Company: "Acme", Email: "ops@example.org", Limits: reselling.Limits{reselling.Disk: reselling.NoLimit}})
		s.ok(err)
		normal := plan.Values{plan.DiskMiB: plan.Number(10), plan.Overuse: plan.Chosen(plan.Normal)}.Complete()
		id := s.subscribe(intake.SubscriptionDraft{
			Name: "a.example", Reseller: r.ID, ExpiresAt: time.Now().Add(time.Hour), Plan: s.offer(intake.OfferDraft{Name: "Gold", Reseller: r.ID, Values: normal}).ID,
		})
		use := func(mib uint64) {
			s.change(func(tx *store.Tx) error {
				return store.SubscriptionUses.Put(tx, id, subscription.Use{plan.DiskMiB: mib})
			})
		}
		state := func(to string) {
			_, _, err := s.intake.SetResellerState(ctx, ann, r.ID, to, "unpaid")
			s.ok(err)
		}
		want := func(when string, reasons ...string) {
			t.Helper()
			synctest.Wait()
			if got := s.sub(id); !slices.Equal(got.Suspended, reasons) {
				t.Errorf("%s: %v", when, got.Suspended)
			}
		}
		want("new")
		use(10)
		want("at the limit")
		use(11)
		want("over the limit", subscription.Overuse)
		state(reselling.Suspended)
		want("the reseller is suspended", subscription.Overuse, subscription.Reseller)
		time.Sleep(2 * time.Hour)
		want("its date is over", subscription.Expired, subscription.Overuse, subscription.Reseller)
		use(3)
		want("less", subscription.Expired, subscription.Reseller)
		state(reselling.Active)
		want("the reseller works", subscription.Expired)
		_, _, err = s.intake.EditSubscription(ctx, ann, id, intake.AnyRevision, func(d intake.SubscriptionEdit) (intake.SubscriptionEdit, error) {
			d.ExpiresAt = time.Time{}
			return d, nil
		})
		s.ok(err)
		want("no date")
	})
}

// TestP6_WhatWaitsForRoomIsReachedByItself when its reseller may promise more, or promises less.
func TestP6_WhatWaitsForRoomIsReachedByItself(t *testing.T) {
	inTrade(t, func(s *seller) {
		ctx := context.Background()
		bound := reselling.Limits{reselling.Disk: reselling.NoLimit, reselling.Traffic: reselling.NoLimit, reselling.Mailboxes: reselling.AtMost(20)}
		r, _, err := s.intake.CreateReseller(ctx, ann, intake.ResellerDraft{Name: "acme", Company: "Acme", Email: "ops@example.org", Limits: bound})
		s.ok(err)
		gold := s.offer(intake.OfferDraft{Name: "Gold", Reseller: r.ID})
		var ids []string
		for i := range 3 {
			ids = append(ids, s.subscribe(intake.SubscriptionDraft{Name: fmt.Sprintf("s%d.example", i), Reseller: r.ID, Plan: gold.ID}))
		}
		have := func(when string, n uint64, want int) {
			t.Helper()
			time.Sleep(10 * fanOutPause)
			synctest.Wait()
			got := 0
			for _, id := range ids {
				if v, ok := store.Subscriptions.View(s.store, id); ok && v.Values.Of(plan.Mailboxes) == plan.Number(n) && v.Result.Outcome == subscription.Synced {
					got++
				}
			}
			if got != want {
				t.Errorf("%s: %d have %d mailboxes, not %d", when, got, n, want)
			}
		}
		s.mailboxes(gold.ID, 7)
		have("room for two", 7, 2)
		bound[reselling.Mailboxes] = reselling.AtMost(21)
		_, _, err = s.intake.EditReseller(ctx, ann, r.ID, intake.AnyRevision, func(d intake.ResellerDraft) (intake.ResellerDraft, error) {
			d.Limits = bound
			return d, nil
		})
		s.ok(err)
		have("a higher limit", 7, 3)
		s.mailboxes(gold.ID, 8)
		have("none has room until", 8, 0)
		_, err = s.intake.Unsubscribe(ctx, ann, ids[0], intake.AnyRevision)
		s.ok(err)
		ids = ids[1:]
		have("one went", 8, 2)
	})
}

// TestP6_AnEditOfAResellerPlanReachesEverybody some at a time.
func TestP6_AnEditOfAResellerPlanReachesEverybody(t *testing.T) {
	inTrade(t, func(s *seller) {
		ctx := context.Background()
		p, _, err := s.intake.CreatePlan(ctx, ann, intake.PlanDraft{Name: "gold", Limits: reselling.Limits{reselling.Disk: reselling.AtMost(10)}})
		s.ok(err)
		var ids []string
		for i := range 20 {
			r, _, err := s.intake.CreateReseller(ctx, ann, intake.ResellerDraft{Name: fmt.Sprint("r", i), Company: "x", Email: "ops@example.org"})
			s.ok(err)
			_, _, err = s.intake.SignUp(ctx, ann, intake.SignUpDraft{Plan: p.ID, Reseller: r.ID})
			s.ok(err)
			ids = append(ids, r.ID)
		}
		has := func(when string, most uint64, version uint64) {
			t.Helper()
			time.Sleep(10 * fanOutPause)
			synctest.Wait()
			for _, id := range ids {
				if r, _ := store.Resellers.View(s.store, id); r.Limits[reselling.Disk] != reselling.AtMost(most) || r.Version != version || r.Reached.Outcome != reselling.Synced {
					t.Fatalf("%s: %+v", when, r)
				}
			}
		}
		has("signed up", 10, 1)
		_, _, err = s.intake.EditPlan(ctx, ann, p.ID, intake.AnyRevision, func(d intake.PlanDraft) (intake.PlanDraft, error) {
			d.Limits = reselling.Limits{reselling.Disk: reselling.AtMost(20)}
			return d, nil
		})
		s.ok(err)
		has("edited", 20, 2)
	})
}
