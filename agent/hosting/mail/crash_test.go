package mail

import (
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// TestX5_ACrashAtAnyPointIsCompletedByTheNextCall: each walk is stopped after its first step, then after its second, and so on; the next call, of a part that knows
// nothing, ends where a walk without stop ends. The maps are Postfix's own; daemons are not needed.
func TestX5_ACrashAtAnyPointIsCompletedByTheNextCall(t *testing.T) {
	for name, walk := range map[string]struct{ before, after func(a *part.Account) }{
		"make":    {nil, func(*part.Account) {}},
		"suspend": {func(*part.Account) {}, func(a *part.Account) { a.State = protocol.HostedSuspended }},
		"change": {func(*part.Account) {}, func(a *part.Account) {
			a.Mailboxes, a.MailboxesGone, a.IMAP, a.VirusScan = a.Mailboxes[:1], []string{"post@example.org"}, false, false
			a.Mailboxes[0].Password = secret(t, "new")
			a.Lists = []protocol.HostedList{{Address: "news@example.org", Members: []string{"y@elsewhere.test"}, Owner: "info@example.org"}}
		}},
		"remove": {func(*part.Account) {}, func(a *part.Account) { a.State = protocol.HostedGone }},
	} {
		t.Run(name, func(t *testing.T) {
			n := files(t)
			var want map[string]string
			for stop := 0; ; stop++ {
				n.part = New(n.o)
				n.remove(hosted(t, "bob", "example.org"))
				a := func(change func(*part.Account)) *part.Account {
					a := hosted(t, "bob", "example.org")
					a.VirusScan = true
					a.Lists = []protocol.HostedList{{Address: "news@example.org", Members: []string{"x@elsewhere.test"}}}
					change(a)
					return a
				}
				if walk.before != nil {
					n.ensure(a(walk.before))
				}
				act := func() error { return act(t, n.part, a(walk.after)) }
				if stop == 0 {
					if err := act(); err != nil {
						t.Fatal(err)
					}
					want = n.all()
					continue
				}
				if !hostingtest.Stopped(stop, func() { _ = act() }) {
					if stop < 4 {
						t.Errorf("only %d steps", stop)
					}
					break
				}
				n.part = New(n.o)
				if err := act(); err != nil {
					t.Fatalf("after a stop at step %d: %v", stop, err)
				}
				hostingtest.Same(t, want, n.all())
				if t.Failed() {
					t.Fatalf("after a stop at step %d", stop)
				}
			}
		})
	}
}

func act(t testing.TB, p *Part, a *part.Account) error {
	if a.State != protocol.HostedGone {
		if err := p.Ensure(t.Context(), a); err != nil {
			return err
		}
	} else if left, err := p.Remove(t.Context(), a); err != nil || len(left) > 0 {
		return err
	}
	return p.Settle(t.Context())
}

// all is everything that the part has made.
func (n *node) all() map[string]string {
	all := n.maps()
	for dir, prefix := range map[string]string{n.part.dir(): "state ", n.o.Layout.Mail: "mail "} {
		for name, text := range hostingtest.Picture(n.t, dir) {
			if len(name) < 6 || name[:5] != "maps/" {
				all[prefix+name] = text
			}
		}
	}
	return all
}

// TestLostMapsAreMadeAgain: from the records of all accounts.
func TestLostMapsAreMadeAgain(t *testing.T) {
	n := files(t)
	n.ensure(hosted(t, "bob", "example.org"), hosted(t, "alice", "alice.test"))
	want := n.maps()
	n.run("rm", n.part.mapPath(mapBoxes))
	n.part = New(n.o)
	n.ensure(hosted(t, "bob", "example.org"))
	hostingtest.Same(t, want, n.maps())
}
