package unix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/limited"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) {
	if limited.Called() {
		os.Exit(limited.Run())
	}
	os.Exit(m.Run())
}

// The digest of "secret", by `openssl passwd -6 -salt steelyard secret`.
const (
	secret = "secret"
	hash   = "$6$steelyard$w4IA0rrmg1T..Mfs31ws5pr7IzwPgasewGN/Ma.Ors2hdKYl8Hf4DhElhguVTTVxdnmHCSV5r6F.D60zjSIyw1"
)

// document of a customer with a shell.
func document(id, user string) *part.Account {
	return &part.Account{HostedAccount: protocol.HostedAccount{ID: id, Version: 1, State: protocol.HostedPresent, User: user, Password: hash, Shell: protocol.ShellBash}}
}

// node is a part on the system of a test that is alone. Directories that everybody may write to are few, because the machine's own have much in them.
func node(t testing.TB) *Part {
	t.Helper()
	must(t, os.MkdirAll("/var/spool/cron/crontabs", 0o1730))
	must(t, os.MkdirAll("/var/lib/systemd/linger", 0o755))
	return New(Options{Shared: []string{"/dev/shm", "/var/tmp", "/var/spool/cron/crontabs", "/var/mail"}})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ensure(t testing.TB, p *Part, a *part.Account) {
	t.Helper()
	if err := p.Ensure(context.Background(), a); err != nil {
		t.Fatal(err)
	}
}

// gone removes an account and expects nothing left.
func gone(t testing.TB, p *Part, a *part.Account) {
	t.Helper()
	a.State = protocol.HostedGone
	left, err := p.Remove(context.Background(), a)
	if err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
}

// line of a user in one of the system's files.
func line(t testing.TB, name, user string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("/etc", name))
	must(t, err)
	for l := range strings.Lines(string(raw)) {
		if strings.HasPrefix(l, user+":") {
			return strings.TrimSuffix(l, "\n")
		}
	}
	return ""
}

// system is a picture of everything that the part may write to.
func system(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range []string{"/etc", "/srv", "/var/spool/cron", "/var/lib/systemd/linger", "/dev/shm", "/var/tmp", "/var/mail"} {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		for name, text := range hostingtest.Picture(t, dir) {
			all[filepath.Join(dir, name)] = text
		}
	}
	return all
}

func owner(t testing.TB, path string, uid, gid int, mode uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || int(st.Uid) != uid || int(st.Gid) != gid || st.Mode&0o7777 != mode {
		t.Errorf("%s is of %d:%d with %o, not of %d:%d with %o: %v", path, st.Uid, st.Gid, st.Mode&0o7777, uid, gid, mode, err)
	}
}

// run runs a program as a customer, with this line in bash.
func run(t testing.TB, a *part.Account, script string) (string, error) {
	t.Helper()
	return hostingtest.As(t, a.UID, a.GID, "/bin/bash", "-c", script)
}

func contains(t testing.TB, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(fmt.Sprint(err), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
}
