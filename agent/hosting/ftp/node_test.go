package ftp

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

const loopback = "127.20.2.1"

// node is a node with a real ProFTPD.
type node struct {
	t    testing.TB
	dir  string
	o    Options
	part *Part
	web  int
	ftpd *hostingtest.Process
}

// newNode starts ProFTPD with Debian's own configuration, in which only places and the port are others.
func newNode(t testing.TB) *node {
	t.Helper()
	path := hostingtest.Need(t, "proftpd")
	dir := hostingtest.Dir(t)
	port := hostingtest.Port(t, loopback)
	n := &node{t: t, dir: dir, web: hostingtest.Group(t, "www-data")}
	n.o = Options{
		Layout: hostingtest.Layout(t, dir), Program: path, Conf: filepath.Join(dir, "proftpd.conf"), PID: filepath.Join(dir, "run", "pid"),
		Include: filepath.Join(dir, "conf.d", "steelyard.conf"), Probe: loopback + ":" + port, Passive: [2]int{45000, 45500},
		Logrotate: filepath.Join(dir, "logrotate.d", "steelyard-ftp"), Wait: 30 * time.Second,
	}
	for _, name := range []string{"run", "conf.d", "logrotate.d"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	debian, err := os.ReadFile("/etc/proftpd/proftpd.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(
		"\nPort ", "\nDefaultAddress "+loopback+"\nSocketBindTight on\nPidFile "+n.o.PID+"\nScoreboardFile "+dir+"/run/scoreboard\nDelayTable none\nPort "+port+"\n#",
		"/var/log/proftpd", dir+"/run", "/var/run/proftpd", dir+"/run", "/etc/proftpd/conf.d", dir+"/conf.d",
	).Replace(string(debian))
	hostingtest.File(t, n.o.Conf, text, 0, 0, 0o644)
	n.start()
	n.part = New(n.o)
	return n
}

func (n *node) start() {
	n.ftpd = hostingtest.Start(n.t, hostingtest.Daemon{Args: []string{n.o.Program, "-n", "-c", n.o.Conf}, Ready: func() error {
		_, err := n.o.daemon().PID()
		if err == nil && n.part != nil && New(n.o).greeted(context.Background()) == "" {
			err = errors.New("no greeting")
		}
		return err
	}})
}

// digest of a password.
func digest(t testing.TB, password string) string {
	t.Helper()
	out, err := exec.Command("openssl", "passwd", "-6", "-salt", "abcdefgh", password).Output()
	if err != nil {
		t.Skip(err)
	}
	return strings.TrimSpace(string(out))
}

func (n *node) account(user string, uid int, password string) *part.Account {
	hostingtest.Home(n.t, n.o.Layout, user, uid, n.web)
	return &part.Account{
		HostedAccount: protocol.HostedAccount{ID: "id-" + user, Version: 1, State: protocol.HostedPresent, User: user, Password: digest(n.t, password), Shell: protocol.ShellFalse},
		UID:           uid, GID: uid, Home: n.o.Layout.Home(user),
	}
}

func (n *node) settle(accounts ...*part.Account) {
	n.t.Helper()
	for _, a := range accounts {
		if err := n.part.Ensure(context.Background(), a); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := n.part.Settle(context.Background()); err != nil {
		n.t.Fatal(err)
	}
}

// names of what is in a directory of a user, hidden files too.
func (n *node) names(user, dir string) string {
	n.t.Helper()
	list, err := os.ReadDir(filepath.Join(n.o.Layout.Home(user), dir))
	if err != nil {
		n.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
