package account

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func example() Account {
	return Account{ID: "acc-1", Domain: "example.de", User: "example", State: There}
}

func sub(values plan.Values) *subscription.Subscription {
	return &subscription.Subscription{ID: "sub-1", Name: "example.de", Values: values.Complete()}
}

// roomy gives n of everything that is counted.
func roomy(n uint64) *subscription.Subscription {
	return sub(plan.Values{
		plan.Mailboxes: plan.Number(n), plan.MailingLists: plan.Number(n), plan.FTPLogins: plan.Number(n), plan.Subdomains: plan.Number(n), plan.Databases: plan.Number(n),
		plan.DiskMiB: plan.Number(100),
	})
}

func TestC9_APastedAddressIsADomain(t *testing.T) {
	for text, want := range map[string]string{
		"http://www.Example.de/": "example.de", "https://example.de:8443/shop?x#y": "example.de", " Bücher.example ": "xn--bcher-kva.example",
		"www.example.co.uk": "example.co.uk", "WWW.shop.example.de.": "shop.example.de", "www.de": "www.de", "www.co.uk": "www.co.uk",
	} {
		if got, err := Pasted(text); err != nil || got != want {
			t.Errorf("%q is %q, not %q: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "http://", "localhost", "co.uk", "http://user@example.de/", "192.0.2.1", "exa mple.de", "*.example.de", strings.Repeat("a.", 120) + "example.de", "example.de;rm"} {
		if got, err := Pasted(text); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%q was taken for %q: %v", text, got, err)
		}
	}
}

func TestX15_UserNamesAreNamesOfUsersAndNobodyElses(t *testing.T) {
	n := 0
	random := func() string { n++; return fmt.Sprintf("%06x", n) }
	for _, domain := range []string{"example.de", "root.de", "a.de", "4711.de", "xn--bcher-kva.example", "a-very-long-name-with-hyphens-in-it.example", "www.de", "mail.example"} {
		list := Users(domain, random)
		if len(list) < 6 {
			t.Errorf("%s has only %v", domain, list)
		}
		for _, name := range list {
			if !protocol.UserName(name) || protocol.ReservedUser(name) {
				t.Errorf("%s: %q is no name for a user", domain, name)
			}
		}
	}
	if got := Users("example.de", random)[0]; got != "example" {
		t.Errorf("the first choice is %q", got)
	}
}

func TestX14_NobodyElseGetsANameBelowACustomersDomain(t *testing.T) {
	one, other := Party{"rsl-1", "cus-1"}, Party{"rsl-1", "cus-2"}
	for _, c := range []struct {
		owner, of Party
		may       bool
	}{
		{one, one, true},
		{one, other, false},
		{Party{"rsl-1", ""}, one, true},
		{Party{"rsl-1", ""}, Party{"rsl-1/rsl-2", "cus-3"}, true},
		{Party{"rsl-1", ""}, Party{"rsl-9", "cus-9"}, false},
		{Party{}, Party{"rsl-9", "cus-9"}, true},
		{Party{"rsl-1/rsl-2", ""}, one, false},
		{one, Party{"rsl-1", ""}, false},
	} {
		if got := Below(c.owner, c.of); got != c.may {
			t.Errorf("below a domain of %+v, %+v: %v", c.owner, c.of, got)
		}
	}
	if got := Above("a.b.example.de"); !slices.Equal(got, []string{"b.example.de", "example.de"}) {
		t.Errorf("above: %v", got)
	}
	a := example()
	for text, want := range map[string]string{"shop": "shop.example.de", "Shop.example.de.": "shop.example.de", "a.b.example.de": "a.b.example.de"} {
		if got, err := a.Subdomain(text); err != nil || got != want {
			t.Errorf("%q is %q: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "example.de", "www", "shop.other.de", "x_y", "notexample.de", "../x"} {
		if got, err := a.Subdomain(text); err == nil {
			t.Errorf("%q was taken for %q", text, got)
		}
	}
}

func TestX14_ANameIsHeldUntilTheNodeHasLetGoOfIt(t *testing.T) {
	a, s := example(), roomy(2)
	a, err := a.AddSubdomain(s, "shop.example.de")
	if err == nil {
		a, err = a.DropSubdomain("shop.example.de")
	}
	if err != nil || len(a.Subdomains) != 0 || !slices.Equal(a.Dropped, []string{"shop.example.de"}) {
		t.Fatalf("%+v: %v", a, err)
	}
	after, free := a.Settled(10, time.Now())
	if len(after.Dropped) != 0 || !slices.Equal(free.Names, []string{"shop.example.de"}) {
		t.Errorf("%+v, free %+v", after, free)
	}
	back, err := a.AddSubdomain(s, "shop.example.de")
	if err != nil || len(back.Dropped) != 0 {
		t.Errorf("taken again: %+v, %v", back, err)
	}
}

// TestP18_AtALimitGrowthStopsAndDeletingWorks for each kind of thing (C5: 0 is a limit).
func TestC5_P18_AtALimitGrowthStopsAndDeletingWorks(t *testing.T) {
	add := map[string]func(a Account, s *subscription.Subscription, n int) (Account, error){
		"subdomain": func(a Account, s *subscription.Subscription, n int) (Account, error) {
			return a.AddSubdomain(s, fmt.Sprintf("s%d.example.de", n))
		},
		"login": func(a Account, s *subscription.Subscription, n int) (Account, error) {
			return a.PutLogin(s, Login{Name: fmt.Sprintf("example_l%d", n), Dir: "htdocs"})
		},
		"mailbox": func(a Account, s *subscription.Subscription, n int) (Account, error) {
			return a.PutMailbox(s, Mailbox{Address: fmt.Sprintf("m%d@example.de", n)})
		},
		"list": func(a Account, s *subscription.Subscription, n int) (Account, error) {
			return a.PutList(s, List{Address: fmt.Sprintf("l%d@example.de", n), Members: []string{"a@example.org"}})
		},
		"database": func(a Account, s *subscription.Subscription, n int) (Account, error) {
			return a.AddDatabase(s, fmt.Sprintf("example_d%d", n))
		},
	}
	drop := map[string]func(a Account) (Account, error){
		"subdomain": func(a Account) (Account, error) { return a.DropSubdomain("s1.example.de") },
		"login":     func(a Account) (Account, error) { return a.DropLogin("example_l1") },
		"mailbox":   func(a Account) (Account, error) { return a.DropMailbox("m1@example.de") },
		"list":      func(a Account) (Account, error) { return a.DropList("l1@example.de") },
		"database":  func(a Account) (Account, error) { return a.DropDatabase("example_d1") },
	}
	for kind, more := range add {
		a := example()
		if _, err := more(a, roomy(0), 1); !fault.Is(err, fault.KindRefused) {
			t.Errorf("a %s where the offer has 0: %v", kind, err)
		}
		for n := 1; n <= 2; n++ {
			var err error
			if a, err = more(a, roomy(2), n); err != nil {
				t.Fatalf("%s %d: %v", kind, n, err)
			}
		}
		if _, err := more(a, roomy(2), 3); !fault.Is(err, fault.KindRefused) {
			t.Errorf("a third %s: %v", kind, err)
		}
		if b, err := more(a, roomy(0), 1); err != nil && kind != "subdomain" && kind != "database" {
			t.Errorf("a change of a %s over its limit: %+v, %v", kind, b, err)
		}
		if _, err := drop[kind](a); err != nil {
			t.Errorf("deleting a %s: %v", kind, err)
		}
		gone := a
		gone.State = Leaving
		if _, err := more(gone, roomy(9), 4); !fault.Is(err, fault.KindRefused) {
			t.Errorf("a %s in an account that is leaving: %v", kind, err)
		}
	}
}

func TestX13_WhatANodeWouldNotTakeIsRefusedByName(t *testing.T) {
	a, s := example(), roomy(5)
	for _, text := range []string{"", "a b", "x@other.de", `"a"@example.de`, ".a@example.de", "a..b@example.de", "a'b@example.de", "|cat@example.de"} {
		if got, err := a.Address(text); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%q was taken for %q", text, got)
		}
	}
	if got, err := a.Address("Info"); err != nil || got != "info@example.de" {
		t.Errorf("info is %q: %v", got, err)
	}
	for _, dir := range []string{"/", "../x", "a//b", ".ssh", "a/../b", "a b"} {
		if _, err := a.PutLogin(s, Login{Name: "example_x", Dir: dir}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("the directory %q was taken", dir)
		}
	}
	for _, name := range []string{"", "A", "x-y", "x;", "`x`", strings.Repeat("x", 33)} {
		if got, err := a.Owned(name); err == nil {
			t.Errorf("%q was taken for %q", name, got)
		}
	}
	for _, m := range []string{"|cat@example.org", "-x@example.org", "a@b", "l@example.de", "a b@example.org"} {
		if _, err := a.PutList(s, List{Address: "l@example.de", Members: []string{m}}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("the member %q was taken", m)
		}
	}
}

func TestX12_ALimitOfZeroIsNotNoLimitInTheDocument(t *testing.T) {
	a := example()
	for limit, want := range map[plan.Value]*uint64{plan.Number(0): new(uint64), plan.Unlimited(): nil} {
		s := sub(plan.Values{plan.DiskMiB: limit, plan.Overuse: plan.Chosen(plan.Block)})
		if got := Document(&a, s).DiskMiB; !reflect.DeepEqual(got, want) {
			t.Errorf("%v is %v in the document", limit, got)
		}
	}
	if got := Document(&a, sub(plan.Values{plan.DiskMiB: plan.Number(5), plan.Overuse: plan.Chosen(plan.NotSuspend)})).DiskMiB; got != nil {
		t.Errorf("growth goes on by the policy, and the node keeps %d MiB", *got)
	}
	for policy, watched := range map[string]bool{plan.Block: false, plan.Notify: false, plan.Normal: true, plan.NotSuspend: true, plan.NotSuspendNotify: true} {
		d := Document(&a, sub(plan.Values{plan.DiskMiB: plan.Number(5), plan.Overuse: plan.Chosen(policy)}))
		if (d.WatchMiB != nil) != watched || (d.DiskMiB != nil) == watched {
			t.Errorf("%s: the node keeps %v and watches %v", policy, d.DiskMiB, d.WatchMiB)
		}
	}
	a.Databases = []string{"example_a", "example_b"}
	if d := Document(&a, roomy(1)); !d.DatabasesShrink || Document(&a, roomy(2)).DatabasesShrink {
		t.Error("databases shrink when there are strictly more than the limit")
	}
}

func TestC10_C16_C18_TheDocumentSaysWhatTheSubscriptionGives(t *testing.T) {
	a := example()
	a.Subdomains = []string{"b.example.de", "a.example.de"}
	a.Forwards = []Leads{{Forward: "fwd-1", Domain: "z.example", Redirect: true}, {Forward: "fwd-2", Domain: "a.example"}, {Forward: "fwd-3", Domain: "gone.example", Leaving: true}}
	s := sub(plan.Values{plan.IMAP: plan.Switched(true), plan.Shell: plan.Chosen(plan.LimitedShell)})
	d := Document(&a, s)
	if !d.IMAP || d.VirusScan || d.Shell != protocol.ShellLimited || d.State != protocol.HostedPresent || d.Domain != a.Domain || d.User != a.User {
		t.Errorf("%+v", d)
	}
	if want := []protocol.HostedForward{{Domain: "a.example"}, {Domain: "z.example", Redirect: true}}; !slices.Equal(d.Forwards, want) {
		t.Errorf("forwards: %+v", d.Forwards)
	}
	b := a
	b.Subdomains = []string{"a.example.de", "b.example.de"}
	if !reflect.DeepEqual(d, Document(&b, s)) {
		t.Error("the order in which things were added matters")
	}
	suspended := s.Suspend(subscription.Manual)
	if got := Document(&a, &suspended).State; got != protocol.HostedSuspended {
		t.Errorf("suspended: %s", got)
	}
	if a.State = Leaving; Document(&a, &suspended).State != protocol.HostedGone {
		t.Error("an account that is leaving stays")
	}
}

func TestC12_ProgressIsOfTheNewestVersion(t *testing.T) {
	d := &hosting.Document{Server: "srv-1", Account: protocol.HostedAccount{Version: 3}}
	old := &hosting.Outcome{Server: "srv-1", Result: protocol.HostedResult{Version: 2, State: protocol.HostedDone}}
	if p := ProgressOf(d, old); p.State != Waiting {
		t.Errorf("done with an older version: %+v", p)
	}
	new := &hosting.Outcome{Server: "srv-1", Result: protocol.HostedResult{Version: 3, State: protocol.HostedFailed, Steps: []protocol.HostedStep{{Part: "user", State: Done}, {Part: "site", State: Failed, Message: "no nginx"}}}}
	if p := ProgressOf(d, new); p.State != Failed || len(p.Steps) != 2 || p.Words() != "site: no nginx" {
		t.Errorf("%+v", p)
	}
	if p := ProgressOf(d, nil); p.State != Waiting || p.Steps == nil {
		t.Errorf("%+v", p)
	}
}

func TestC14_ARemovalListsAllThatGoes(t *testing.T) {
	a := example()
	a.Subdomains, a.Databases, a.Mailboxes = []string{"shop.example.de"}, []string{"example_a"}, []Mailbox{{Address: "info@example.de"}}
	a.FTPLogins, a.Lists, a.Forwards = []Login{{Name: "example_x"}}, []List{{Address: "all@example.de"}}, []Leads{{Forward: "fwd-1", Domain: "f.example"}}
	r := RemovalOf(&a)
	for _, name := range []string{"example.de", "www.example.de", "shop.example.de", "f.example", "www.f.example"} {
		if !slices.Contains(r.Domains, name) {
			t.Errorf("%s is not told: %v", name, r.Domains)
		}
	}
	if len(r.FTPLogins) != 1 || len(r.Mailboxes) != 1 || len(r.Lists) != 1 || len(r.Databases) != 1 || len(r.Forwards) != 1 || len(r.Sites) != 2 {
		t.Errorf("%+v", r)
	}
	a.State = Leaving
	for range 20 { // in pieces, as commits take them
		a, _ = a.Settled(1, time.Now())
	}
	if !a.Bare() {
		t.Errorf("left: %+v", a)
	}
}

func TestX9_DigestsAreThoseOfTheProgramsThatCheckThem(t *testing.T) {
	got, err := SystemDigest("Hello world!", "saltstringsaltst")
	if err != nil || !strings.HasPrefix(got, "$6$rounds=20000$saltstringsaltst$") || strings.Contains(got, "Hello") {
		t.Errorf("%s, %v", got, err)
	}
	if got := DatabaseDigest("password"); got != "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19" { // SELECT PASSWORD('password')
		t.Errorf("%s", got)
	}
	if a, b := NewPassword(), NewPassword(); a == b || len(a) != passwordLength {
		t.Errorf("%s and %s", a, b)
	}
}

func TestP9_WhatANodeProvidesInTheWordsOfPlans(t *testing.T) {
	p := Provides(&protocol.Provided{Switches: map[string]bool{"web": true, "mail": true, "ssh": true, "disk_quota": true}, Shells: []string{protocol.ShellBash, protocol.ShellFalse}})
	if p.Available(plan.Shell, plan.Chosen(plan.Bash)) != plan.Chosen(plan.Bash) || p.Available(plan.Databases, plan.Number(3)) != plan.Number(0) ||
		p.Available(plan.Mailboxes, plan.Unlimited()) != plan.Unlimited() || p.Available(plan.Overuse, plan.Chosen(plan.Block)) != plan.Chosen(plan.Block) {
		t.Errorf("%+v", p)
	}
	if p := Provides(&protocol.Provided{}); p.Available(plan.Overuse, plan.Chosen(plan.Block)) != plan.Chosen(plan.NotSuspend) || p.Available(plan.Shell, plan.Chosen(plan.Bash)) != plan.Chosen(plan.NoShell) {
		t.Errorf("of a bare node: %+v", p)
	}
}

func FuzzPasted(f *testing.F) {
	for _, s := range []string{"http://www.Example.de/", "a..b", "www.www.de", "xn--a.example", "co.uk"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := Pasted(text)
		if err != nil {
			return
		}
		if d, err := hosting.Domain(once); err != nil || d != once || len(once) > MaxDomain {
			t.Fatalf("%q became %q", text, once)
		}
	})
}
