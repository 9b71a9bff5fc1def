package plan

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// some is any values; of an add-on only some properties.
func some(r *rand.Rand, addOn bool) Values {
	v := Values{}
	for _, p := range Table {
		if addOn && (p.Of != "" || r.IntN(2) == 0) {
			continue
		}
		v[p.Name] = someOf(r, p)
	}
	return v
}

func someOf(r *rand.Rand, p Property) Value {
	switch {
	case p.Kind == KindSwitch:
		return Switched(r.IntN(2) == 0)
	case p.Kind == KindChoice:
		return Chosen(p.Words[r.IntN(len(p.Words))])
	case r.IntN(4) == 0:
		return Unlimited()
	}
	return Number(r.Uint64N(100))
}

func editions(r *rand.Rand) (*Edition, []Edition) {
	var list []Edition
	for i := range r.IntN(5) {
		list = append(list, Edition{Offer: string(rune('a' + i)), Name: string(rune('A' + r.IntN(3))), Values: some(r, true)})
	}
	return &Edition{Offer: "p", Name: "Plan", Values: some(r, false)}, list
}

func TestP19_TheOrderOfAddOnsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 1))
	for range 500 {
		plan, addOns := editions(r)
		want := Merge(plan, addOns)
		r.Shuffle(len(addOns), func(i, j int) { addOns[i], addOns[j] = addOns[j], addOns[i] })
		if got := Merge(plan, addOns); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v merged in another order is %v, not %v", addOns, got, want)
		}
	}
}

// TestP19_MergeIsWhatTheRuleSays, worked out again in another way.
func TestP19_NumbersAddNoLimitWinsSwitchesOr(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 2))
	for range 500 {
		plan, addOns := editions(r)
		got := Promised(plan, addOns)
		for _, p := range Table {
			want := plan.Values[p.Name]
			for _, a := range addOns {
				v, says := a.Values[p.Name]
				switch {
				case !says:
				case p.Kind == KindLimit:
					want.Limit.None = want.Limit.None || v.Limit.None
					want.Limit.Most += v.Limit.Most
				case p.Kind == KindSwitch:
					want.On = want.On || v.On
				case slices.Index(Shells, v.Choice) > slices.Index(Shells, want.Choice):
					want = v
				}
			}
			if want.Limit.None {
				want.Limit.Most = 0
			}
			if got[p.Name] != want {
				t.Fatalf("%s of %v and %v is %v, not %v", p.Name, plan, addOns, got[p.Name], want)
			}
		}
	}
}

func TestP19_AnAddOnNeverTakesAway(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 3))
	for range 500 {
		plan, addOns := editions(r)
		with := Promised(plan, addOns)
		if len(addOns) == 0 {
			continue
		}
		without := Promised(plan, addOns[1:])
		for _, p := range Table {
			if !p.Within(without[p.Name], with[p.Name]) {
				t.Fatalf("%s is %v with %v, and %v without", p.Name, with[p.Name], addOns[0], without[p.Name])
			}
		}
	}
}

func TestP19_EachValueSaysWhereItComesFrom(t *testing.T) {
	plan := &Edition{Offer: "p", Name: "Gold", Values: full()}
	plan.Values[Mailboxes] = Number(5)
	list := Merge(plan, []Edition{{Offer: "b", Name: "Mail10", Values: Values{Mailboxes: Number(10)}}, {Offer: "a", Name: "Bash", Values: Values{Shell: Chosen(Bash), Mailboxes: Number(0)}}})
	i := slices.IndexFunc(list, func(e Effective) bool { return e.Property == Mailboxes })
	want := Effective{Property: Mailboxes, Value: Number(15), From: []Part{{OfPlan, "Gold", Number(5)}, {OfAddOn, "Bash", Number(0)}, {OfAddOn, "Mail10", Number(10)}}}
	if !reflect.DeepEqual(list[i], want) {
		t.Errorf("%+v, not %+v", list[i], want)
	}
	if none := Merge(nil, nil); len(none) != len(Table) || none[0].From[0].Origin != OfDefault {
		t.Errorf("without any offer: %+v", none)
	}
}

func TestP9_WhatANodeCannotProvideIsADeviation(t *testing.T) {
	node := &Provision{Most: Values{
		DiskMiB: Unlimited(), Mailboxes: Number(50), FTPLogins: Unlimited(), Subdomains: Unlimited(), Databases: Number(0),
		PHP: Switched(true), IMAP: Switched(true), Shell: Chosen(LimitedShell),
	}}
	promised := Values{
		DiskMiB: Number(1000), TrafficMiB: Unlimited(), Mailboxes: Unlimited(), MailingLists: Number(1), FTPLogins: Unlimited(), Subdomains: Number(3), Databases: Number(1),
		PHP: Switched(true), VirusScan: Switched(true), IMAP: Switched(false), Shell: Chosen(Bash), Overuse: Chosen(Notify),
	}
	want := []Deviation{
		{Mailboxes, Unlimited(), Number(50)},
		{MailingLists, Number(1), Number(0)},
		{Databases, Number(1), Number(0)},
		{VirusScan, Switched(true), Switched(false)},
		{Shell, Chosen(Bash), Chosen(LimitedShell)},
		{Overuse, Chosen(Notify), Chosen(NotSuspendNotify)},
	}
	if got := node.Deviations(promised); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	node.Most[Overuse] = Chosen(Block)
	if got := node.Deviations(promised); len(got) != len(want)-1 {
		t.Errorf("with quotas: %+v", got)
	}
	var unknown *Provision
	if got := unknown.Deviations(promised); got != nil {
		t.Errorf("of a node that never told: %+v", got)
	}
}

// TestP14_TheAvailableValueIsTheLargestPartOfTheWanted that fits.
func TestP14_TheAvailableValueIsProvidedAndNoMoreThanWanted(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	for range 2000 {
		node, p := &Provision{Most: some(r, r.IntN(2) == 0)}, Table[r.IntN(len(Table))]
		wanted := someOf(r, p)
		got := node.Available(p.Name, wanted)
		most := p.Default
		if p.Name == Overuse {
			most = Chosen(NotSuspend)
		}
		if v, says := node.Most[p.Name]; says {
			most = v
		}
		if !p.Within(got, wanted) || p.OfNode && !p.Within(got, most) || p.Within(wanted, most) && got != wanted {
			t.Fatalf("%s: wanted %v, at most %v, got %v", p.Name, wanted, most, got)
		}
		if node.Available(p.Name, got) != got {
			t.Fatalf("%s: what is available (%v) is not available", p.Name, got)
		}
	}
}
