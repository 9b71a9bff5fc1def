//go:build bench

package hosting

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/ftp"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/mail"
	"github.com/steelyard/steelyard/agent/hosting/mysql"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/agent/hosting/site"
	"github.com/steelyard/steelyard/agent/hosting/unix"
	"github.com/steelyard/steelyard/protocol"
)

// crypt is a digest of no password that is known.
const crypt = "$6$abcdefghijklmnop$" + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234."

// newParts are those of the agent (agent/app), in its order.
func newParts(t *testing.T) []part.Part {
	l := part.Standard
	databases, err := mysql.New(mysql.Options{Layout: l})
	if err != nil {
		t.Fatal(err)
	}
	limits := quota.New(quota.Options{Layout: l})
	return []part.Part{
		unix.New(unix.Options{Layout: l, Homes: limits.Homes()}), limits, site.New(site.Options{Layout: l}), ftp.New(ftp.Options{Layout: l}), mail.New(mail.Options{Layout: l}), databases,
	}
}

// carrier is a node that runs, with the controller's side played.
type carrier struct {
	t    *testing.T
	node *hosting.Node
	end  func()
}

func begin(t *testing.T, dir string, parts []part.Part) *carrier {
	t.Helper()
	c := open(t, dir, parts)
	c.run()
	return c
}

// open reads the documents that the node has, and does nothing yet.
func open(t *testing.T, dir string, parts []part.Part) *carrier {
	t.Helper()
	node, err := hosting.New(hosting.Options{Dir: filepath.Join(dir, "hosted"), Parts: parts, Layout: part.Standard, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return &carrier{t: t, node: node}
}

func (c *carrier) run() {
	ctx, cancel := context.WithCancel(c.t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.node.Run(ctx)
	}()
	c.end = func() { cancel(); <-over }
}

func (c *carrier) until(what string, f func() error) { c.t.Helper(); hostingtest.Until(c.t, what, f) }

// await hears reports until so many accounts are done.
func (c *carrier) await(accounts int) {
	c.t.Helper()
	done := map[string]bool{}
	late := time.After(20 * time.Minute)
	for len(done) < accounts {
		r, ok := c.node.Report()
		for _, result := range r.Results {
			switch result.State {
			case protocol.HostedDone:
				done[result.ID] = true
			case protocol.HostedFailed:
				c.t.Logf("account %s: %+v", result.ID, result.Steps) // it is tried again
			}
		}
		if ok {
			c.node.Told(r.Seq)
			continue
		}
		select {
		case <-c.node.Changed():
		case <-late:
			c.t.Fatalf("only %d of %d accounts are done", len(done), accounts)
		}
	}
}

// set gives the node documents and waits until they are true.
func (c *carrier) set(list ...*protocol.HostedAccount) {
	c.t.Helper()
	var set protocol.HostedSet
	for _, a := range list {
		a.Version++
		set.Accounts = append(set.Accounts, *a)
	}
	if err := c.node.Set(set); err != nil {
		c.t.Fatal(err)
	}
	c.await(len(list))
}

// change alters one account and tells how long it took until that was true.
func (c *carrier) change(a *protocol.HostedAccount, f func(*protocol.HostedAccount)) (seconds float64) {
	c.t.Helper()
	f(a)
	begun := time.Now()
	c.set(a)
	return time.Since(begun).Seconds()
}

// changes are what customers do, one thing at a time.
var changes = []struct {
	name string
	make func(a *protocol.HostedAccount)
}{
	{"password", func(a *protocol.HostedAccount) { a.Password = crypt[:len(crypt)-1] + "/" }},
	{"site", func(a *protocol.HostedAccount) { a.Subdomains = append(a.Subdomains, "blog."+a.Domain) }},
	{"ftp", func(a *protocol.HostedAccount) {
		a.FTPLogins = append(a.FTPLogins, protocol.HostedLogin{Name: a.User + "_two", Password: crypt, Dir: "htdocs"})
	}},
	{"mailbox", func(a *protocol.HostedAccount) {
		a.Mailboxes = append(a.Mailboxes, protocol.HostedMailbox{Address: "new@" + a.Domain, Password: crypt})
	}},
	{"database", func(a *protocol.HostedAccount) { a.Databases = append(a.Databases, a.User+"_two") }},
	{"suspension", func(a *protocol.HostedAccount) { a.State = protocol.HostedSuspended }},
}

// document is an account that has some of everything.
func document(i int) *protocol.HostedAccount {
	user := fmt.Sprintf("cust%05d", i)
	domain := user + ".example"
	a := &protocol.HostedAccount{
		ID: fmt.Sprintf("A%05d", i), State: protocol.HostedPresent, User: user, Password: crypt, Shell: protocol.ShellFalse,
		FTPLogins: []protocol.HostedLogin{{Name: user + "_shop", Password: crypt, Dir: "htdocs"}},
		Databases: []string{user + "_shop"}, DatabasePassword: "*0123456789ABCDEF0123456789ABCDEF01234567",
	}
	a.Domain, a.PHP, a.Subdomains = domain, true, []string{"shop." + domain}
	a.Forwards = []protocol.HostedForward{{Domain: user + ".example.net"}, {Domain: user + ".example.org", Redirect: true}}
	a.Mailboxes = []protocol.HostedMailbox{{Address: "info@" + domain, Password: crypt}, {Address: "shop@" + domain, Password: crypt}}
	a.Lists = []protocol.HostedList{{Address: "all@" + domain, Members: []string{"info@" + domain}}}
	return a
}
