package hostingtest

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/part"
)

// Layout is a node's layout in a directory of the test, with its directories.
func Layout(t testing.TB, dir string) part.Layout {
	t.Helper()
	l := part.Layout{
		Homes: filepath.Join(dir, "homes"), Mail: filepath.Join(dir, "mail"), Logs: filepath.Join(dir, "logs"), State: filepath.Join(dir, "state"),
	}
	for _, d := range []string{l.Homes, l.Mail, l.Logs} {
		makeDir(t, d, 0, 0, 0o755)
	}
	makeDir(t, l.State, 0, 0, 0o700)
	return l
}

// Home makes what the part "user" makes of an account's home, without a line in passwd: web is the group of the web server.
func Home(t testing.TB, l part.Layout, name string, uid, web int, subdomains ...string) {
	t.Helper()
	makeDir(t, l.Home(name), 0, uid, 0o751)
	makeDir(t, l.Htdocs(name), uid, web, 0o750|os.ModeSetgid)
	makeDir(t, filepath.Join(l.Home(name), "sub"), 0, 0, 0o755)
	makeDir(t, l.Private(name), uid, uid, 0o700)
	makeDir(t, l.Temporary(name), uid, uid, 0o700)
	for _, sub := range subdomains {
		makeDir(t, l.Subdomain(name, sub), uid, web, 0o750|os.ModeSetgid)
	}
}

func makeDir(t testing.TB, path string, uid, gid int, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// File writes a file that belongs to somebody.
func File(t testing.TB, path, text string, uid, gid int, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Group is the number of a group of this machine.
func Group(t testing.TB, name string) int {
	t.Helper()
	g, err := user.LookupGroup(name)
	if err != nil {
		t.Skip(err)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return gid
}
