package ftp

import (
	"os"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// Debian's own configuration and places, in a world where they are the test's.
func TestC11_FTPWorksWithDebiansOwnConfiguration(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	path := hostingtest.Need(t, "proftpd")
	n := &node{t: t, web: hostingtest.Group(t, "www-data"), o: Options{}.filled()}
	n.ftpd = hostingtest.Start(t, hostingtest.Daemon{Args: []string{path, "-n"}, Ready: func() error { _, err := n.o.daemon().PID(); return err }})
	for _, dir := range []string{n.o.Layout.Homes, n.o.Layout.Mail} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n.part = New(Options{})
	n.settle(n.account("alice", 61001, "secret"))
	c := n.in("alice", "secret")
	c.host = "127.0.0.1"
	if code := c.put("htdocs/index.html", "hello"); code != 226 {
		t.Error(code)
	}
	if got := n.part.Provide(t.Context()); !got.Switches["ftp"] {
		t.Errorf("%+v", got)
	}
}
