package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

const who = `<?php header("Content-Type: text/plain"); $s = file_get_contents("/proc/self/status") ?: ""; echo "uid ", posix_geteuid(), " groups ", implode(",", posix_getgroups()), " tmp ", sys_get_temp_dir();`

func TestPHPRunsAsTheCustomer(t *testing.T) {
	n := newNode(t, true)
	a := n.account("alice", 61001, "example.de", "shop.example.de")
	a.PHP = true
	n.settle(a)
	n.put(a, "htdocs/who.php", who)
	n.put(a, "htdocs/index.php", `<?php session_start(); $_SESSION["n"] = 1; echo "front ", $_SERVER["REQUEST_URI"], " ", $_SERVER["QUERY_STRING"], " ", $_SERVER["HTTP_PROXY"] ?? "-", " ", $_SERVER["SERVER_NAME"];`)
	n.put(a, "sub/shop.example.de/index.php", `<?php echo "the shop ", ini_get("open_basedir");`)
	n.put(a, "htdocs/evil.php.txt", "text")
	n.must("example.de", "/who.php", 200, "uid 61001 groups 61001 tmp "+n.o.Layout.Temporary("alice"))
	n.must("example.de", "/news/today?id=7", 200, "front /news/today?id=7 id=7 - example.de")
	if got := n.ask(n.o.Listen[0], "GET / HTTP/1.0\r\nHost: example.de\r\nProxy: evil\r\n\r\n"); strings.Contains(got.body, "evil") {
		t.Errorf("a header became a setting of the script: %q", got.body)
	}
	n.must("shop.example.de", "/", 200, "the shop "+n.o.Layout.Home("alice")+"/")
	n.must("example.de", "/missing.php", 404, "")
	if list, _ := os.ReadDir(n.o.Layout.Temporary("alice")); len(list) == 0 || !strings.HasPrefix(list[0].Name(), "sess_") {
		t.Errorf("sessions: %v", list)
	}

	a.PHP = false
	n.settle(a)
	n.must("example.de", "/who.php", 403, "") // and never its text
	if strings.Contains(n.get("example.de", "/who.php").body, "posix") {
		t.Error("the text of a script was shown")
	}
	if _, err := os.Lstat(n.o.PHP.socket("alice")); !os.IsNotExist(err) {
		t.Errorf("the pool's socket is still there: %v", err)
	}
}

func TestErrorsOfAScriptAreInTheLogOfItsAccount(t *testing.T) {
	n := newNode(t, true)
	a := n.account("alice", 61001, "example.de")
	a.PHP = true
	n.settle(a)
	n.put(a, "htdocs/bad.php", `<?php error_log("something of alice");`)
	n.get("example.de", "/bad.php")
	hostingtest.Until(t, "the line", n.contains(filepath.Join(n.o.Layout.LogsOf("alice"), "error.log"), "something of alice"))
}

func TestOneCustomerReachesNothingOfAnothersSite(t *testing.T) {
	n := newNode(t, true)
	alice, bob := n.account("alice", 61001, "alice.de"), n.account("bob", 61002, "bob.de")
	alice.PHP, bob.PHP = true, true
	n.settle(alice, bob)
	secret := n.put(alice, "htdocs/config.php", `<?php $password = "secret of alice"; echo "config";`)
	n.put(alice, "htdocs/secret.txt", "secret of alice")
	old := time.Now().Add(-time.Hour) // only what is older than some seconds is kept in the cache
	if err := os.Chtimes(secret, old, old); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		n.must("alice.de", "/config.php", 200, "config")
	}

	n.must("bob.de", "/", 200, "new")

	// as bob's programs
	b := hostingtest.Customer{UID: 61002, GID: 61002}
	home := n.o.Layout.Home("alice")
	for _, path := range []string{secret, filepath.Join(home, "htdocs"), filepath.Join(home, "tmp"), filepath.Join(home, "private"), n.o.Layout.LogsOf("alice"), n.o.Layout.State} {
		b.MustNot(t, "ls", path+"/.")
		b.MustNot(t, "cat", path)
	}
	b.MustNot(t, "cat", filepath.Join(n.o.Layout.LogsOf("alice"), "access.log"))
	b.MustNot(t, "cat", n.o.traffic())
	b.MustNot(t, "cat", filepath.Join(n.o.Layout.State, "nginx", "hosts", "alice.conf"))
	b.Must(t, "ls", n.o.Layout.LogsOf("bob"))
	b.Must(t, "cat", filepath.Join(n.o.Layout.LogsOf("bob"), "access.log"))
	connect := `import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])`
	b.MustNot(t, "/usr/bin/python3", "-c", connect, n.o.PHP.socket("alice"))
	hostingtest.Customer{UID: 33, GID: n.web}.Must(t, "/usr/bin/python3", "-c", connect, n.o.PHP.socket("alice"))

	// as bob's scripts
	n.put(bob, "htdocs/steal.php", `<?php error_reporting(0); ini_set("open_basedir", "/"); echo "[", file_get_contents("`+secret+`"), "]"; include "`+secret+`"; echo "[", $password, "]";
		echo "[", implode(",", glob("`+home+`/tmp/*")), "]"; echo "[", symlink("`+secret+`", "stolen.php"), "]"; $c = opcache_get_status(true); echo "[", isset($c["scripts"]["`+secret+`"]) ? "seen" : "", "]";`)
	if got := n.get("bob.de", "/steal.php"); got.status != 200 || strings.Contains(got.body, "secret") || strings.Contains(got.body, "config") || strings.Contains(got.body, "seen") {
		t.Errorf("a script of bob reads: %+v", got)
	}

	// as bob's links
	for name, target := range map[string]string{"link.txt": home + "/htdocs/secret.txt", "dir": home + "/htdocs", "passwd.txt": "/etc/hostname", "up": "../../alice"} {
		if err := os.Symlink(target, filepath.Join(n.o.Layout.Htdocs("bob"), name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(filepath.Join(n.o.Layout.Htdocs("bob"), name), 61002, n.web); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range []string{"/link.txt", "/dir/secret.txt", "/dir/", "/passwd.txt", "/up/htdocs/secret.txt", "/../../alice/htdocs/secret.txt", "/%2e%2e/%2e%2e/alice/htdocs/secret.txt", "/.htpasswd"} {
		if got := n.get("bob.de", target); got.status == 200 && !strings.HasPrefix(got.body, "front") || strings.Contains(got.body, "secret") {
			t.Errorf("%s: %+v", target, got)
		}
	}
	n.put(bob, "htdocs/own.txt", "own")
	if err := os.Symlink("own.txt", filepath.Join(n.o.Layout.Htdocs("bob"), "ownlink.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(filepath.Join(n.o.Layout.Htdocs("bob"), "ownlink.txt"), 61002, n.web); err != nil {
		t.Fatal(err)
	}
	n.must("bob.de", "/ownlink.txt", 200, "own")
}

func TestSuspendedAccountsShowANoticeAndRunNothing(t *testing.T) {
	n := newNode(t, true)
	a, b := n.account("alice", 61001, "example.de", "shop.example.de"), n.account("bob", 61002, "bob.de")
	a.PHP, b.PHP = true, true
	a.Forwards = []protocol.HostedForward{{Domain: "old.de", Redirect: true}}
	n.settle(a, b)
	n.put(a, "htdocs/index.html", "hello of alice")
	a.State = protocol.HostedSuspended
	before := n.read("state/php/generation.conf")
	n.settle(a)
	if n.read("state/php/generation.conf") != before {
		t.Error("PHP-FPM was reloaded: everybody waits, and the cache of scripts is empty")
	}
	for _, host := range []string{"example.de", "www.example.de", "shop.example.de", "old.de"} {
		n.must(host, "/x.php", 503, "not available")
		if strings.Contains(n.get(host, "/").body, "alice") {
			t.Errorf("%s shows something of the customer's", host)
		}
	}
	n.put(b, "htdocs/who.php", who)
	n.must("bob.de", "/who.php", 200, "uid 61002")
	a.State = protocol.HostedPresent
	n.settle(a)
	n.must("example.de", "/index.html", 200, "hello of alice")
}

func TestC14_NothingOfASiteIsLeft(t *testing.T) {
	n := newNode(t, true)
	b := n.account("bob", 61002, "bob.de")
	b.PHP = true
	n.settle(b)
	before := hostingtest.Picture(t, n.dir)
	a := n.account("alice", 61001, "example.de")
	a.PHP = true
	n.settle(a)
	n.put(a, "htdocs/who.php", who)
	n.must("example.de", "/who.php", 200, "uid 61001")
	for range 2 {
		if left, err := n.part.Remove(t.Context(), &part.Account{HostedAccount: protocol.HostedAccount{ID: a.ID, User: a.User, State: protocol.HostedGone}}); err != nil || left != nil {
			t.Fatal(left, err)
		}
		n.settle(b)
	}
	n.must("example.de", "/", 404, "")
	n.must("bob.de", "/", 200, "new")
	if err := os.RemoveAll(n.o.Layout.Home("alice")); err != nil { // that of the part "user"
		t.Fatal(err)
	}
	hostingtest.Same(t, before, hostingtest.Picture(t, n.dir),
		"nginx-", "php-fpm.log", "logs/traffic.log", "run/steelyard-generation", "state/nginx/generation.conf", "state/php/generation.conf", "logs/bob/")
}

func (n *node) read(name string) string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

// contains is content once a file holds a text.
func (n *node) contains(path, text string) func() error {
	return func() error {
		have, err := os.ReadFile(path)
		if err == nil && !strings.Contains(string(have), text) {
			return os.ErrNotExist
		}
		return err
	}
}
