package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

const hostNode = "srv-0000000000000001"

// farm is a fleet with one hosting node and one offer.
func openFarm(t *testing.T, backend kv.KV) *gate {
	t.Helper()
	g := openGateOver(t, backend)
	ring, err := seal.Open(g.store, testAuthority{})
	if err != nil {
		t.Fatal(err)
	}
	g.SetRing(ring)
	values := plan.Values{
		plan.DiskMiB: plan.Number(100), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(2), plan.MailingLists: plan.Number(1), plan.FTPLogins: plan.Number(1),
		plan.Subdomains: plan.Number(30), plan.Databases: plan.Number(1), plan.IMAP: plan.Switched(true),
	}.Complete()
	offer := plan.Offer{ID: "ofr-gold", Kind: plan.Service, Name: "Gold", Values: values, Version: 1}
	g.commit(func(tx *store.Tx) error {
		if err := putSellable(tx, hostNode, 1); err != nil {
			return err
		}
		s, err := store.Servers.Get(tx, hostNode)
		s.Roles, s.Cleanliness, s.CleanSince = []fleet.LogicalServer{{Type: "web"}}, fleet.Clean, time.Now()
		var provided hosting.Provision
		provided.Switches = map[string]bool{"web": true, "ftp": true, "mail": true, "mailing_lists": true, "databases": true, "imap": true, "disk_quota": true}
		return cmp.Or(err, store.Servers.Put(tx, hostNode, s), store.Offers.Put(tx, offer.ID, offer), store.Provisions.Put(tx, hostNode, provided),
			store.ServerPools.Put(tx, "spl-1", reselling.Pool{ID: "spl-1", Name: "pool", Service: "web", Policy: reselling.FirstFit, Members: []string{hostNode}, Automatic: true, Oversell: true}),
			store.Customers.Put(tx, "cus-1", reselling.Customer{ID: "cus-1", Name: "one", Reference: "cus-1", State: reselling.Active}),
			store.Customers.Put(tx, "cus-2", reselling.Customer{ID: "cus-2", Name: "two", Reference: "cus-2", State: reselling.Active}))
	})
	return g
}

func (g *gate) account(domain, customer string) MadeAccount {
	g.t.Helper()
	a, _, err := g.CreateAccount(context.Background(), ann, AccountDraft{Domain: domain, Offer: "ofr-gold", Customer: customer})
	if err != nil {
		g.t.Fatalf("%s: %v", domain, err)
	}
	return a
}

// says lets the node say something of the newest version, and brings the account on as reconcile does.
func (g *gate) says(accountID, state string, left ...protocol.Found) account.Account {
	g.t.Helper()
	d, ok := store.Hosted.View(g.store, accountID)
	if !ok {
		g.t.Fatalf("no document of %s", accountID)
	}
	rep := protocol.HostedReport{Results: []protocol.HostedResult{{ID: accountID, Version: d.Account.Version, State: state, Steps: []protocol.HostedStep{{Part: "site", State: state}}, LeftOvers: left}}}
	if err := g.HostedReport(context.Background(), hostNode, rep); err != nil {
		g.t.Fatal(err)
	}
	return g.look(accountID)
}

func (g *gate) look(accountID string) account.Account {
	g.t.Helper()
	for more := true; more; {
		g.commit(func(tx *store.Tx) (err error) {
			more, err = AccountNews(tx, accountID, time.Now())
			return err
		})
	}
	a, _ := store.Accounts.View(g.store, accountID)
	return *a
}

// held is how many domain names, user names, placements and documents there are.
func (g *gate) held() (n [5]int) {
	snap := g.store.Snapshot()
	return [5]int{domains.Len(snap), logins.Len(snap), store.Placements.Len(snap), store.Hosted.Len(snap), store.Subscriptions.Len(snap)}
}

func TestC9_C12_C14_AnAccountIsMadeAndRemovedWithAllOfIt(t *testing.T) {
	g := openFarm(t, newState(t))
	ctx := context.Background()
	a := g.account("http://www.Example.de/", "cus-1")
	if a.Domain != "example.de" || a.User != "example" || a.State != account.Making || a.Server != hostNode || a.Owner != "cus-1" || len(a.Password) < 16 {
		t.Fatalf("%+v", a.Account)
	}
	u, known, err := access.User{}, false, error(nil)
	g.commit(func(tx *store.Tx) error { u, known, err = userNamed(tx, a.User); return err })
	if !known || u.Role != access.RoleCustomer || u.Customer != "cus-1" || !access.VerifyPassword(u.PasswordHash, string(a.Password)) {
		t.Errorf("C11: the console user is %+v", u)
	}
	doc, err := g.HostedDocument(hostNode, a.ID)
	if err != nil || !strings.HasPrefix(doc.Password, "$6$") || doc.DiskMiB == nil || *doc.DiskMiB != 100 || !doc.IMAP {
		t.Errorf("the document is %+v, %v", doc, err)
	}
	if load, _ := store.Loads.View(g.store, hostNode); load == nil || load.Placements != 1 || load.PromisedMiB != 100 {
		t.Errorf("the load is %+v", load)
	}
	if use, _ := store.OfferUses.View(g.store, "ofr-gold"); use == nil || use.Subscriptions != 1 {
		t.Errorf("C7: %+v", use)
	}
	if got := g.says(a.ID, protocol.HostedWorking); got.State != account.Making {
		t.Errorf("while the node works it is %s", got.State)
	}
	if got := g.says(a.ID, protocol.HostedDone); got.State != account.There {
		t.Errorf("C12: it is %s", got.State)
	}
	for i := range 25 { // more names than one commit lets go of
		if _, _, err := g.AddSubdomain(ctx, ann, a.ID, "s"+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := g.CreateForward(ctx, ann, ForwardDraft{Domain: "other.de", Account: a.ID}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.RemoveAccount(ctx, ann, a.ID, "other.de", ""); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("C14: removed without its domain: %v", err)
	}
	if _, _, err := g.RemoveAccount(ctx, ann, a.ID, "Example.de", "over"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.AddSubdomain(ctx, ann, a.ID, "more"); !fault.Is(err, fault.KindRefused) {
		t.Errorf("something was added to an account that leaves: %v", err)
	}
	if got := g.says(a.ID, protocol.HostedFailed, protocol.Found{Name: "/srv/hosting/example", Detail: "in use"}); got.State != account.Stuck || len(got.LeftOvers) != 1 {
		t.Errorf("C14: with something left it is %+v", got)
	}
	if _, _, err := g.CreateAccount(ctx, ann, AccountDraft{Domain: "example.de", Offer: "ofr-gold"}); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("X15: the domain was given away while something is left: %v", err)
	}
	if b := g.account("example.org", "cus-2"); b.User == a.User {
		t.Errorf("X15: the user name %s was given away while something is left", b.User)
	}
	if got, _, err := g.RetryAccount(ctx, ann, a.ID, "again"); err != nil || got.State != account.Leaving {
		t.Errorf("retry: %+v, %v", got, err)
	}
	if got := g.says(a.ID, protocol.HostedDone); got.State != account.Gone {
		t.Errorf("with nothing left it is %s", got.State)
	}
	if again, _, err := g.RemoveAccount(ctx, ann, a.ID, "example.de", "over"); err != nil || again.State != account.Gone {
		t.Errorf("who did not hear of the removal asks again: %v, %s", err, again.State)
	}
	if got, want := g.held(), [5]int{2, 1, 1, 1, 1}; got != want {
		t.Errorf("of two accounts one is gone, and there are names, users, placements, documents, subscriptions: %v, not %v", got, want)
	}
	g.commit(func(tx *store.Tx) error {
		_, known, err := userNamed(tx, a.User)
		if known {
			t.Error("the console user is left")
		}
		return err
	})
}

func TestX14_ADomainNameBelongsToOneOfTheWholeFleet(t *testing.T) {
	g := openFarm(t, newState(t))
	ctx := context.Background()
	a := g.account("example.de", "cus-1")
	for _, domain := range []string{"example.de", "www.example.de", "shop.example.de", "a.b.example.de"} {
		if _, _, err := g.CreateAccount(ctx, ann, AccountDraft{Domain: domain, Offer: "ofr-gold", Customer: "cus-2"}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%s went to somebody else: %v", domain, err)
		}
	}
	if _, _, err := g.AddSubdomain(ctx, ann, a.ID, "shop"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.CreateForward(ctx, ann, ForwardDraft{Domain: "shop.example.de", Account: a.ID}); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("a subdomain is a forward too: %v", err)
	}
	if _, _, err := g.DropSubdomain(ctx, ann, a.ID, "shop"); err != nil {
		t.Fatal(err)
	}
	forward := ForwardDraft{Domain: "shop.example.de", Account: a.ID}
	if _, _, err := g.CreateForward(ctx, ann, forward); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("the name was given away before the node let go of it: %v", err)
	}
	g.says(a.ID, protocol.HostedDone)
	f, _, err := g.CreateForward(ctx, ann, forward)
	if err != nil {
		t.Fatalf("C18: %v", err)
	}
	g.says(a.ID, protocol.HostedDone)
	if got, _ := store.Forwards.View(g.store, f.ID); got.State != account.There {
		t.Errorf("C18: the forward is %s", got.State)
	}
	if _, _, err := g.RemoveForward(ctx, ann, f.ID, "over"); err != nil {
		t.Fatal(err)
	}
	if got, _ := store.Forwards.View(g.store, f.ID); got.State != account.Leaving {
		t.Errorf("C19: the forward is %s", got.State)
	}
	g.says(a.ID, protocol.HostedDone)
	if _, ok := store.Forwards.View(g.store, f.ID); ok || g.held()[0] != 2 {
		t.Errorf("C19: the forward is left, or one of its names: %v", g.held())
	}
}

func TestC15_PasswordsOfConsoleAndNodeChangeTogether(t *testing.T) {
	g := openFarm(t, newState(t))
	ctx := context.Background()
	a := g.account("example.de", "")
	before, err := g.HostedDocument(hostNode, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.SetAccountPassword(ctx, ann, a.ID, "example-is-in-it-1"); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("a password with the user name in it was taken: %v", err)
	}
	for name, set := range map[string]func(string) error{
		"account": func(p string) error { _, _, err := g.SetAccountPassword(ctx, ann, a.ID, "a long secret 1"); return err },
		"user": func(string) error {
			var u access.User
			g.commit(func(tx *store.Tx) (err error) { u, _, err = userNamed(tx, a.User); return err })
			_, _, err := g.SetPassword(ctx, ann, u.ID, "a long secret 2")
			return err
		},
	} {
		if err := set(""); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after, err := g.HostedDocument(hostNode, a.ID)
		if err != nil || after.Password == before.Password || after.Version <= before.Version || after.User != before.User {
			t.Errorf("by %s the node has %+v, %v", name, after, err)
		}
		before = after
	}
}

func TestX9_NoPasswordIsStoredInClear(t *testing.T) {
	backend := newState(t)
	g := openFarm(t, backend)
	ctx := WithOnce(context.Background(), NewOnce("ann", "key", "bearer"))
	a, _, err := g.CreateAccount(ctx, ann, AccountDraft{Domain: "example.de", Offer: "ofr-gold"})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{string(a.Password)}
	m, _, err := g.PutMailbox(context.Background(), ann, a.ID, account.Mailbox{Address: "info"}, "", true)
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := g.AddDatabase(context.Background(), ann, a.ID, "shop")
	if err != nil || m.Password == "" || d.Password == "" {
		t.Fatalf("%q, %q, %v", m.Password, d.Password, err)
	}
	secrets = append(secrets, string(m.Password), string(d.Password))
	doc, err := g.HostedDocument(hostNode, a.ID)
	if err != nil || !strings.HasPrefix(doc.DatabasePassword, "*") || !strings.HasPrefix(doc.Mailboxes[0].Password, "$6$") {
		t.Fatalf("%+v, %v", doc, err)
	}
	secrets = append(secrets, doc.Password, doc.DatabasePassword, doc.Mailboxes[0].Password) // digests are sealed
	page, err := backend.List(context.Background(), "", kv.ListOptions{})
	if err != nil || len(page.Entries) < 10 {
		t.Fatalf("%d entries, %v", len(page.Entries), err)
	}
	for _, e := range page.Entries {
		for _, secret := range secrets {
			if strings.Contains(string(e.Value), secret) {
				t.Errorf("%s holds a secret", e.Key)
			}
		}
	}
}

// lossy is a state that does a commit and tells nobody, or does it not, once.
type lossy struct {
	kv.KV
	lose atomic.Int32 // 1: not done; 2: done, and the answer is lost
}

func (l *lossy) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	how := l.lose.Swap(0)
	if how == 1 {
		return 0, false, fault.Unavailable("the state is away")
	}
	rev, ok, err := l.KV.Commit(ctx, t)
	if how == 2 {
		return 0, false, fault.Unavailable("the answer is lost")
	}
	return rev, ok, err
}

func TestX10_TheSameRequestAgainMakesOneAccountWhateverWasLost(t *testing.T) {
	for lost := int32(1); lost <= 2; lost++ {
		backend := &lossy{KV: newState(t)}
		g := openFarm(t, backend)
		ctx := WithOnce(context.Background(), NewOnce("ann", "key", "bearer"))
		d := AccountDraft{Domain: "example.de", Offer: "ofr-gold", Customer: "cus-1"}
		g.account("first.de", "") // the data key is there
		backend.lose.Store(lost)
		if _, _, err := g.CreateAccount(ctx, ann, d); lost == 1 && err == nil {
			t.Error("a commit that was not done is told as done")
		}
		if _, _, err := g.CreateAccount(ctx, ann, d); err != nil && !errors.Is(err, ErrAnswered) {
			t.Errorf("again: %v", err)
		}
		if got, want := g.held(), [5]int{4, 2, 2, 2, 2}; got != want {
			t.Errorf("after a loss of kind %d: %v, not %v", lost, got, want)
		}
	}
}

func TestH18_AnAccountNeedsANodeThatCarriesAccounts(t *testing.T) {
	g := openFarm(t, newState(t))
	g.commit(func(tx *store.Tx) error { return store.Provisions.Delete(tx, hostNode) })
	for server, words := range map[string]string{hostNode: "carries no accounts", "": "carries no accounts"} {
		_, _, err := g.CreateAccount(context.Background(), ann, AccountDraft{Domain: "example.de", Offer: "ofr-gold", Server: server})
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), words) {
			t.Errorf("on %q: %v", server, err)
		}
	}
}

func TestC13_C16_P10_WhatTheSubscriptionGivesReachesTheNodeInTheSameCommit(t *testing.T) {
	g := openFarm(t, newState(t))
	ctx := context.Background()
	a := g.account("example.de", "")
	version := func() protocol.HostedAccount {
		d, _ := store.Hosted.View(g.store, a.ID)
		return d.Account
	}
	before := version()
	if _, _, err := g.Suspend(ctx, ann, a.Subscription, "unpaid", true); err != nil || version().State != protocol.HostedSuspended || version().Version != before.Version+1 {
		t.Errorf("suspended: %+v, %v", version(), err)
	}
	if _, _, err := g.Suspend(ctx, ann, a.Subscription, "", false); err != nil || version().State != protocol.HostedPresent {
		t.Errorf("unsuspended: %+v, %v", version(), err)
	}
	if _, _, err := g.SetValues(ctx, ann, a.Subscription, plan.Values{plan.IMAP: plan.Switched(false)}, plan.OfPin, ""); err != nil || version().IMAP {
		t.Errorf("C17: %+v, %v", version(), err)
	}
	big := plan.Offer{ID: "ofr-big", Kind: plan.Service, Name: "Big", Values: plan.Values{plan.DiskMiB: plan.Number(500)}.Complete(), Version: 1}
	g.commit(func(tx *store.Tx) error { return store.Offers.Put(tx, big.ID, big) })
	if _, _, err := g.SwitchPlan(ctx, ann, a.Subscription, big.ID); err != nil || *version().DiskMiB != 500 {
		t.Errorf("C13: %+v, %v", version(), err)
	}
	if load, _ := store.Loads.View(g.store, hostNode); load.PromisedMiB != 500 {
		t.Errorf("C13: promised on the server: %+v", load)
	}
}

func TestC22_TheDefaultMailboxIsMadeOrItIsToldWhyNot(t *testing.T) {
	g := openFarm(t, newState(t))
	g.commit(func(tx *store.Tx) error {
		return store.AccountDefaults.Put(tx, "provider", plan.Defaults{DefaultMailbox: true, MailboxName: "info", VirusScan: plan.AsOffered, IMAP: plan.Off})
	})
	a := g.account("example.de", "")
	doc, err := g.HostedDocument(hostNode, a.ID)
	if err != nil || len(a.Mailboxes) != 1 || a.Mailboxes[0].Address != "info@example.de" || a.Notice != "" || doc.Mailboxes[0].Password != doc.Password || doc.IMAP {
		t.Errorf("%+v, %+v, %v", a, doc, err)
	}
	none := plan.Offer{ID: "ofr-none", Kind: plan.Service, Name: "None", Values: plan.Values{}.Complete(), Version: 1}
	g.commit(func(tx *store.Tx) error { return store.Offers.Put(tx, none.ID, none) })
	b, _, err := g.CreateAccount(context.Background(), ann, AccountDraft{Domain: "example.org", Offer: none.ID})
	if err != nil || len(b.Mailboxes) != 0 || !strings.Contains(b.Notice, "default mailbox") {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestC6_C10_TheSwitchesApplyWhenAnAccountIsMade: default is what the reseller's accounts get, and else what the offer says; a word of the request wins.
func TestC6_C10_TheSwitchesApplyWhenAnAccountIsMade(t *testing.T) {
	g := openFarm(t, newState(t))
	made := 0
	imap := func(word string) bool {
		t.Helper()
		made++
		a, _, err := g.CreateAccount(context.Background(), ann, AccountDraft{Domain: fmt.Sprintf("made%d.example", made), Offer: "ofr-gold", IMAP: word})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := g.HostedDocument(hostNode, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return doc.IMAP
	}
	for word, want := range map[string]bool{"": true, "default": true, "on": true, "off": false} {
		if got := imap(word); got != want {
			t.Errorf("with IMAP %q, which the offer has on, the node is told %v", word, got)
		}
	}
	g.commit(func(tx *store.Tx) error {
		return store.AccountDefaults.Put(tx, "provider", plan.Defaults{VirusScan: plan.AsOffered, IMAP: plan.Off})
	})
	for word, want := range map[string]bool{"": false, "default": false, "on": true, "off": false} {
		if got := imap(word); got != want {
			t.Errorf("with IMAP %q, which new accounts do not have by default, the node is told %v", word, got)
		}
	}
}

func TestX13_EverythingThatIsWrongWithAnAccountIsToldAtOnce(t *testing.T) {
	g := openFarm(t, newState(t))
	_, _, err := g.CreateAccount(context.Background(), ann, AccountDraft{Domain: "localhost", Offer: "ofr-no", Customer: "cus-no", Server: "srv-no", IMAP: "perhaps", VirusScan: "x", Shell: "/bin/zsh", AddOns: []string{"ofr-x"}})
	var fields []string
	for _, f := range fault.From(err).Fields {
		fields = append(fields, f.Name)
	}
	for _, want := range []string{"domain", "offer", "customer", "server", "imap", "virus_scan", "shell", "add_ons"} {
		if !slices.Contains(fields, want) {
			t.Errorf("%s is not named: %v", want, fields)
		}
	}
}

func TestH6_AccountsThatAnAgentCarriesAreNotMovedByHand(t *testing.T) {
	g := openFarm(t, newState(t))
	g.account("example.de", "")
	g.commit(func(tx *store.Tx) error { return putSellable(tx, "srv-0000000000000002", 2) })
	if _, err := g.MoveContent(context.Background(), ann, hostNode, "srv-0000000000000002", "full"); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "example.de") {
		t.Errorf("%v", err)
	}
}
