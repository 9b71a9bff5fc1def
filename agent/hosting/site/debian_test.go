package site

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// commands are what docs/nodes.md tells an operator to do for sites and FTP, but for the installation of packages.
func commands(t *testing.T) string {
	t.Helper()
	f, err := os.Open("../../../docs/nodes.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b strings.Builder
	mine, inside := false, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "##"):
			mine = line == "## Preparing one" || line == "### Web" || line == "### FTP"
		case line == "```sh":
			inside = mine
		case line == "```":
			inside = false
		case inside && !strings.HasPrefix(line, "apt-get "):
			b.WriteString(line + "\n")
		}
	}
	if strings.Count(b.String(), "\n") < 4 {
		t.Fatalf("docs/nodes.md has no commands any more: %q", b.String())
	}
	return b.String()
}

// Debian's own configuration and places, in a world where they are the test's.
func TestASystemThatWasPreparedAsDocumentedServesAccounts(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	path := hostingtest.Need(t, "nginx", "proftpd")
	n := &node{t: t, web: hostingtest.Group(t, "www-data"), o: Options{}.filled()}
	if n.o.PHP = choose(installed(n.o.PHPRoot), ""); n.o.PHP == nil {
		hostingtest.Need(t, "php-fpm")
	}
	if out, err := exec.Command("/bin/sh", "-euc", commands(t)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, program := range []string{"/usr/sbin/nginx", "/usr/sbin/proftpd"} {
		if out, err := daemon.Run(t.Context(), program, "-t"); err != nil || strings.Contains(out, "fatal") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := os.MkdirAll(n.o.PHP.Sockets, 0o755); err != nil { // as systemd-tmpfiles does
		t.Fatal(err)
	}
	hostingtest.Start(t, hostingtest.Daemon{Args: []string{path, "-g", "daemon off;"}, Ready: runs(nginx{o: &n.o}.daemon())})
	hostingtest.Start(t, hostingtest.Daemon{Args: []string{n.o.PHP.Program, "-F"}, Ready: runs(n.o.PHP.daemon())})
	for _, dir := range []string{n.o.Layout.Homes, n.o.Layout.Mail} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n.part = New(Options{})
	a := n.account("alice", 61001, "example.de")
	a.PHP = true
	n.settle(a)
	n.put(a, "htdocs/who.php", who)
	n.o.Listen[0] = n.o.Probe
	n.must("example.de", "/", 200, "This site is new")
	n.must("example.de", "/who.php", 200, "uid 61001")
	n.must("nobody.example", "/", 404, "")
	provided := n.part.Provide(t.Context())
	if !provided.Switches["web"] || !provided.Switches["php"] || provided.Components[0].Version == "" {
		t.Errorf("%+v", provided)
	}
	if _, err := os.Stat("/etc/systemd/system/php" + n.o.PHP.Version + "-fpm.service.d/steelyard.conf"); errors.Is(err, os.ErrNotExist) {
		t.Error("no limit of open files for PHP-FPM")
	}
}
