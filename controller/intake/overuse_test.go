package intake

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
)

// letters are all that were posted: to whom, and what they say.
func (g *gate) letters() (list []string) {
	snap := g.store.Snapshot()
	for i := range store.Deliveries.Items(snap) {
		if l, ok := store.Letters.In(snap, i.ID); ok {
			list = append(list, i.Value.To+": "+i.Value.Event.Data.Subject+"\n"+l.Body)
		}
	}
	slices.Sort(list)
	return list
}

// TestP18_CustomerAndResellerGetALetterAtTheLimit: one for each limit and month, with what there is to know and to do; whoever reports, however often.
func TestP18_CustomerAndResellerGetALetterAtTheLimit(t *testing.T) {
	g := openFarm(t, newState(t))
	clock := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	offer := plan.Offer{ID: "ofr-told", Kind: plan.Service, Name: "Told", Reseller: "res-1", Version: 1, Values: plan.Values{
		plan.DiskMiB: plan.Number(100), plan.TrafficMiB: plan.Number(500), plan.Overuse: plan.Chosen(plan.Notify),
	}.Complete()}
	g.commit(func(tx *store.Tx) error {
		return cmp.Or(store.Offers.Put(tx, offer.ID, offer),
			store.Resellers.Put(tx, "res-1", reselling.Reseller{ID: "res-1", Path: "res-1", Name: "acme", Email: "office@acme.test", State: reselling.Active, Limits: reselling.Limits{reselling.Disk: reselling.NoLimit, reselling.Traffic: reselling.NoLimit}}),
			store.Customers.Put(tx, "cus-3", reselling.Customer{ID: "cus-3", Name: "three", Reference: "cus-3", Email: "three@customer.test", Reseller: "res-1", State: reselling.Active}))
	})
	s := g.subscribed(SubscriptionDraft{Name: "a.example", Reseller: "res-1", Customer: "cus-3", Plan: offer.ID})
	reported := func(use subscription.Use, letters int) []string {
		t.Helper()
		for range 2 { // every report comes twice
			g.commit(func(tx *store.Tx) error {
				if err := store.SubscriptionUses.Put(tx, s.ID, use); err != nil {
					return err
				}
				_, err := FollowOffer(tx, s.ID, clock)
				return err
			})
		}
		got := g.letters()
		if len(got) != letters {
			t.Fatalf("with %v there are %d letters, not %d:\n%s", use, len(got), letters, strings.Join(got, "\n"))
		}
		return got
	}
	reported(subscription.Use{plan.DiskMiB: 99}, 0)
	got := reported(subscription.Use{plan.DiskMiB: 100}, 2)
	for i, words := range [][]string{
		{"office@acme.test: a.example has reached", "customer of yours", "100 MiB are used, the limit is 100 MiB", "steelyard subscription standing " + s.ID},
		{"three@customer.test: a.example has reached", "a.example (Told)", "100 MiB are used, the limit is 100 MiB", "can be stored", "Delete what is not needed", "who sold it to you"},
	} {
		for _, w := range words {
			if !strings.Contains(got[i], w) {
				t.Errorf("it does not say %q:\n%s", w, got[i])
			}
		}
	}
	reported(subscription.Use{plan.DiskMiB: 50}, 2)
	reported(subscription.Use{plan.DiskMiB: 100}, 2)
	if got := reported(subscription.Use{plan.DiskMiB: 100, plan.TrafficMiB: 501}, 4); !strings.Contains(fmt.Sprint(got), "501 MiB were transferred in this month, the limit is 500 MiB a month") {
		t.Errorf("traffic: %s", got)
	}
	g.commit(func(tx *store.Tx) error { // another limit is another letter
		offer.Values, offer.Version = maps.Clone(offer.Values), 2
		offer.Values[plan.DiskMiB] = plan.Number(80)
		return store.Offers.Put(tx, offer.ID, offer)
	})
	reported(subscription.Use{plan.DiskMiB: 100, plan.TrafficMiB: 501}, 6)
	clock = clock.AddDate(0, 1, 0)
	reported(subscription.Use{plan.DiskMiB: 100, plan.TrafficMiB: 3}, 8)
	if v, _ := store.Subscriptions.View(g.store, s.ID); !v.Active() {
		t.Errorf("who is told is suspended: %v", v.Suspended)
	}
}
