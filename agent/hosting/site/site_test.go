package site

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/protocol"
)

func TestC9_TheSiteOfANewAccountIsServedUnderItsNames(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de", "shop.example.de")
	n.settle(a)
	n.must("example.de", "/", 200, "This site is new")
	n.must("www.example.de", "/", 200, "This site is new")
	n.put(a, "htdocs/index.html", "hello of alice")
	n.put(a, "sub/shop.example.de/index.html", "the shop")
	n.must("EXAMPLE.de", "/", 200, "hello of alice")
	n.must("shop.example.de", "/", 200, "the shop")
	n.must("www.shop.example.de", "/", 404, "")
	n.must("nobody.example", "/", 404, "")
	for _, address := range n.o.Listen {
		if got := n.ask(address, "GET / HTTP/1.0\r\nHost: example.de\r\n\r\n"); got.body != "hello of alice" {
			t.Errorf("%s: %+v", address, got)
		}
	}
}

func TestASubdomainHasADirectoryThatOutlivesIt(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de", "shop.example.de")
	n.settle(a)
	dir := n.o.Layout.Subdomain("alice", "shop.example.de")
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); info.Mode() != os.ModeDir|os.ModeSetgid|0o750 || st.Uid != 61001 || st.Gid != uint32(n.web) {
		t.Errorf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
	}
	n.put(a, "sub/shop.example.de/index.html", "the shop")
	n.must("shop.example.de", "/", 200, "the shop")
	a.Subdomains = nil
	n.settle(a)
	n.must("shop.example.de", "/", 404, "")
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("what the customer has is gone: %v", err)
	}
}

func TestWhatNoFileAnswersIsInTheLogToo(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	a.Forwards = []protocol.HostedForward{{Domain: "old.de", Redirect: true}}
	n.settle(a)
	if err := os.Mkdir(n.o.Layout.Htdocs("alice")+"/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	n.put(a, "htdocs/script.php", "x")
	asked := map[string]int{"/": 200, "/missing": 404, "/empty": 301, "/empty/": 403, "/script.php": 403, "/.secret": 403, "/index.html": 200}
	for target, status := range asked {
		n.must("example.de", target, status, "")
	}
	n.must("old.de", "/moved", 301, "")
	n.must("nobody.example", "/nobody", 404, "")
	a.State = protocol.HostedSuspended
	n.settle(a)
	n.must("example.de", "/suspended", 503, "not available")
	asked["/moved"], asked["/suspended"] = 301, 503
	for target, status := range asked {
		line := fmt.Sprintf("\"GET %s HTTP/1.1\" %d ", target, status)
		hostingtest.Until(t, line, n.contains(n.o.Layout.LogsOf("alice")+"/access.log", line))
	}
	lines := strings.Count(n.read("logs/traffic.log"), "\n")
	if lines != len(asked) || strings.Count(n.read("logs/traffic.log"), "alice ") != lines {
		t.Errorf("%d requests, %d lines:\n%s", len(asked), lines, n.read("logs/traffic.log"))
	}
}

func TestC18_AForwardShowsTheSiteOrLeadsToIt(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	a.Forwards = []protocol.HostedForward{{Domain: "alias.de"}, {Domain: "old.de", Redirect: true}}
	n.settle(a)
	n.put(a, "htdocs/index.html", "hello of alice")
	n.must("alias.de", "/", 200, "hello of alice")
	n.must("www.alias.de", "/?x=1", 200, "hello of alice")
	for _, host := range []string{"old.de", "www.old.de"} {
		got := n.get(host, "/a%20b/c?x=1&y=%0d%0aSet-Cookie:z")
		if got.status != 301 || got.location != "http://example.de/a%20b/c?x=1&y=%0d%0aSet-Cookie:z" {
			t.Errorf("%s: %+v", host, got)
		}
	}
}

func TestC19_AForwardThatIsDeletedLeadsNowhere(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	a.Forwards = []protocol.HostedForward{{Domain: "alias.de"}, {Domain: "old.de", Redirect: true}}
	n.settle(a)
	a.Forwards = nil
	n.settle(a)
	for _, host := range []string{"old.de", "www.old.de", "alias.de", "www.alias.de"} {
		n.must(host, "/", 404, "")
	}
	n.must("example.de", "/", 200, "new")
}
