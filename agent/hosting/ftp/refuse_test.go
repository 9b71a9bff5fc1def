package ftp

import (
	"fmt"
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
	" ", "a b", "../x", "a\n", "x:y", "root:x:0:0", "$(id)", "`id`", "a'", `a"`, "a\x00b", "A", "*", "%u", "~", "#x", "a;b", "a\tb", strings.Repeat("a", 300), "ü", "/etc", "a\r", ".", "..",
}

func TestAHostileDocumentIsRefusedAndNamesTheField(t *testing.T) {
	dir := t.TempDir()
	p := New(Options{Layout: hostingtest.Layout(t, dir), Program: "/bin/sh"})
	good := "$6$abc$" + strings.Repeat("a", 86)
	refused := func(field string, change func(a *part.Account)) {
		t.Helper()
		a := part.Account{HostedAccount: protocol.HostedAccount{ID: "1", State: protocol.HostedPresent, User: "alice", Password: good}, UID: 61001, GID: 61001}
		change(&a)
		err := p.Ensure(t.Context(), &a)
		if !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s of %+v: %v", field, a, err)
		}
	}
	login := func(l protocol.HostedLogin) func(a *part.Account) {
		return func(a *part.Account) {
			a.FTPLogins = []protocol.HostedLogin{{Name: "alice_ok", Password: good}, l}
		}
	}
	for _, text := range hostile {
		refused("user", func(a *part.Account) { a.User = text })
		refused("password", func(a *part.Account) { a.Password = text })
		refused("password", func(a *part.Account) { a.Password = good + text })
		refused("ftp_logins[1].name", login(protocol.HostedLogin{Name: text, Password: good}))
		refused("ftp_logins[1].name", login(protocol.HostedLogin{Name: "alice_" + text, Password: good}))
		refused("ftp_logins[1].name", login(protocol.HostedLogin{Name: "bob_" + text, Password: good}))
		refused("ftp_logins[1].password", login(protocol.HostedLogin{Name: "alice_x", Password: good + ":" + text}))
		if text != "A" && text != strings.Repeat("a", 300) {
			refused("ftp_logins[1].dir", login(protocol.HostedLogin{Name: "alice_x", Password: good, Dir: "htdocs/" + text}))
		}
		if _, err := p.Remove(t.Context(), &part.Account{HostedAccount: protocol.HostedAccount{User: text}}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("removal of %q: %v", text, err)
		}
	}
	refused("password", func(a *part.Account) { a.Password = "hunter2" })
	refused("ftp_logins[1].name", login(protocol.HostedLogin{Name: "alice_ok", Password: good}))
	refused("uid", func(a *part.Account) { a.UID = 0 })
	refused("state", func(a *part.Account) { a.State = protocol.HostedGone })
	if list, _ := os.ReadDir(filepath.Join(dir, "state")); len(list) != 0 {
		t.Errorf("something was written: %v", list)
	}
}

// FuzzLogin: whatever a document says, the file of logins has lines of seven fields with the customer's numbers, below his home.
func FuzzLogin(f *testing.F) {
	good := "$6$abc$" + strings.Repeat("a", 86)
	for _, s := range hostile {
		f.Add("alice", good, "alice_x", good, s)
		f.Add("alice", s, "alice_"+s, good, "htdocs")
		f.Add(s, good, s+"_x", s, "")
	}
	o := Options{}.filled()
	f.Fuzz(func(t *testing.T, user, password, name, digest, dir string) {
		a := part.Account{UID: 61001, GID: 61002}
		a.State, a.User, a.Password = protocol.HostedPresent, user, password
		a.FTPLogins = []protocol.HostedLogin{{Name: name, Password: digest, Dir: dir}}
		l, err := check(&o, &a)
		if err != nil {
			return
		}
		for line := range strings.Lines(l.logins) {
			fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
			home := o.Layout.Home(user)
			if len(fields) != 7 || fields[2] != "61001" || fields[3] != "61002" || (fields[5] != home && !strings.HasPrefix(fields[5], home+"/")) || strings.Contains(fields[5], "/..") ||
				!strings.HasPrefix(fields[1], "$6$") || (fields[0] != user && !strings.HasPrefix(fields[0], user+"_")) || strings.ContainsAny(line, "\r\x00") {
				t.Errorf("%q", line)
			}
		}
	})
}

func TestAnyCrashAndARepetitionEndInTheSameState(t *testing.T) {
	n := newNode(t)
	a, b := n.account("alice", 61001, "secret"), n.account("bob", 61002, "other")
	zero := uint64(0)
	a.DiskMiB = &zero
	a.FTPLogins = []protocol.HostedLogin{{Name: "alice_web", Password: digest(t, "w"), Dir: "htdocs/shop"}}
	n.settle(b)
	without := hostingtest.Picture(t, n.o.Layout.State)
	n.settle(a)
	with := hostingtest.Picture(t, n.dir)
	remove := func() {
		if _, err := n.part.Remove(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		n.settle(b)
	}
	for step, over := 1, false; !over && step < 50; step++ {
		gone := !hostingtest.Stopped(step, remove)
		n.part = New(n.o)
		remove()
		hostingtest.Same(t, without, hostingtest.Picture(t, n.o.Layout.State))
		there := !hostingtest.Stopped(step, func() { n.settle(a, b) })
		n.part = New(n.o)
		n.settle(a, b)
		hostingtest.Same(t, with, hostingtest.Picture(t, n.dir), "run/", "logs/")
		if t.Failed() {
			t.Fatalf("after a stop at step %d", step)
		}
		over = gone && there
	}
	// The very first time, on a node that has nothing of ours.
	for step, over := 1, false; !over && step < 50; step++ {
		if err := os.RemoveAll(n.o.dir()); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{n.o.Include, n.o.Logrotate} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		n.part = New(n.o)
		over = !hostingtest.Stopped(step, func() { n.settle(a, b) })
		n.part = New(n.o)
		n.settle(a, b)
		hostingtest.Same(t, with, hostingtest.Picture(t, n.dir), "run/", "logs/")
	}
	n.in("alice_web", "w").Close()
}

func TestAConfigurationThatProFTPDDoesNotTakeIsTakenBack(t *testing.T) {
	n := newNode(t)
	a := n.account("alice", 61001, "secret")
	good, err := os.ReadFile(n.o.Conf)
	if err != nil {
		t.Fatal(err)
	}
	hostingtest.File(t, n.o.Conf, string(good)+"Nonsense on\n", 0, 0, 0o644)
	if err := n.part.Ensure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := n.part.Settle(t.Context()); err == nil || !strings.Contains(err.Error(), "Nonsense") {
		t.Error(err)
	}
	if _, err := os.Lstat(n.o.Include); !os.IsNotExist(err) {
		t.Errorf("the configuration stays: %v", err)
	}
	hostingtest.File(t, n.o.Conf, string(good), 0, 0, 0o644)
	n.settle(a)
	n.in("alice", "secret").Close()

	n.ftpd.Stop()
	err = n.part.Settle(t.Context())
	if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "systemctl start proftpd") {
		t.Error(err)
	}
	if got := n.part.Provide(t.Context()); got.Switches["ftp"] || !strings.Contains(fmt.Sprint(got.Components), "systemctl start proftpd") {
		t.Errorf("%+v", got)
	}
	n.start()
	n.settle(a)
	n.in("alice", "secret").Close()
	if got := n.part.Provide(t.Context()); !got.Switches["ftp"] || got.Components[0].Version == "" {
		t.Errorf("%+v", got)
	}
}

func TestTheLogTellsEachTransfer(t *testing.T) {
	n := newNode(t)
	n.settle(n.account("alice", 61001, "secret"))
	c := n.in("alice", "secret")
	c.put("htdocs/a b.txt", "12345")
	c.get("htdocs/a b.txt")
	c.must(221, "QUIT")
	want := []string{" alice STOR 226 5 ", " alice RETR 226 5 ", ` "success" "` + n.o.Layout.Htdocs("alice") + `/a b.txt"`, " alice EXIT - - "}
	hostingtest.Until(t, "the lines", func() error {
		text, err := os.ReadFile(n.o.log())
		for _, w := range want {
			if err == nil && !strings.Contains(string(text), w) {
				err = fmt.Errorf("%q is missing in %s", w, text)
			}
		}
		return err
	})
	other := hostingtest.Customer{UID: 61001, GID: 61001}
	other.MustNot(t, "cat", n.o.log())
	other.MustNot(t, "cat", n.o.logins())
	hostingtest.Customer{UID: 61001, GID: n.web}.MustNot(t, "cat", n.o.logins())
}
