package subscription

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
)

// gold is a service plan with some of everything; node provides all of it.
func gold() plan.Offer {
	return plan.Offer{ID: "ofr_gold", Kind: plan.Service, Name: "Gold", Version: 1, Values: plan.Values{
		plan.DiskMiB: plan.Number(1000), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(10), plan.MailingLists: plan.Number(1), plan.FTPLogins: plan.Number(2),
		plan.Subdomains: plan.Number(5), plan.Databases: plan.Number(1), plan.PHP: plan.Switched(true), plan.VirusScan: plan.Switched(false), plan.IMAP: plan.Switched(true),
		plan.Shell: plan.Chosen(plan.NoShell), plan.Overuse: plan.Chosen(plan.Block),
	}}
}

func silver() plan.Offer {
	o := gold()
	o.ID, o.Name = "ofr_silver", "Silver"
	o.Values = plan.Values{plan.DiskMiB: plan.Number(100), plan.Mailboxes: plan.Number(3)}.Complete()
	return o
}

func mail10() plan.Offer {
	return plan.Offer{ID: "ofr_mail", Kind: plan.AddOn, Name: "Mail10", Version: 1, Values: plan.Values{plan.Mailboxes: plan.Number(10)}}
}

func scan() plan.Offer {
	return plan.Offer{ID: "ofr_scan", Kind: plan.AddOn, Name: "Scan", Version: 1, Values: plan.Values{plan.VirusScan: plan.Switched(true)}}
}

func everything() *plan.Provision {
	p := &plan.Provision{Most: plan.Values{}}
	for _, prop := range plan.Table {
		switch prop.Kind {
		case plan.KindLimit:
			p.Most[prop.Name] = plan.Unlimited()
		case plan.KindSwitch:
			p.Most[prop.Name] = plan.Switched(true)
		}
	}
	p.Most[plan.Shell], p.Most[plan.Overuse] = plan.Chosen(plan.Bash), plan.Chosen(plan.Block)
	return p
}

func without(values plan.Values) *plan.Provision {
	p := everything()
	for name, v := range values {
		p.Most[name] = v
	}
	return p
}

func offers(list ...plan.Offer) func(string) (plan.Offer, bool) {
	return func(id string) (plan.Offer, bool) {
		for _, o := range list {
			if o.ID == id {
				return o, true
			}
		}
		return plan.Offer{}, false
	}
}

func edited(o plan.Offer, values plan.Values) plan.Offer {
	all := o.Values
	o.Values, o.Version = plan.Values{}, o.Version+1
	for name, v := range all {
		o.Values[name] = v
	}
	for name, v := range values {
		o.Values[name] = v
	}
	return o
}

func bought(t *testing.T, o plan.Offer, addOns ...plan.Offer) Subscription {
	t.Helper()
	s, err := New(Subscription{ID: "sub_1", Name: "example.org"}, &o, addOns, nil, everything())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T) func(Subscription, error) Subscription {
	return func(s Subscription, err error) Subscription {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestP1_ASubscriptionHasWhatItsPlanPromises(t *testing.T) {
	s := bought(t, gold())
	if !reflect.DeepEqual(s.Values, gold().Values) || s.Locked || s.Unsynced != nil || !s.Active() {
		t.Errorf("%+v", s)
	}
}

func TestP2_EachAddOnIsThereAtMostOnce(t *testing.T) {
	s := bought(t, gold(), mail10(), scan())
	s = must(t)(s.Add(mail10(), everything()))
	if s.Values[plan.Mailboxes] != plan.Number(20) || len(s.AddOns) != 2 || !s.Values[plan.VirusScan].On {
		t.Errorf("%v with %v", s.Values, s.AddOns)
	}
	for name, try := range map[string]func() error{
		"a service plan as an add-on": func() error { _, err := s.Add(silver(), nil); return err },
		"an add-on as a plan":         func() error { _, err := s.Switch(scan(), nil); return err },
		"a retired add-on": func() error {
			o := scan()
			o.ID, o.Retired = "other", true
			_, err := s.Add(o, nil)
			return err
		},
		"a retired plan": func() error {
			o := silver()
			o.Retired = true
			_, err := s.Switch(o, nil)
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestP3_TheTitleShowsThePlanInBrackets(t *testing.T) {
	s := bought(t, gold())
	if s.Title() != "example.org (Gold)" {
		t.Error(s.Title())
	}
	if s = must(t)(s.Switch(silver(), nil)); s.Title() != "example.org (Silver)" {
		t.Error(s.Title())
	}
}

func TestP4_WithoutAPlanItIsCustomAndHasNoAddOns(t *testing.T) {
	s := bought(t, gold(), mail10()).Detach(everything())
	if s.Title() != "example.org (Custom)" || len(s.AddOns) != 0 || s.Locked || s.Values[plan.Mailboxes] != plan.Number(20) {
		t.Errorf("%+v", s)
	}
	if _, err := s.Add(mail10(), nil); err == nil || !strings.Contains(err.Error(), "no plan") {
		t.Errorf("it got an add-on: %v", err)
	}
	if _, err := New(Subscription{}, nil, []plan.Offer{mail10()}, nil, nil); err == nil {
		t.Error("a new one got an add-on")
	}
	made := must(t)(New(Subscription{Name: "x"}, nil, nil, plan.Values{plan.DiskMiB: plan.Number(7)}, nil))
	if made.Values[plan.DiskMiB] != plan.Number(7) || made.Values[plan.Mailboxes] != plan.Number(0) || made.PlanName() != Custom || made.Locked {
		t.Errorf("%+v", made)
	}
	if _, err := New(Subscription{}, nil, nil, plan.Values{"colour": plan.Chosen("red")}, nil); err == nil {
		t.Error("a property that there is not was taken")
	}
	if again := made.Sync(offers(gold()), everything()); !reflect.DeepEqual(again.Values, made.Values) {
		t.Errorf("a sync changed it: %+v", again.Values)
	}
}

func TestP5_PlanAndAddOnsChangeAtAnyTime(t *testing.T) {
	s := bought(t, gold(), mail10())
	s = must(t)(s.Set(plan.Values{plan.Databases: plan.Number(9)}, plan.OfOwn, nil))
	s = must(t)(s.Set(plan.Values{plan.Subdomains: plan.Number(7)}, plan.OfPin, nil))
	s = must(t)(s.Switch(silver(), everything()))
	if s.Locked || s.Values[plan.Databases] != plan.Number(0) || s.Values[plan.Subdomains] != plan.Number(7) || s.Values[plan.Mailboxes] != plan.Number(13) {
		t.Errorf("after the switch: %+v", s)
	}
	s = s.Remove("ofr_mail", nil)
	if s.Values[plan.Mailboxes] != plan.Number(3) || !reflect.DeepEqual(s, s.Remove("ofr_mail", nil)) {
		t.Errorf("without the add-on: %+v", s)
	}
	if s = must(t)(s.Detach(nil).Switch(gold(), nil)); s.Values[plan.Subdomains] != plan.Number(5) {
		t.Errorf("from custom to a plan: %+v", s.Values)
	}
}

func TestP6_AnEditReachesWhoFollowsOnlyWhenHeIsSynced(t *testing.T) {
	s, more := bought(t, gold(), mail10()), edited(gold(), plan.Values{plan.Mailboxes: plan.Number(50)})
	if again := s.Checked(everything()); again.Values[plan.Mailboxes] != plan.Number(20) {
		t.Error("the edit reached it without a sync")
	}
	if !s.Behind(&more) {
		t.Error("it is not behind")
	}
	for _, find := range []func(string) (plan.Offer, bool){offers(more), offers(more, mail10())} { // an add-on that is gone stays as it was
		now := s.Sync(find, everything())
		if now.Values[plan.Mailboxes] != plan.Number(60) || now.Behind(&more) || now.Version("ofr_gold") != 2 {
			t.Errorf("%+v", now)
		}
	}
	now := s.Sync(offers(gold(), edited(mail10(), plan.Values{plan.Mailboxes: plan.Unlimited()})), everything())
	if now.Values[plan.Mailboxes] != plan.Unlimited() || now.Version("ofr_mail") != 2 {
		t.Errorf("an edit of the add-on: %+v", now)
	}
}

func TestP8_AValueOfItsOwnLocksAndALockedOneIsLeftAlone(t *testing.T) {
	s := must(t)(bought(t, gold()).Set(plan.Values{plan.Databases: plan.Number(9)}, plan.OfOwn, everything()))
	if !s.Locked || s.Values[plan.Databases] != plan.Number(9) {
		t.Fatalf("%+v", s)
	}
	more := edited(gold(), plan.Values{plan.Mailboxes: plan.Number(50), plan.Databases: plan.Number(2)})
	if !reflect.DeepEqual(s.Sync(offers(more), everything()), s) || s.Behind(&more) {
		t.Error("a sync reached it")
	}
	free := s.Unlock(everything())
	if free.Locked || free.Values[plan.Databases] != plan.Number(1) {
		t.Errorf("unlocked: %+v", free)
	}
	if free = free.Sync(offers(more), everything()); free.Values[plan.Mailboxes] != plan.Number(50) || free.Values[plan.Databases] != plan.Number(2) {
		t.Errorf("synced again: %+v", free)
	}
	if s = s.Unset([]string{plan.Databases}, nil); s.Locked || s.Values[plan.Databases] != plan.Number(1) {
		t.Errorf("without its own value: %+v", s)
	}
}

func TestP8a_APinKeepsOnlyItsProperty(t *testing.T) {
	s := must(t)(bought(t, gold()).Set(plan.Values{plan.Databases: plan.Number(9)}, plan.OfPin, everything()))
	more := edited(gold(), plan.Values{plan.Mailboxes: plan.Number(50), plan.Databases: plan.Number(2)})
	s = s.Sync(offers(more), everything())
	if s.Locked || s.Values[plan.Databases] != plan.Number(9) || s.Values[plan.Mailboxes] != plan.Number(50) {
		t.Errorf("%+v", s)
	}
	if s = s.Unset([]string{plan.Databases}, nil); s.Values[plan.Databases] != plan.Number(2) {
		t.Errorf("unpinned: %+v", s)
	}
}

func TestP11_WhatTheSubscriberMayChangeIsIgnoredBySync(t *testing.T) {
	o := gold()
	o.Changeable = []string{plan.PHP, plan.IMAP}
	s := bought(t, o)
	if _, err := s.Set(plan.Values{plan.Shell: plan.Chosen(plan.Bash)}, plan.OfChosen, nil); err == nil {
		t.Error("he changed what the plan does not let him")
	}
	s = must(t)(s.Set(plan.Values{plan.PHP: plan.Switched(false)}, plan.OfChosen, nil))
	if s.Locked || s.Values[plan.PHP].On {
		t.Errorf("%+v", s)
	}
	now := s.Sync(offers(edited(o, plan.Values{plan.PHP: plan.Switched(true), plan.IMAP: plan.Switched(false), plan.Mailboxes: plan.Number(1)})), nil)
	if now.Values[plan.PHP].On || !now.Values[plan.IMAP].On || now.Values[plan.Mailboxes] != plan.Number(1) {
		t.Errorf("what he may change did not stay, or something else did: %+v", now.Values)
	}
	stern := edited(o, plan.Values{plan.IMAP: plan.Switched(false)})
	stern.Changeable = nil
	if now = now.Sync(offers(stern), nil); !now.Values[plan.PHP].On || now.Values[plan.IMAP].On {
		t.Errorf("what he may change no longer stayed: %+v", now.Values)
	}
}

func TestP9_WhatCannotBeProvidedMakesItUnsynced(t *testing.T) {
	node := without(plan.Values{plan.VirusScan: plan.Switched(false)})
	for name, s := range map[string]func() (Subscription, error){
		"at creation (P13)": func() (Subscription, error) {
			o := gold()
			return New(Subscription{}, &o, []plan.Offer{scan()}, nil, node)
		},
		"when an add-on comes (P13)":     func() (Subscription, error) { return bought(t, gold()).Add(scan(), node) },
		"when the plan is another (P13)": func() (Subscription, error) { return bought(t, silver()).Switch(edited(gold(), scan().Values), node) },
		"when the plan was edited": func() (Subscription, error) {
			return bought(t, gold()).Sync(offers(edited(gold(), scan().Values)), node), nil
		},
		"when the node lost it (P13)": func() (Subscription, error) { return bought(t, gold(), scan()).Checked(node), nil },
		"when it is locked, all the same": func() (Subscription, error) {
			s := bought(t, gold(), scan())
			s.Locked = true
			return s.Checked(node), nil
		},
	} {
		got, err := s()
		want := []plan.Deviation{{Property: plan.VirusScan, Promised: plan.Switched(true), Available: plan.Switched(false)}}
		if err != nil || !reflect.DeepEqual(got.Unsynced, want) || got.Values[plan.VirusScan].On {
			t.Errorf("%s: %+v, %v", name, got.Unsynced, err)
		}
	}
}

func TestP13_ANodeThatWasExtendedProvidesWhatWasPromised(t *testing.T) {
	s := bought(t, gold(), scan()).Checked(without(plan.Values{plan.VirusScan: plan.Switched(false)}))
	if s = s.Checked(everything()); s.Unsynced != nil || !s.Values[plan.VirusScan].On {
		t.Errorf("%+v", s)
	}
}

func TestP14_SyncShowsWhatWasPromisedAndWhatIsAvailable(t *testing.T) {
	node := without(plan.Values{plan.Mailboxes: plan.Number(15), plan.Shell: plan.Chosen(plan.LimitedShell)})
	s := bought(t, gold())
	find := offers(edited(gold(), plan.Values{plan.Mailboxes: plan.Number(20), plan.Shell: plan.Chosen(plan.Bash)}))
	want := []plan.Deviation{{Property: plan.Mailboxes, Promised: plan.Number(20), Available: plan.Number(15)}, {Property: plan.Shell, Promised: plan.Chosen(plan.Bash), Available: plan.Chosen(plan.LimitedShell)}}
	before := s
	if got := s.Conflicts(find, node); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(s, before) {
		t.Errorf("%+v", got)
	}
}

func TestP15_TakingWhatIsAvailableLocksNothing(t *testing.T) {
	node := without(plan.Values{plan.Mailboxes: plan.Number(15)})
	find := offers(edited(gold(), plan.Values{plan.Mailboxes: plan.Number(20)}))
	s := bought(t, gold()).Sync(find, node)
	left := s // Cancel is doing nothing
	s = s.Take(node)
	if s.Unsynced != nil || s.Locked || s.Values[plan.Mailboxes] != plan.Number(15) || len(left.Unsynced) != 1 {
		t.Errorf("%+v", s)
	}
	if s = s.Sync(find, node); s.Unsynced != nil {
		t.Errorf("a sync asks again for what was taken: %+v", s.Unsynced)
	}
	other := edited(gold(), plan.Values{plan.Mailboxes: plan.Number(30)})
	if s = s.Sync(offers(other), node); len(s.Unsynced) != 1 {
		t.Error("what was taken holds for another promise")
	}
	s = s.Take(node).Checked(without(plan.Values{plan.Mailboxes: plan.Number(12)}))
	if len(s.Unsynced) != 1 || s.Values[plan.Mailboxes] != plan.Number(12) {
		t.Errorf("less than what was taken: %+v", s)
	}
}

func TestP16_UpdateAndSyncIsOneSyncForEachSubscription(t *testing.T) {
	find := offers(edited(gold(), plan.Values{plan.DiskMiB: plan.Number(1)}))
	s := bought(t, gold()).Sync(find, everything())
	if again := s.Sync(find, everything()); !reflect.DeepEqual(again, s) {
		t.Errorf("a second sync changed it: %+v, %+v", s, again)
	}
}

func TestP17_AfterTheNodeWasExtendedASyncBringsWhatWasPromised(t *testing.T) {
	poor := without(plan.Values{plan.Mailboxes: plan.Number(5)})
	s := bought(t, gold()).Checked(poor).Take(poor).Checked(everything())
	if s.Values[plan.Mailboxes] != plan.Number(5) {
		t.Errorf("what was taken ended without a sync: %v", s.Values[plan.Mailboxes])
	}
	if s = s.Sync(offers(gold()), everything()); s.Values[plan.Mailboxes] != plan.Number(10) || s.Unsynced != nil || len(s.Accepted) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestP10_SuspendedIsASetOfReasons(t *testing.T) {
	end := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	s := bought(t, gold())
	s.ExpiresAt = end
	if s = s.Expire(end.Add(-1)); !s.Active() {
		t.Error("expired before its date")
	}
	s = s.Suspend(Reseller).Expire(end).Suspend(Manual).Suspend(Manual)
	if !slices.Equal(s.Suspended, []string{Manual, Expired, Reseller}) {
		t.Errorf("%v", s.Suspended)
	}
	for _, reason := range []string{Reseller, Manual, Overuse} {
		if s = s.Unsuspend(reason); s.Active() {
			t.Errorf("active with %v", s.Suspended)
		}
	}
	s.ExpiresAt = end.Add(time.Hour)
	if s = s.Expire(end); !s.Active() {
		t.Errorf("a later date: %v", s.Suspended)
	}
	s.ExpiresAt = time.Time{}
	if s = s.Expire(end); !s.Active() {
		t.Error("no date is a date")
	}
}

func TestP18_OveruseSuspendsWhereThePolicySaysSo(t *testing.T) {
	much := Use{plan.DiskMiB: 1001, plan.TrafficMiB: 1 << 40, plan.Mailboxes: 99}
	for _, policy := range plan.Policies {
		s := bought(t, edited(gold(), plan.Values{plan.Overuse: plan.Chosen(policy)}))
		if got := len(s.Judge(much).Suspended) > 0; got != plan.Suspends(policy) {
			t.Errorf("%s: suspended %v", policy, got)
		}
		if len(s.Judge(Use{plan.DiskMiB: 1000, plan.Mailboxes: 99}).Suspended) > 0 {
			t.Errorf("%s: suspended at the limit, or for mailboxes", policy)
		}
		if s = s.Judge(much).Judge(Use{plan.DiskMiB: 1}); !s.Active() {
			t.Errorf("%s: suspended still", policy)
		}
	}
}

func TestP18_AtALimitNothingMoreIsMadeAndDeletingWorks(t *testing.T) {
	s := bought(t, gold())
	for used, want := range map[uint64]uint64{0: 10, 9: 1, 10: 0, 11: 0} {
		if more, unlimited := s.Room(plan.Mailboxes, used); more != want || unlimited {
			t.Errorf("with %d: %d more", used, more)
		}
	}
	if _, unlimited := s.Room(plan.TrafficMiB, 1<<60); !unlimited {
		t.Error("no limit is a limit")
	}
}

func TestC23_MoreIsStrictlyMore(t *testing.T) {
	s := bought(t, gold())
	if got := s.OverLimit(Use{plan.Mailboxes: 10, plan.Databases: 1, plan.TrafficMiB: 1 << 62}); got != nil {
		t.Errorf("at the limit: %v", got)
	}
	want := []Over{{plan.DiskMiB, plan.Number(1000), 1001}, {plan.Databases, plan.Number(1), 2}}
	if got := s.OverLimit(Use{plan.Databases: 2, plan.DiskMiB: 1001}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestP19_RemovingAnAddOnLeavesOverLimitWhatIsThere(t *testing.T) {
	s := bought(t, gold(), mail10()).Remove("ofr_mail", everything())
	want := []Over{{plan.Mailboxes, plan.Number(10), 15}}
	if got := s.OverLimit(Use{plan.Mailboxes: 15}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestP19_EachEffectiveValueSaysItsOrigin(t *testing.T) {
	node := without(plan.Values{plan.Databases: plan.Number(0), plan.MailingLists: plan.Number(0)})
	s := bought(t, gold(), mail10()).Checked(node)
	s.Accepted = map[string]plan.Deviation{plan.MailingLists: {Property: plan.MailingLists, Promised: plan.Number(1), Available: plan.Number(0)}}
	s = must(t)(s.Checked(node).Set(plan.Values{plan.Subdomains: plan.Number(1)}, plan.OfPin, node))
	want := map[string][]string{
		plan.DiskMiB: {plan.OfPlan}, plan.Mailboxes: {plan.OfPlan, plan.OfAddOn}, plan.Databases: {plan.OfPlan, plan.OfNode},
		plan.MailingLists: {plan.OfPlan, plan.OfAccepted}, plan.Subdomains: {plan.OfPlan, plan.OfPin},
	}
	for _, e := range s.Effective() {
		var origins []string
		for _, p := range e.From {
			origins = append(origins, p.Origin)
		}
		if w, told := want[e.Property]; told && !slices.Equal(origins, w) || e.Value != s.Values[e.Property] {
			t.Errorf("%s: %v from %v", e.Property, e.Value, origins)
		}
	}
}

func TestC8_WhoHasAnOfferThatGoesGetsAnotherAndIsNeverZeroed(t *testing.T) {
	better := mail10()
	better.ID, better.Name, better.Values = "ofr_mail50", "Mail50", plan.Values{plan.Mailboxes: plan.Number(50)}
	s := must(t)(bought(t, gold(), mail10()).Set(plan.Values{plan.DiskMiB: plan.Number(5)}, plan.OfOwn, nil))
	s = s.Replace("ofr_mail", better, nil).Replace("ofr_gold", silver(), nil)
	if s.Title() != "example.org (Silver)" || s.Values[plan.Mailboxes] != plan.Number(53) || s.Values[plan.DiskMiB] != plan.Number(5) || !s.Locked {
		t.Errorf("%+v", s)
	}
	both := must(t)(bought(t, gold(), mail10()).Add(better, nil)).Replace("ofr_mail", better, nil)
	if len(both.AddOns) != 1 || both.Values[plan.Mailboxes] != plan.Number(60) {
		t.Errorf("with both: %+v", both)
	}
	if !reflect.DeepEqual(both, both.Replace("ofr_mail", better, nil)) {
		t.Error("replacing it again changes something")
	}
}

// world is offers and subscriptions to them that went through all kinds of deeds.
type world struct {
	r      *rand.Rand
	offers map[string]plan.Offer
	subs   []Subscription
	nodes  []*plan.Provision
}

func (w *world) find(id string) (plan.Offer, bool) { o, ok := w.offers[id]; return o, ok }

func (w *world) node(s *Subscription) *plan.Provision {
	return w.nodes[int(s.ID[len(s.ID)-1])%len(w.nodes)]
}

func (w *world) value(p plan.Property) plan.Value {
	switch {
	case p.Kind == plan.KindSwitch:
		return plan.Switched(w.r.IntN(2) == 0)
	case p.Kind == plan.KindChoice:
		return plan.Chosen(p.Words[w.r.IntN(len(p.Words))])
	case w.r.IntN(5) == 0:
		return plan.Unlimited()
	}
	return plan.Number(w.r.Uint64N(30))
}

func (w *world) values(addOn bool) plan.Values {
	v := plan.Values{}
	for _, p := range plan.Table {
		if !addOn || p.Of == "" && w.r.IntN(3) == 0 {
			v[p.Name] = w.value(p)
		}
	}
	return v
}

func (w *world) changeable() (list []string) {
	for _, p := range plan.Table {
		if p.Free && w.r.IntN(3) == 0 {
			list = append(list, p.Name)
		}
	}
	return list
}

func (w *world) edit(id string) plan.Offer {
	o := w.offers[id]
	o.Values, o.Changeable, o.Version = w.values(o.Kind == plan.AddOn), w.changeable(), o.Version+1
	return o
}

func build(seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 6)), offers: map[string]plan.Offer{}}
	for i := range 4 {
		kind := plan.Kinds[i%2]
		id := fmt.Sprintf("ofr_%d", i)
		w.offers[id] = plan.Offer{ID: id, Kind: kind, Name: fmt.Sprintf("O%d", i)}
		w.offers[id] = w.edit(id)
	}
	for range 3 {
		w.nodes = append(w.nodes, &plan.Provision{Most: w.values(w.r.IntN(2) == 0)})
	}
	w.nodes = append(w.nodes, nil)
	for i := range 8 {
		s := Subscription{ID: fmt.Sprintf("sub_%d", i), Name: fmt.Sprintf("s%d.example", i)}
		o := w.offers["ofr_0"]
		s, _ = New(s, &o, nil, nil, w.node(&s))
		for range w.r.IntN(6) {
			s = w.deed(s)
		}
		w.subs = append(w.subs, s)
	}
	return w
}

// deed does any one thing to a subscription.
func (w *world) deed(s Subscription) Subscription {
	node, id := w.node(&s), fmt.Sprintf("ofr_%d", w.r.IntN(4))
	before := s
	var err error
	switch w.r.IntN(10) {
	case 0:
		s, err = s.Switch(w.offers[id], node)
	case 1:
		s, err = s.Add(w.offers[id], node)
	case 2:
		s = s.Remove(id, node)
	case 3:
		s = s.Detach(node)
	case 4:
		s = s.Take(node)
	case 5:
		s = s.Unlock(node)
	case 6:
		s = s.Sync(w.find, node)
	case 7:
		s = s.Suspend(Reasons[w.r.IntN(len(Reasons))])
	default:
		p := plan.Table[w.r.IntN(len(plan.Table))]
		s, err = s.Set(plan.Values{p.Name: w.value(p)}, []string{plan.OfOwn, plan.OfPin, plan.OfChosen}[w.r.IntN(3)], node)
	}
	if err != nil {
		return before
	}
	return s
}

func TestP12_APreviewIsWhatHappensAfterwards(t *testing.T) {
	for seed := range uint64(80) {
		w := build(seed)
		use := map[string]Use{}
		for _, s := range w.subs {
			use[s.ID] = Use{plan.Mailboxes: w.r.Uint64N(40), plan.DiskMiB: w.r.Uint64N(40)}
		}
		next := w.edit(fmt.Sprintf("ofr_%d", w.r.IntN(4)))
		find := func(id string) (plan.Offer, bool) {
			if id == next.ID {
				return next, true
			}
			return w.find(id)
		}
		told := Preview(slices.Values(w.subs), find, func(s *Subscription) Around { return Around{w.node(s), use[s.ID]} }, nil)
		w.offers[next.ID] = next
		got := Report{Subscriptions: len(w.subs)}
		for _, s := range w.subs {
			after := s.Sync(w.find, w.node(&s))
			fresh := slices.ContainsFunc(after.OverLimit(use[s.ID]), func(o Over) bool {
				return !slices.ContainsFunc(s.OverLimit(use[s.ID]), func(b Over) bool { return b.Property == o.Property })
			})
			got.Changed += one(!reflect.DeepEqual(after.Values, s.Values))
			got.Locked += one(s.Locked)
			got.OverLimit += one(fresh)
			got.Unsynced += one(s.Unsynced == nil && after.Unsynced != nil)
			at := slices.IndexFunc(told.Effects, func(e Effect) bool { return e.Subscription == s.ID })
			if at < 0 {
				if !reflect.DeepEqual(after.Values, s.Values) {
					t.Fatalf("seed %d: the preview does not tell of %s", seed, s.ID)
				}
				continue
			}
			e := told.Effects[at]
			if !reflect.DeepEqual(e.Unsynced, after.Unsynced) {
				t.Fatalf("seed %d: %s would be unsynced by %v, and is by %v", seed, s.ID, e.Unsynced, after.Unsynced)
			}
			for _, c := range e.Changes {
				if after.Values[c.Property] != c.After || s.Values[c.Property] != c.Before {
					t.Fatalf("seed %d: %s: told %+v, became %v", seed, s.ID, c, after.Values[c.Property])
				}
			}
		}
		told.Effects = nil
		if !reflect.DeepEqual(told, got) {
			t.Fatalf("seed %d: told %+v, happened %+v", seed, told, got)
		}
	}
}

// TestP7_TheThreeFlagsAreIndependent: no deed on one region changes another, but that an own value locks.
func TestP7_TheThreeFlagsAreIndependent(t *testing.T) {
	for seed := range uint64(80) {
		w := build(seed)
		for _, s := range w.subs {
			node := w.node(&s)
			for name, after := range map[string]Subscription{
				"suspend": s.Suspend(Manual), "unsuspend": s.Unsuspend(Manual), "expire": s.Expire(time.Time{}), "judge": s.Judge(Use{plan.DiskMiB: 1 << 40}),
			} {
				if after.Locked != s.Locked || !reflect.DeepEqual(after.Unsynced, s.Unsynced) || !reflect.DeepEqual(after.Values, s.Values) {
					t.Fatalf("%s changed more than it says: %+v, %+v", name, s, after)
				}
			}
			for name, after := range map[string]Subscription{"sync": s.Sync(w.find, node), "take": s.Take(node), "check": s.Checked(nil)} {
				if after.Locked != s.Locked || !slices.Equal(after.Suspended, s.Suspended) {
					t.Fatalf("%s changed more than it says: %+v, %+v", name, s, after)
				}
			}
			if after := s.Unlock(node); !slices.Equal(after.Suspended, s.Suspended) {
				t.Fatalf("unlock changed the reasons: %+v", after)
			}
		}
	}
}

// TestP9_ANodeIsNeverAskedForMoreThanItProvides, after any deeds; and each deed is repeated without effect.
func TestP9_ANodeIsNeverAskedForMoreThanItProvides(t *testing.T) {
	for seed := range uint64(40) {
		w := build(seed)
		for _, s := range w.subs {
			node := w.node(&s)
			for range 10 {
				s = w.deed(s)
				if len(s.Values) != len(plan.Table) {
					t.Fatalf("seed %d: %s has values of %d properties", seed, s.ID, len(s.Values))
				}
				for name, v := range s.Values {
					if node.Available(name, v) != v {
						t.Fatalf("seed %d: %s of %s is %v; the node provides %v", seed, name, s.ID, v, node.Available(name, v))
					}
				}
				for name, again := range map[string]Subscription{"check": s.Checked(node), "take twice": s.Take(node).Take(node)} {
					want := s
					if name == "take twice" {
						want = s.Take(node)
					}
					if !reflect.DeepEqual(again, want) {
						t.Fatalf("seed %d: %s: %+v, not %+v", seed, name, again, want)
					}
				}
				if one := s.Sync(w.find, node); !reflect.DeepEqual(one, one.Sync(w.find, node)) {
					t.Fatalf("seed %d: a second sync is not the first: %+v, %+v", seed, one, one.Sync(w.find, node))
				}
				if s.Plan == nil && (len(s.AddOns) > 0 || s.Locked) {
					t.Fatalf("seed %d: custom with add-ons or a lock: %+v", seed, s)
				}
			}
		}
	}
}

// TestP18_TheOwnerIsToldOnceForEachLimitAndMonth: where the policy says so; however often figures come, and go up and down.
func TestP18_TheOwnerIsToldOnceForEachLimitAndMonth(t *testing.T) {
	now := time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)
	for _, policy := range plan.Policies {
		s := bought(t, edited(gold(), plan.Values{plan.Overuse: plan.Chosen(policy), plan.TrafficMiB: plan.Number(5000)}))
		warn := func(when string, use Use, at time.Time, want ...string) {
			t.Helper()
			if !plan.Tells(policy) {
				want = nil
			}
			var list []Over
			s, list = s.Warn(use, at)
			var got []string
			for _, o := range list {
				got = append(got, o.Property)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: told of %v, not %v", policy, when, got, want)
			}
		}
		atLimit := []string{plan.DiskMiB}
		if !plan.Stops(policy) {
			atLimit = nil // more than the limit is possible, and only that is told (C23)
		}
		warn("within", Use{plan.DiskMiB: 999, plan.TrafficMiB: 5000}, now)
		warn("mailboxes", Use{plan.Mailboxes: 1000}, now)
		warn("at the limit", Use{plan.DiskMiB: 1000, plan.TrafficMiB: 5000}, now, atLimit...)
		if plan.Stops(policy) {
			warn("more traffic", Use{plan.DiskMiB: 1000, plan.TrafficMiB: 5001}, now, plan.TrafficMiB)
		} else {
			warn("more", Use{plan.DiskMiB: 1001, plan.TrafficMiB: 5001}, now, plan.DiskMiB, plan.TrafficMiB)
		}
		warn("again", Use{plan.DiskMiB: 1001, plan.TrafficMiB: 9999}, now)
		warn("less", Use{plan.DiskMiB: 1}, now)
		warn("more again", Use{plan.DiskMiB: 1002}, now.Add(59*time.Minute))
		warn("the next month", Use{plan.DiskMiB: 1002}, now.Add(time.Hour), plan.DiskMiB)
		s = s.Suspend(Manual)
		warn("suspended", Use{plan.DiskMiB: 1002, plan.TrafficMiB: 9999}, now.Add(time.Hour))
		if !plan.Tells(policy) && len(s.Warned) > 0 {
			t.Errorf("%s: noted %v", policy, s.Warned)
		}
	}
}
