package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

var someLimits = plan.Values{
	plan.DiskMiB: plan.Number(100), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(5), plan.MailingLists: plan.Number(0),
	plan.FTPLogins: plan.Number(0), plan.Subdomains: plan.Number(0), plan.Databases: plan.Number(1),
}

func (g *gate) offer(d OfferDraft) plan.Offer {
	g.t.Helper()
	if d.Values == nil {
		d.Values = someLimits
	}
	o, _, err := g.CreateOffer(context.Background(), ann, d)
	if err != nil {
		g.t.Fatal(err)
	}
	return o
}

func (g *gate) subscribed(d SubscriptionDraft) subscription.Subscription {
	g.t.Helper()
	s, _, err := g.Subscribe(context.Background(), ann, d)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

// followed lets a subscription follow, and insists that nothing is left to do then.
func (g *gate) followed(id string) {
	g.t.Helper()
	for range 2 {
		var done bool
		if err := g.change(context.Background(), func(tx *store.Tx) (err error) {
			done, err = FollowOffer(tx, id, g.now())
			return err
		}); err != nil {
			g.t.Fatal(err)
		}
		if s, _ := store.Subscriptions.View(g.store, id); !done && !Waiting(g.store.Snapshot(), s, g.now()) {
			return
		}
	}
	g.t.Errorf("%s follows for ever", id)
}

// uses is what is counted of an offer.
func (g *gate) uses(offerID string) uint64 {
	u, known := store.OfferUses.View(g.store, offerID)
	if !known {
		return 0
	}
	return u.Subscriptions
}

func fieldsIn(err error) (list []string) {
	var f *fault.Fault
	if errors.As(err, &f) {
		for _, field := range f.Fields {
			list = append(list, field.Name)
		}
	}
	return list
}

func TestC1_AResellerHasAnyNumberOfOffersOfHisOwn(t *testing.T) {
	g := openGate(t)
	acme, other := g.resold(draftFor("acme", "", 10)), g.resold(draftFor("other", "", 10))
	he := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme.Path}
	for i := range 5 {
		o, _, err := g.CreateOffer(context.Background(), he, OfferDraft{Name: fmt.Sprintf("Offer%d", i), Values: someLimits})
		if err != nil || o.Reseller != acme.Path || o.Kind != plan.Service || o.Version != 1 {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	_, _, foreign := g.CreateOffer(context.Background(), he, OfferDraft{Name: "Offer9", Values: someLimits, Reseller: other.ID})
	if got := fieldsIn(foreign); len(got) != 1 || got[0] != "reseller" {
		t.Errorf("for another reseller: %v", foreign)
	}
}

func TestC2_ANameIsUniqueWithoutRegardToCaseForEachReseller(t *testing.T) {
	g := openGate(t)
	acme := g.resold(draftFor("acme", "", 10))
	g.offer(OfferDraft{Name: "Gold"})
	g.offer(OfferDraft{Name: "gold", Reseller: acme.ID})
	_, _, err := g.CreateOffer(context.Background(), ann, OfferDraft{Name: "GOLD", Values: someLimits})
	if got := fieldsIn(err); len(got) != 1 || got[0] != "name" {
		t.Errorf("%v", err)
	}
	silver := g.offer(OfferDraft{Name: "Silver"})
	_, _, err = g.EditOffer(context.Background(), ann, silver.ID, AnyRevision, func(d OfferDraft) (OfferDraft, error) { d.Name = "gOLD"; return d, nil })
	if got := fieldsIn(err); len(got) != 1 || got[0] != "name" {
		t.Errorf("renamed: %v", err)
	}
}

// TestC7_TheCountIsExact after any deeds.
func TestC7_TheCountIsExact(t *testing.T) {
	g, r, ctx := openGate(t), rand.New(rand.NewPCG(7, 7)), context.Background()
	plans := []plan.Offer{g.offer(OfferDraft{Name: "A"}), g.offer(OfferDraft{Name: "B"})}
	addOns := []plan.Offer{g.offer(OfferDraft{Name: "X", Kind: plan.AddOn, Values: plan.Values{plan.Mailboxes: plan.Number(1)}}), g.offer(OfferDraft{Name: "Y", Kind: plan.AddOn, Values: plan.Values{plan.PHP: plan.Switched(true)}})}
	var subs []string
	for i := range 120 {
		some := func() string { return subs[r.IntN(len(subs))] }
		switch k := r.IntN(7); {
		case len(subs) < 3 || k == 0:
			subs = append(subs, g.subscribed(SubscriptionDraft{Name: fmt.Sprintf("s%d", i), Plan: plans[r.IntN(2)].ID}).ID)
		case k == 1:
			_, _, _ = g.SwitchPlan(ctx, ann, some(), plans[r.IntN(2)].ID)
		case k == 2 || k == 3:
			_, _, _ = g.AddAddOn(ctx, ann, some(), addOns[r.IntN(2)].ID)
		case k == 4:
			_, _, _ = g.RemoveAddOn(ctx, ann, some(), addOns[r.IntN(2)].ID)
		case k == 5:
			_, _, _ = g.Detach(ctx, ann, some(), "")
		default:
			at := r.IntN(len(subs))
			if _, err := g.Unsubscribe(ctx, ann, subs[at], AnyRevision); err != nil {
				t.Fatal(err)
			}
			subs = append(subs[:at], subs[at+1:]...)
		}
		want := map[string]uint64{}
		for item := range store.Subscriptions.Items(g.store.Snapshot()) {
			for _, offerID := range item.Value.Offers() {
				want[offerID]++
			}
		}
		for _, o := range append(plans, addOns...) {
			if got := g.uses(o.ID); got != want[o.ID] {
				t.Fatalf("after %d deeds offer %s is counted %d times; %d have it", i, o.Name, got, want[o.ID])
			}
		}
	}
}

func TestC8_AnOfferInUseIsNotDeletedAndNobodyIsZeroed(t *testing.T) {
	g, ctx := openGate(t), context.Background()
	gold, silver := g.offer(OfferDraft{Name: "Gold"}), g.offer(OfferDraft{Name: "Silver"})
	s := g.subscribed(SubscriptionDraft{Name: "shop.example.org", Plan: gold.ID})
	_, err := g.DeleteOffer(ctx, ann, gold.ID, AnyRevision)
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "shop.example.org") {
		t.Fatalf("%v", err)
	}
	if _, _, err := g.RetireOffer(ctx, ann, gold.ID, "old", true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.Subscribe(ctx, ann, SubscriptionDraft{Name: "late.example.org", Plan: gold.ID}); !fault.Is(err, fault.KindRefused) {
		t.Errorf("a retired offer was sold: %v", err)
	}
	if _, _, err := g.ReplaceOffer(ctx, ann, gold.ID, gold.ID, ""); len(fieldsIn(err)) != 1 {
		t.Errorf("replaced by itself: %v", err)
	}
	if _, _, err := g.ReplaceOffer(ctx, ann, gold.ID, silver.ID, "merge"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.DeleteOffer(ctx, ann, silver.ID, AnyRevision); !fault.Is(err, fault.KindRefused) {
		t.Errorf("the successor was deleted: %v", err)
	}
	g.followed(s.ID)
	if err := g.change(ctx, func(tx *store.Tx) error { return FinishReplace(tx, gold.ID, g.now()) }); err != nil {
		t.Fatal(err)
	}
	after, _ := store.Subscriptions.View(g.store, s.ID)
	if _, there := store.Offers.View(g.store, gold.ID); there || after.PlanName() != "Silver" || after.Values[plan.Mailboxes] != plan.Number(5) || g.uses(silver.ID) != 1 {
		t.Errorf("the old offer is there: %v; %+v", there, after)
	}
	if _, err := g.DeleteOffer(ctx, ann, silver.ID, AnyRevision); !fault.Is(err, fault.KindRefused) {
		t.Errorf("the successor, in use now, was deleted: %v", err)
	}
}

// TestP12_ThePreviewOfAnEditIsWhatTheFanOutDoes, through the store.
func TestP12_ThePreviewOfAnEditIsWhatTheFanOutDoes(t *testing.T) {
	g, ctx := openGate(t), context.Background()
	gold := g.offer(OfferDraft{Name: "Gold"})
	poor := hosting.Provision{Provided: protocol.Provided{Switches: map[string]bool{"databases": true, "disk_quota": true}}} // and no mail
	var ids []string
	for i, name := range []string{"plain", "pinned", "locked", "poor", "full"} {
		s := g.subscribed(SubscriptionDraft{Name: name + ".example", Plan: gold.ID})
		ids = append(ids, s.ID)
		if err := g.change(ctx, func(tx *store.Tx) error {
			if i == 3 {
				s.Server = "srv-poor"
				return errors.Join(store.Provisions.Put(tx, "srv-poor", poor), store.Subscriptions.Put(tx, s.ID, s))
			}
			if i == 4 {
				return store.SubscriptionUses.Put(tx, s.ID, subscription.Use{plan.DiskMiB: 60})
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	set := func(id, by string) {
		t.Helper()
		if _, _, err := g.SetValues(ctx, ann, id, plan.Values{plan.Mailboxes: plan.Number(2)}, by, ""); err != nil {
			t.Fatal(err)
		}
	}
	set(ids[1], plan.OfPin)
	set(ids[2], plan.OfOwn)
	edit := func(d OfferDraft) (OfferDraft, error) {
		values := plan.Values{}
		for name, v := range d.Values {
			values[name] = v
		}
		values[plan.Mailboxes], values[plan.DiskMiB] = plan.Number(20), plan.Number(50)
		d.Values = values
		return d, nil
	}
	told, err := g.PreviewOffer(gold.ID, edit)
	if err != nil || told.Subscriptions != 5 || told.Changed != 4 || told.Locked != 1 || told.OverLimit != 1 || told.Unsynced != 1 {
		t.Fatalf("%+v, %v", told, err)
	}
	before := map[string]subscription.Subscription{}
	for _, id := range ids {
		s, _ := store.Subscriptions.View(g.store, id)
		before[id] = *s
	}
	after, _, err := g.EditOffer(ctx, ann, gold.ID, AnyRevision, edit)
	if err != nil || after.Version != 2 {
		t.Fatalf("%+v, %v", after, err)
	}
	again, _, err := g.EditOffer(ctx, ann, gold.ID, AnyRevision, edit)
	if err != nil || again.Version != 2 {
		t.Errorf("an edit that changes nothing is a new version: %+v, %v", again, err)
	}
	for _, id := range ids {
		g.followed(id)
		s, _ := store.Subscriptions.View(g.store, id)
		for _, e := range told.Effects {
			if e.Subscription != id {
				continue
			}
			was := before[id]
			use, _ := store.SubscriptionUses.View(g.store, id)
			if use == nil {
				use = &subscription.Use{}
			}
			if now := subscription.Compare(&was, *s, *use); fmt.Sprint(now) != fmt.Sprint(e) {
				t.Errorf("%s: told %+v, happened %+v", s.Title(), e, now)
			}
		}
	}
	results := map[string]string{ids[0]: subscription.Synced, ids[2]: subscription.Skipped, ids[3]: subscription.Unsynced}
	for id, want := range results {
		if s, _ := store.Subscriptions.View(g.store, id); s.Result.Outcome != want {
			t.Errorf("%s: %+v, not %s", s.Title(), s.Result, want)
		}
	}
}

func TestP10_ADateSuspendsAndALaterOneLiftsIt(t *testing.T) {
	g, ctx := openGate(t), context.Background()
	s := g.subscribed(SubscriptionDraft{Name: "a.example", Values: someLimits})
	at := func(when time.Time) subscription.Subscription {
		t.Helper()
		s, _, err := g.EditSubscription(ctx, ann, s.ID, AnyRevision, func(d SubscriptionEdit) (SubscriptionEdit, error) { d.ExpiresAt = when; return d, nil })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := at(g.now().Add(-time.Minute)); s.Active() {
		t.Error("active after its date")
	}
	if _, _, err := g.Suspend(ctx, ann, s.ID, "", true); len(fieldsIn(err)) != 1 {
		t.Errorf("suspended without a reason: %v", err)
	}
	if _, _, err := g.Suspend(ctx, ann, s.ID, "unpaid", true); err != nil {
		t.Fatal(err)
	}
	if s := at(g.now().Add(time.Hour)); s.Active() || len(s.Suspended) != 1 {
		t.Errorf("%v", s.Suspended)
	}
	if s, _, err := g.Suspend(ctx, ann, s.ID, "", false); err != nil || !s.Active() {
		t.Errorf("%v, %v", s.Suspended, err)
	}
}

func TestC22_AccountDefaultsAreThoseOfEachReseller(t *testing.T) {
	g, ctx := openGate(t), context.Background()
	acme := g.resold(draftFor("acme", "", 10))
	he := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme.Path}
	d, owner, err := g.AccountDefaults(he, "")
	if err != nil || owner != acme.ID || d != asOffered {
		t.Fatalf("%+v, %s, %v", d, owner, err)
	}
	if err := g.SetAccountDefaults(ctx, he, "", plan.Defaults{DefaultMailbox: true, VirusScan: plan.On, IMAP: plan.Off}); len(fieldsIn(err)) != 1 {
		t.Errorf("a default mailbox without a name: %v", err)
	}
	want := plan.Defaults{DefaultMailbox: true, MailboxName: "info", VirusScan: plan.On, IMAP: plan.Off}
	if err := g.SetAccountDefaults(ctx, he, "", want); err != nil {
		t.Fatal(err)
	}
	if d, _, err := g.AccountDefaults(ann, acme.ID); err != nil || d != want {
		t.Errorf("%+v, %v", d, err)
	}
	if d, _, err := g.AccountDefaults(ann, ""); err != nil || d != asOffered {
		t.Errorf("the provider's are others: %+v, %v", d, err)
	}
}
