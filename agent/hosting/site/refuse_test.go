package site

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

var hostile = []string{
	"", " ", "a b.de", "../../etc/passwd", "a.de\n", "a.de;", "a.de; }", "$(id).de", "`id`.de", "a'.de", `a".de`, "a.de\x00", "A.de", "*.de", "~^.*$", "_", "a.de{", "$host", "1.2.3.4",
	"localhost", "a.de/x", "a.de#", "a.de\\", strings.Repeat("a.", 130) + "de", asked, "x.invalid", "default_server", "include", "a.de\tb.de", ".a.de", "ü.de",
}

func TestAHostileDocumentIsRefusedAndNamesTheField(t *testing.T) {
	p := New(Options{Layout: hostingtest.Layout(t, t.TempDir()), PHPRoot: t.TempDir()})
	good := part.Account{HostedAccount: protocol.HostedAccount{ID: "1", State: protocol.HostedPresent, User: "alice", Domain: "example.de"}, UID: 61001, GID: 61001}
	refused := func(field string, change func(a *part.Account)) {
		t.Helper()
		a := good
		change(&a)
		err := p.Ensure(t.Context(), &a)
		if !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s of %+v: %v", field, a, err)
		}
	}
	for _, text := range hostile {
		if text != "" {
			refused("domain", func(a *part.Account) { a.Domain = text })
		}
		refused("subdomains[1]", func(a *part.Account) { a.Subdomains = []string{"b.de", text} })
		refused("forwards[1].domain", func(a *part.Account) { a.Forwards = []protocol.HostedForward{{Domain: "b.de"}, {Domain: text}} })
		if protocol.UserName(text) {
			continue
		}
		refused("user", func(a *part.Account) { a.User = text })
		if _, err := p.Remove(t.Context(), &part.Account{HostedAccount: protocol.HostedAccount{User: text}}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("removal of %q: %v", text, err)
		}
	}
	refused("uid", func(a *part.Account) { a.UID = 0 })
	refused("uid", func(a *part.Account) { a.GID = 33 })
	refused("state", func(a *part.Account) { a.State = protocol.HostedGone })
	refused("subdomains[0]", func(a *part.Account) { a.Subdomains = []string{"www.example.de"} })
	refused("domain", func(a *part.Account) { a.Domain, a.Subdomains = "", []string{"b.de"} })
	refused("subdomains", func(a *part.Account) { a.Subdomains = make([]string, most+1) })
}

func TestX14_ANameIsServedForOneAccountOfTheNode(t *testing.T) {
	n := newNode(t, false)
	a, b := n.account("alice", 61001, "example.de"), n.account("bob", 61002, "bob.de")
	n.settle(a)
	n.part = New(n.o) // which has to read the names that are served
	b.Forwards = []protocol.HostedForward{{Domain: "example.de"}}
	if err := n.part.Ensure(t.Context(), b); !fault.Is(err, fault.KindConflict) || !strings.Contains(err.Error(), "alice") {
		t.Fatal(err)
	}
	a.Domain = "other.de"
	n.settle(a, b)
	n.put(b, "htdocs/index.html", "hello of bob")
	n.must("example.de", "/", 200, "hello of bob")
}

func TestWhatNginxDoesNotTakeIsBlamedAndTheOthersGoOn(t *testing.T) {
	n := newNode(t, false)
	a, b, c := n.account("alice", 61001, "example.de"), n.account("bob", 61002, "bob.de"), n.account("carl", 61003, "carl.de")
	n.settle(c)
	if err := n.part.Ensure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := n.part.Ensure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	n.part.web.pending["alice"] = change{a.ID, "nonsense;\n"} // as a mistake of ours would
	n.part.web.pending["carl"] = change{c.ID, "map {\n"}
	if err := n.part.Ensure(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var blamed *part.Blamed
	if err := n.part.Settle(t.Context()); !errors.As(err, &blamed) || len(blamed.By) != 2 || !strings.Contains(err.Error(), `account id-alice`) || !strings.Contains(err.Error(), "alice.conf") {
		t.Fatal(err)
	}
	n.must("bob.de", "/", 200, "new")
	n.must("carl.de", "/", 200, "new") // as it was before
	n.settle(a, b, c)
	n.must("example.de", "/", 200, "new")
}

func TestWhatTheOperatorBrokeDoesNotTakeTheSitesAway(t *testing.T) {
	n := newNode(t, false)
	a, b := n.account("alice", 61001, "example.de"), n.account("bob", 61002, "bob.de")
	n.settle(a)
	n.write("conf.d/own.conf", "nonsense;\n")
	err := n.try(b)
	if err == nil || !strings.Contains(err.Error(), "own.conf") || !strings.Contains(err.Error(), "former sites") {
		t.Fatal(err)
	}
	n.must("example.de", "/", 200, "new")
	if _, err := os.Lstat(filepath.Join(n.o.Layout.State, "nginx", "hosts", "bob.conf")); !os.IsNotExist(err) {
		t.Errorf("what is not served is written: %v", err)
	}
	n.write("conf.d/own.conf", "")
	n.settle(b)
	n.must("bob.de", "/", 200, "new")
}

func TestADefaultSiteOfTheOperatorStaysTheDefault(t *testing.T) {
	n := newNode(t, false)
	n.settle(n.account("alice", 61001, "example.de"))
	n.must("nobody.example", "/", 404, "")
	n.write("conf.d/own.conf", "server { listen "+n.o.Listen[0]+" default_server; default_type text/plain; return 200 welcome; }\n")
	n.settle(n.account("bob", 61002, "bob.de"))
	n.must("nobody.example", "/", 200, "welcome")
	n.must("example.de", "/", 200, "new")
	n.must("bob.de", "/", 200, "new")
}

func TestPHPLivesOnWhenAPoolCannotBe(t *testing.T) {
	n := newNode(t, true)
	a, b := n.account("alice", 61001, "example.de"), n.account("bob", 61002, "bob.de")
	a.PHP, b.PHP = true, true
	n.settle(a, b)
	n.put(b, "htdocs/who.php", who)
	n.must("bob.de", "/who.php", 200, "uid 61002")
	n.write("pool.d/own.conf", "[own]\nuser = nobody-such\nlisten = /nowhere/x\npm = ondemand\npm.max_children = 1\n")
	c := n.account("carl", 61003, "carl.de")
	c.PHP = true
	var blamed *part.Blamed
	if err := n.try(c); !errors.As(err, &blamed) || blamed.By[c.ID] == nil || !strings.Contains(err.Error(), "former pools") {
		t.Errorf("a broken pool of the operator: %v", err)
	}
	n.must("bob.de", "/who.php", 200, "uid 61002")
	n.must("carl.de", "/", 200, "new")
}

func TestRoomForPoolsIsAskedForBeforeItIsNeeded(t *testing.T) {
	n := newNode(t, true)
	limit := fpm{&n.o}
	if err := limit.room(10); err != nil {
		t.Error(err)
	}
	if err := limit.room(1 << 30); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "LimitNOFILE") {
		t.Error(err)
	}
}
