package mail

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// TestX13_AHostileDocumentIsRefusedByName: nothing of it is written anywhere.
func TestX13_AHostileDocumentIsRefusedByName(t *testing.T) {
	n := files(t)
	n.ensure(hosted(t, "alice", "alice.test"))
	before := n.all()
	box := func(address string) func(a *part.Account) {
		return func(a *part.Account) { a.Mailboxes[1].Address = address }
	}
	list := func(l protocol.HostedList) func(a *part.Account) {
		return func(a *part.Account) { a.Lists = []protocol.HostedList{l} }
	}
	for _, c := range []struct {
		field  string
		change func(a *part.Account)
	}{
		{"user", func(a *part.Account) { a.User = "../bob" }},
		{"id", func(a *part.Account) { a.ID = "x\n map boxes y 1" }},
		{"state", func(a *part.Account) { a.State = protocol.HostedGone }},
		{"mailboxes[1].address", box("../../x@example.org")},
		{"mailboxes[1].address", box("..@example.org")},
		{"mailboxes[1].address", box("a b@example.org")},
		{"mailboxes[1].address", box("a\nb@example.org")},
		{"mailboxes[1].address", box("info+x@example.org")},
		{"mailboxes[1].address", box("info@alice.test")},
		{"mailboxes[1].address", box("info@example.org")},
		{"mailboxes[1].address", box("x@../alice.test")},
		{"mailboxes[1].address", box(strings.Repeat("a", 65) + "@example.org")},
		{"mailboxes[0].address", func(a *part.Account) { a.Domain = "example.org/../x"; a.Mailboxes[0].Address = "info@example.org/../x" }},
		{"mailboxes[0].password", func(a *part.Account) { a.Mailboxes[0].Password += `","user":"root` }},
		{"mailboxes[0].password", func(a *part.Account) { a.Mailboxes[0].Password += "\ninfo" }},
		{"mailboxes[0].password", func(a *part.Account) { a.Mailboxes[0].Password = "{PLAIN}x" }},
		{"lists[0].address", list(protocol.HostedList{Address: "post@example.org"})},
		{"lists[0].members[0]", list(protocol.HostedList{Address: "l@example.org", Members: []string{"|/bin/sh"}})},
		{"lists[0].members[0]", list(protocol.HostedList{Address: "l@example.org", Members: []string{`"|/bin/sh -c x"@example.org`}})},
		{"lists[0].members[0]", list(protocol.HostedList{Address: "l@example.org", Members: []string{":include:/etc/passwd"}})},
		{"lists[0].members[0]", list(protocol.HostedList{Address: "l@example.org", Members: []string{"/etc/cron.d/x"}})},
		{"lists[0].members[1]", list(protocol.HostedList{Address: "l@example.org", Members: []string{"a@b.test", "x@y.test, z@y.test"}})},
		{"lists[0].members[0]", list(protocol.HostedList{Address: "l@example.org", Members: []string{"L@example.org"}})},
		{"lists[0].owner", list(protocol.HostedList{Address: "l@example.org", Owner: "a@b.test\npostmaster root"})},
		{"mailboxes_gone[0]", func(a *part.Account) { a.MailboxesGone = []string{"info@example.org"} }},
		{"mailboxes_gone[0]", func(a *part.Account) { a.MailboxesGone = []string{"..@example.org"} }},
	} {
		a := hosted(t, "bob", "example.org")
		c.change(a)
		if err := n.part.Ensure(t.Context(), a); !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), c.field+" ") {
			t.Errorf("%s: %v", c.field, err)
		}
		if err := n.part.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.part.Remove(t.Context(), &part.Account{HostedAccount: protocol.HostedAccount{ID: "acc-alice", User: "../x"}}); err == nil {
		t.Error("../x was removed")
	}
	thief := hosted(t, "bob", "alice.test") // the fleet's names are the controller's to guard; the node does, too
	if err := n.part.Ensure(t.Context(), thief); !fault.Is(err, fault.KindConflict) {
		t.Errorf("alice's domain: %v", err)
	}
	hostingtest.Same(t, before, n.all())
}

// FuzzDocument: whatever passes the check becomes one line for each entry of a record, and JSON with nothing but what was meant.
func FuzzDocument(f *testing.F) {
	f.Add("info@example.org", "$6$a$"+strings.Repeat("a", 86), "x@y.test", "o@y.test")
	f.Add("a b@example.org", `","user":"root`, "|sh", ":include:x")
	f.Fuzz(func(t *testing.T, address, digest, member, owner string) {
		a := &protocol.HostedAccount{
			ID: "acc", State: protocol.HostedPresent, User: "bob", Domain: "example.org", Mailboxes: []protocol.HostedMailbox{{Address: address, Password: digest}},
			Lists: []protocol.HostedList{{Address: "news@example.org", Members: []string{member}, Owner: owner}},
		}
		if check(a) != nil {
			return
		}
		r := (&record{}).towards("acc", wanted(a))
		again, err := parse(string(r.text()))
		if err != nil || string(again.text()) != string(r.text()) || len(again.come) != len(r.come) {
			t.Errorf("%q: %v", r.text(), err)
		}
		for line := range r.come {
			if strings.ContainsAny(line, "|\"\n\\`$;:") && !strings.HasSuffix(line, discard) {
				t.Errorf("%q passed", line)
			}
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(password(a.Mailboxes[0])), &got); err != nil || len(got) != 1 || got["password"] != "{SHA512-CRYPT}"+digest {
			t.Errorf("%q became %v %v", digest, got, err)
		}
	})
}
