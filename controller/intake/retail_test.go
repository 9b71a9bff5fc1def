package intake

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// boundTo is what a reseller may have: servers and customers as he likes, disk space, traffic without limit, and mailboxes.
func boundTo(disk, boxes uint64) reselling.Limits {
	return reselling.Limits{
		reselling.Servers: reselling.NoLimit, reselling.Customers: reselling.NoLimit, reselling.Traffic: reselling.NoLimit,
		reselling.Disk: reselling.AtMost(disk), reselling.Mailboxes: reselling.AtMost(boxes),
	}
}

// shop is a reseller with an offer of 100 MiB and two mailboxes, and an add-on of one mailbox.
type shop struct {
	*gate
	r           reselling.Reseller
	gold, extra plan.Offer
}

func openShop(g *gate, name, parent string, limits reselling.Limits, oversell bool) *shop {
	g.t.Helper()
	s := &shop{gate: g, r: g.resold(ResellerDraft{Name: name, Company: name, Email: "ops@example.org", Parent: parent, Limits: limits, Oversell: oversell})}
	values := plan.Values{plan.DiskMiB: plan.Number(100), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(2)}.Complete()
	s.gold = g.offer(OfferDraft{Name: "Gold", Reseller: s.r.ID, Values: values})
	s.extra = g.offer(OfferDraft{Name: "Extra", Kind: plan.AddOn, Reseller: s.r.ID, Values: plan.Values{plan.Mailboxes: plan.Number(1)}})
	return s
}

func (s *shop) sell(domain string) (account.Account, error) {
	a, _, err := s.CreateAccount(context.Background(), ann, AccountDraft{Domain: domain, Offer: s.gold.ID, Reseller: s.r.ID})
	return a.Account, err
}

func (s *shop) mustSell(domain string) account.Account {
	s.t.Helper()
	a, err := s.sell(domain)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// stands is one limit of the reseller, as he sees it.
func (s *shop) stands(resource string) reselling.LimitStanding {
	s.t.Helper()
	st, err := s.StandingOfReseller(s.r.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(st.Limits, func(l reselling.LimitStanding) bool { return l.Resource == resource })
	return st.Limits[i]
}

func (s *shop) limits(l reselling.Limits, oversell bool) error {
	_, _, err := s.EditReseller(context.Background(), ann, s.r.ID, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) {
		d.Limits, d.Oversell = l, oversell
		return d, nil
	})
	return err
}

// full insists on a refusal that names the limit of a resource.
func (s *shop) full(what, resource string, err error) {
	s.t.Helper()
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), resource+": he may have ") || !strings.Contains(err.Error(), "steelyard reseller standing") {
		s.t.Errorf("%s: %v", what, err)
	}
}

// TestX12_WhatCustomersHaveCountsAgainstTheLimitsOfTheirReseller: each way in which it grows, and what is given back is there again.
func TestX12_WhatCustomersHaveCountsAgainstTheLimitsOfTheirReseller(t *testing.T) {
	g, ctx := openFarm(t, newState(t)), context.Background()
	s := openShop(g, "acme", "", boundTo(250, 6), false)
	a, _ := s.mustSell("one.example"), s.mustSell("two.example")
	_, err := s.sell("three.example")
	s.full("a third account", "disk_mib", err)
	if want := "disk_mib: he may have 250, 200 of it is promised, and it would be 300"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("%v does not say %q", err, want)
	}
	if _, known := store.Accounts.View(g.store, "x"); known || store.Accounts.Len(g.store.Snapshot()) != 2 {
		t.Error("something of what was refused is there")
	}
	pin := func(name string, v plan.Value) error {
		_, _, err := g.SetValues(ctx, ann, a.Subscription, plan.Values{name: v}, plan.OfPin, "")
		return err
	}
	s.full("a value without limit", "mailboxes", pin(plan.Mailboxes, plan.Unlimited()))
	if err := pin(plan.DiskMiB, plan.Number(150)); err != nil {
		t.Errorf("up to the limit: %v", err)
	}
	s.full("one more", "disk_mib", pin(plan.DiskMiB, plan.Number(151)))
	for i, want := range []bool{true, true} {
		if _, _, err := g.AddAddOn(ctx, ann, a.Subscription, s.extra.ID); (err == nil) != want {
			t.Errorf("add-on %d: %v", i, err)
		}
	}
	big := g.offer(OfferDraft{Name: "Big", Reseller: s.r.ID, Values: plan.Values{plan.DiskMiB: plan.Number(100), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(5)}.Complete()})
	_, _, err = g.SwitchPlan(ctx, ann, a.Subscription, big.ID)
	s.full("another plan", "mailboxes", err)
	_, _, err = g.CreateReseller(ctx, ann, ResellerDraft{Name: "sub", Company: "sub", Email: "ops@example.org", Parent: s.r.ID, Limits: reselling.Limits{reselling.Mailboxes: reselling.AtMost(2)}})
	if got := fieldsIn(err); !slices.Contains(got, "limits.mailboxes") {
		t.Errorf("a reseller below him: %v", err)
	}
	if got := fieldsIn(s.limits(boundTo(249, 6), false)); !slices.Equal(got, []string{"limits.disk_mib"}) {
		t.Errorf("lowered below what is promised: %v", got)
	}
	if _, _, err := g.PutMailbox(ctx, ann, a.ID, account.Mailbox{Address: "info"}, "", true); err != nil {
		t.Fatal(err)
	}
	want := reselling.LimitStanding{
		Resource: reselling.Mailboxes, Limit: reselling.AtMost(6), Origin: reselling.OfHand, Has: reselling.AtMost(5), Promised: reselling.AtMost(5), Below: reselling.AtMost(0), Used: 1,
	}
	if got := s.stands(reselling.Mailboxes); got != want {
		t.Errorf("the standing is %+v, not %+v", got, want)
	}
	if err := pin(plan.DiskMiB, plan.Number(10)); err != nil {
		t.Errorf("less: %v", err)
	}
	if _, _, err := g.RemoveAccount(ctx, ann, a.ID, "one.example", "over"); err != nil {
		t.Fatal(err)
	}
	if got := g.says(a.ID, protocol.HostedDone); got.State != account.Gone {
		t.Fatalf("it is %s", got.State)
	}
	if got := s.stands(reselling.Disk); got.Promised != reselling.AtMost(100) || s.stands(reselling.Domains).Used != 1 || s.stands(reselling.Mailboxes).Used != 0 {
		t.Errorf("after one went: %+v", got)
	}
	s.mustSell("three.example")
}

// TestX12_WhoOversellsIsHeldToWhatThereIs and so is who is above him; customers learn no figures.
func TestX12_WhoOversellsIsHeldToWhatThereIs(t *testing.T) {
	g, ctx := openFarm(t, newState(t)), context.Background()
	up := openShop(g, "up", "", boundTo(1000, 4), true)
	s := openShop(g, "acme", up.r.ID, boundTo(100, 3), true)
	one, two := s.mustSell("one.example"), s.mustSell("two.example") // 200 MiB and 4 mailboxes of 100 and 3
	box := func(actor access.Actor, a account.Account, name string) error {
		_, _, err := g.PutMailbox(ctx, actor, a.ID, account.Mailbox{Address: name}, "", true)
		return err
	}
	for i, err := range []error{box(ann, one, "a"), box(ann, one, "b"), box(ann, two, "a")} {
		if err != nil {
			t.Fatalf("mailbox %d: %v", i, err)
		}
	}
	s.full("a fourth mailbox", "mailboxes", box(ann, two, "b"))
	err := box(access.Actor{Name: "two", Role: access.RoleCustomer, Customer: two.Owner}, two, "b")
	if !fault.Is(err, fault.KindRefused) || strings.Contains(err.Error(), "acme") || strings.Contains(err.Error(), "3") {
		t.Errorf("a customer is told: %v", err)
	}
	top := up.mustSell("top.example")
	if err := box(ann, top, "a"); err != nil {
		t.Errorf("his fourth: %v", err)
	}
	up.full("his fifth", "mailboxes", box(ann, top, "b"))
	if err := s.limits(boundTo(100, 9), true); err != nil {
		t.Fatal(err)
	}
	up.full("of who is above", "mailboxes", box(ann, two, "b"))
	if got := s.stands(reselling.Disk); got.Promised != reselling.AtMost(200) || got.Over {
		t.Errorf("promised: %+v", got)
	}
	if err := s.limits(boundTo(100, 9), false); fieldsIn(err) == nil {
		t.Error("he stops overselling with more promised than he may")
	}
	if _, _, err := g.DropMailbox(ctx, ann, one.ID, "a"); err != nil {
		t.Fatal(err)
	}
	if err := box(ann, two, "b"); err != nil {
		t.Errorf("after one went: %v", err)
	}
	g.commit(func(tx *store.Tx) error { // somebody counted disk space
		sub, err := store.Subscriptions.Get(tx, one.Subscription)
		if err != nil {
			return err
		}
		return PutUse(tx, &sub, subscription.Use{plan.DiskMiB: 101})
	})
	if got := s.stands(reselling.Disk); got.Used != 101 || !got.Over || up.stands(reselling.Disk).Used != 101 {
		t.Errorf("used: %+v", got)
	}
	_, err = s.sell("three.example")
	s.full("nothing more is promised of what is used up", "disk_mib", err)
}

// TestP6_P12_AnEditThatAResellerHasNoRoomForWaits as its preview told, and reaches everybody when there is room; what was sold before it was counted is counted once.
func TestP6_P12_AnEditThatAResellerHasNoRoomForWaits(t *testing.T) {
	g, ctx := openFarm(t, newState(t)), context.Background()
	s := openShop(g, "acme", "", boundTo(1000, 8), false)
	var subs []string
	for i := range 3 {
		subs = append(subs, s.mustSell(fmt.Sprintf("s%d.example", i)).Subscription)
	}
	slices.Sort(subs)
	g.commit(func(tx *store.Tx) error { // as an older controller left it
		for _, id := range subs {
			sub, err := store.Subscriptions.Get(tx, id)
			if err != nil {
				return err
			}
			if sub.Counted = false; store.Subscriptions.Put(tx, id, sub) != nil {
				return fault.Internal("not stored")
			}
		}
		return store.Retails.Delete(tx, s.r.ID)
	})
	for range 2 {
		for _, id := range subs {
			g.followed(id)
		}
		if got := s.stands(reselling.Mailboxes); got.Promised != reselling.AtMost(6) || s.stands(reselling.Domains).Used != 3 {
			t.Fatalf("counted: %+v", got)
		}
	}
	edit := func(d OfferDraft) (OfferDraft, error) {
		d.Values = maps.Clone(d.Values)
		d.Values[plan.Mailboxes] = plan.Number(3)
		return d, nil
	}
	told, err := g.PreviewOffer(s.gold.ID, edit)
	if err != nil || told.Changed != 2 || told.Waiting != 1 {
		t.Fatalf("%+v, %v", told, err)
	}
	if _, _, err := g.EditOffer(ctx, ann, s.gold.ID, AnyRevision, edit); err != nil {
		t.Fatal(err)
	}
	outcomes := func() (synced, failed int) {
		for _, id := range subs {
			g.followed(id)
			switch v, _ := store.Subscriptions.View(g.store, id); v.Result.Outcome {
			case subscription.Synced:
				synced++
			case subscription.Failed:
				if failed++; v.Held[s.gold.ID] != 2 || v.Version(s.gold.ID) != 1 || v.Values.Of(plan.Mailboxes) != plan.Number(2) {
					t.Errorf("who waits: %+v", v)
				}
			}
		}
		return synced, failed
	}
	if synced, failed := outcomes(); synced != 2 || failed != 1 {
		t.Errorf("%d are synced and %d wait", synced, failed)
	}
	if _, _, err := g.Sync(ctx, ann, subs[2], ""); !fault.Is(err, fault.KindRefused) {
		t.Errorf("synced by hand: %v", err)
	}
	if err := s.limits(boundTo(1000, 9), false); err != nil {
		t.Fatal(err)
	}
	if synced, failed := outcomes(); synced != 3 || failed != 0 || s.stands(reselling.Mailboxes).Promised != reselling.AtMost(9) {
		t.Errorf("with room %d are synced and %d wait", synced, failed)
	}
}

// TestX12_TheLastOneGoesToOne of many who want it at once.
func TestX12_TheLastOneGoesToOne(t *testing.T) {
	g := openFarm(t, newState(t))
	s := openShop(g, "acme", "", boundTo(300, 100), false)
	var crowd sync.WaitGroup
	var won atomic.Int32
	for i := range 8 {
		crowd.Go(func() {
			_, err := s.sell(fmt.Sprintf("s%d.example", i))
			switch {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.KindRefused):
				t.Errorf("account %d: %v", i, err)
			}
		})
	}
	crowd.Wait()
	if got := s.stands(reselling.Disk); won.Load() != 3 || got.Promised != reselling.AtMost(300) || store.Accounts.Len(g.store.Snapshot()) != 3 {
		t.Errorf("%d won, and %+v", won.Load(), got)
	}
}

// TestX12_WhatIsSoldIsCountedWhateverHappens: after any deeds the records are what counting everything anew gives.
func TestX12_WhatIsSoldIsCountedWhateverHappens(t *testing.T) {
	g, ctx, rng := openFarm(t, newState(t)), context.Background(), rand.New(rand.NewPCG(6, 12))
	up := openShop(g, "up", "", boundTo(1500, 30), false)
	shops := []*shop{up, openShop(g, "acme", up.r.ID, boundTo(500, 9), false), openShop(g, "wild", up.r.ID, boundTo(300, 9), true)}
	refused, domain := 0, 0
	one := func() (account.Account, *shop) {
		var list []account.Account
		for i := range store.Accounts.Items(g.store.Snapshot()) {
			if i.Value.State != account.Gone {
				list = append(list, *i.Value)
			}
		}
		if len(list) == 0 {
			return account.Account{}, nil
		}
		a := list[rng.IntN(len(list))]
		i := slices.IndexFunc(shops, func(s *shop) bool { return s.r.Path == a.Reseller })
		return a, shops[i]
	}
	for range 70 {
		a, of := one()
		var err error
		switch n := rng.IntN(9); {
		case of == nil || n < 2:
			domain++
			_, err = shops[rng.IntN(len(shops))].sell(fmt.Sprintf("s%d.example", domain))
		case n == 2:
			_, _, err = g.SetValues(ctx, ann, a.Subscription, plan.Values{plan.DiskMiB: plan.Number(rng.Uint64N(300))}, plan.OfPin, "")
		case n == 3:
			_, _, err = g.AddAddOn(ctx, ann, a.Subscription, of.extra.ID)
		case n == 4:
			_, _, err = g.RemoveAddOn(ctx, ann, a.Subscription, of.extra.ID)
		case n == 5:
			_, _, err = g.PutMailbox(ctx, ann, a.ID, account.Mailbox{Address: fmt.Sprint("m", rng.IntN(3))}, "", true)
		case n == 6:
			_, _, err = g.DropMailbox(ctx, ann, a.ID, fmt.Sprint("m", rng.IntN(3)))
		case n == 7:
			domain++
			_, _, err = g.CreateForward(ctx, ann, ForwardDraft{Domain: fmt.Sprintf("f%d.example", domain), Account: a.ID})
		default:
			if _, _, err = g.RemoveAccount(ctx, ann, a.ID, a.Domain, "over"); err == nil {
				g.says(a.ID, protocol.HostedDone)
			}
		}
		if err != nil {
			refused++
		}
		counted(t, g)
	}
	if refused < 5 || domain < 10 {
		t.Errorf("%d refused of %d domains: too little was tried", refused, domain)
	}
}

// counted holds what is counted of each reseller against all subscriptions, and against his limits.
func counted(t *testing.T, g *gate) {
	t.Helper()
	snap, want := g.store.Snapshot(), map[string]reselling.Retail{}
	for item := range store.Subscriptions.Items(snap) {
		s := item.Value
		use, _ := found(store.SubscriptionUses.In(snap, s.ID))
		promised, used := s.Promises(), map[string]uint64{reselling.Subscriptions: 1}
		promised[reselling.Domains] = reselling.AtMost(use[reselling.Domains])
		maps.Copy(used, use)
		for at := s.Reseller; at != ""; at = parentOf(at) {
			r := want[reselling.Own(at)].Use(nil, used)
			if at == s.Reseller {
				r = r.Promise(nil, promised)
			}
			want[reselling.Own(at)] = r
		}
	}
	for item := range store.Resellers.Items(snap) {
		r := *item.Value
		got, _ := found(store.Retails.In(snap, r.ID))
		if w := want[r.ID]; len(got.Promised)+len(w.Promised) > 0 && !reflect.DeepEqual(got.Promised, w.Promised) || len(got.Used)+len(w.Used) > 0 && !reflect.DeepEqual(got.Used, w.Used) {
			t.Fatalf("%s counts %+v, and there is %+v", r.Name, got, w)
		}
		if r.Retail = got; len(r.OverLimits()) > 0 {
			t.Fatalf("%s has more than he may: %+v", r.Name, r.OverLimits())
		}
	}
}
