package site

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

func TestANewerPHPChangesNothingForAccountsThatHaveOne(t *testing.T) {
	dir := t.TempDir()
	version := func(v string) *PHP { return &PHP{Version: v, Include: filepath.Join(dir, v)} }
	list := []*PHP{version("8.10"), version("8.9"), version("7.4")}
	if got := choose(list, ""); got.Version != "8.10" {
		t.Error(got.Version)
	}
	if err := os.WriteFile(list[1].Include, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := choose(list, ""); got.Version != "8.9" {
		t.Error(got.Version)
	}
	if got := choose(list, "7.4"); got.Version != "7.4" {
		t.Error(got.Version)
	}
	if choose(list, "5.6") != nil || choose(nil, "") != nil {
		t.Error("a version that is not there")
	}
	if compareVersions("8.10", "8.9") <= 0 || compareVersions("8.2", "8.2") != 0 {
		t.Error("8.10 is newer than 8.9")
	}
}

func TestPHPThatIsInstalledLaterIsFound(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	a.PHP = true
	if err := n.part.Ensure(t.Context(), a); err == nil {
		t.Error("an account with PHP on a node without it is said to be complete")
	}
	n.settle()
	n.must("example.de", "/", 200, "new") // without it, it is there
	if n.part.Provide(t.Context()).Switches["php"] {
		t.Error("PHP is provided")
	}
	n.startPHP()
	v := *n.o.PHP
	if err := os.MkdirAll(filepath.Join(n.o.PHPRoot, v.Version, "fpm", "pool.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	n.part.Provide(t.Context())
	if n.part.o.PHP == nil {
		t.Fatal("PHP was not found")
	}
	n.part.o.PHP = &v // what was found is where Debian has it; the test's is elsewhere
	n.settle(a)
	n.put(a, "htdocs/who.php", who)
	n.must("example.de", "/who.php", 200, "uid 61001")
	if !n.part.Provide(t.Context()).Switches["php"] {
		t.Error("PHP is not provided")
	}
	hostingtest.Customer{UID: 61001, GID: 61001}.Must(t, "ls", n.o.Layout.LogsOf("alice"))
}
