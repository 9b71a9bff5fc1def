package ftp

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

func TestC16_WithTheShellFalseTheUserBringsFilesByFTP(t *testing.T) {
	n := newNode(t)
	a := n.account("alice", 61001, "secret") // its shell is /bin/false
	n.settle(a)
	c := n.in("alice", "secret")
	if code := c.put("htdocs/index.html", "hello"); code != 226 {
		t.Fatal(code)
	}
	if text, code := c.get("htdocs/index.html"); text != "hello" || code != 226 {
		t.Error(text, code)
	}
	c.must(257, "MKD htdocs/pictures")
	if code := c.put("htdocs/pictures/a.txt", "a"); code != 226 {
		t.Error(code)
	}
	for name, want := range map[string]os.FileMode{"htdocs/index.html": 0o640, "htdocs/pictures": 0o750 | os.ModeDir | os.ModeSetgid, "htdocs/pictures/a.txt": 0o640} {
		info, err := os.Stat(filepath.Join(n.o.Layout.Home("alice"), name))
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); info.Mode() != want || st.Uid != 61001 || st.Gid != uint32(n.web) {
			t.Errorf("%s: %v %d:%d; the web server must be able to read it, and nobody else", name, info.Mode(), st.Uid, st.Gid)
		}
	}
	c.must(250, "DELE htdocs/index.html")
	if _, code := n.login("alice", "wrong"); code != 530 {
		t.Error("a wrong password:", code)
	}
}

func TestC15_ANewPasswordCountsAtOnceAndTheFormerNoMore(t *testing.T) {
	n := newNode(t)
	a := n.account("alice", 61001, "secret")
	n.settle(a)
	c := n.in("alice", "secret")
	a.Password = digest(t, "another")
	n.settle(a)
	if _, code := n.login("alice", "secret"); code != 530 {
		t.Error("the former password:", code)
	}
	if code, text := c.do("NOOP"); code == 200 {
		t.Error("a session with the former password goes on:", text)
	}
	n.in("alice", "another")
}

func TestNobodyElseLogsIn(t *testing.T) {
	n := newNode(t)
	n.settle(n.account("alice", 61001, "secret"))
	for _, name := range []string{"root", "www-data", "nobody", "anonymous", "ftp", "", "alice_x", "alice:x", "steelyard_full"} {
		for _, password := range []string{"", "*", "!", "x", "secret", "a@b.de"} {
			c, code := n.login(name, password)
			if code == 230 {
				t.Errorf("%q logs in with %q", name, password)
			}
			c.Close()
		}
	}
}

func TestFurtherLoginsSeeTheirDirectoryOnly(t *testing.T) {
	n := newNode(t)
	a := n.account("alice", 61001, "secret")
	a.FTPLogins = []protocol.HostedLogin{
		{Name: "alice_web", Password: digest(t, "w"), Dir: "htdocs/shop/pictures"}, {Name: "alice_all", Password: digest(t, "all")}, {Name: "alice_off"},
	}
	n.settle(a)
	c := n.in("alice_web", "w")
	if code := c.put("/a.txt", "a"); code != 226 {
		t.Fatal(code)
	}
	if got := n.names("alice", "htdocs/shop/pictures"); got != "a.txt" {
		t.Error(got)
	}
	c.must(250, "CWD ..")
	if text := c.must(257, "PWD"); !strings.HasPrefix(text, `"/"`) {
		t.Error(text)
	}
	if _, code := n.in("alice_all", "all").get("htdocs/shop/pictures/a.txt"); code != 226 {
		t.Error(code)
	}
	if _, code := n.login("alice_off", ""); code == 230 {
		t.Error("a login without a password logs in")
	}
	a.FTPLogins = a.FTPLogins[1:]
	n.settle(a)
	if _, code := n.login("alice_web", "w"); code != 530 {
		t.Error(code)
	}
	if code, _ := c.do("NOOP"); code == 200 {
		t.Error("a session of a login that is no more goes on")
	}
}

func TestNobodyLeavesHisDirectory(t *testing.T) {
	n := newNode(t)
	a, b := n.account("alice", 61001, "secret"), n.account("bob", 61002, "other")
	a.FTPLogins = []protocol.HostedLogin{{Name: "alice_web", Password: digest(t, "w"), Dir: "htdocs/shop"}}
	n.settle(a, b)
	hostingtest.File(t, filepath.Join(n.o.Layout.Htdocs("bob"), "secret.txt"), "secret of bob", 61002, n.web, 0o640)
	c := n.in("alice", "secret")
	for name, target := range map[string]string{"bob": "../../bob", "etc": "/etc", "root": "/", "file": n.o.Layout.Htdocs("bob") + "/secret.txt", "state": n.o.Layout.State} {
		if err := os.Symlink(target, filepath.Join(n.o.Layout.Htdocs("alice"), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"../bob/htdocs/secret.txt", "/../../bob/htdocs/secret.txt", "htdocs/bob/htdocs/secret.txt", "htdocs/file", "htdocs/etc/passwd", "htdocs/root/etc/passwd", "/etc/passwd",
		"htdocs/state/ftp/passwd", "/proc/self/root/etc/passwd", n.o.Layout.Htdocs("bob") + "/secret.txt",
	} {
		if text, code := c.get(name); code == 226 || text != "" {
			t.Errorf("%s: %d %q", name, code, text)
		}
	}
	for _, command := range []string{
		"SITE CPFR htdocs/etc/passwd", "SITE SYMLINK /etc htdocs/x", "SITE CHMOD 4755 ../bob", "RNFR ../bob", "DELE htdocs/file/../../../bob/htdocs/secret.txt", "RMD /htdocs", "MKD /own",
		"SITE EXEC id", "SITE CHGRP root htdocs",
	} {
		if code, text := c.do("%s", command); code >= 200 && code < 400 {
			t.Errorf("%s: %d %s", command, code, text)
		}
	}
	if code := c.put("/own.txt", "x"); code == 226 {
		t.Error("the customer writes into his home itself")
	}

	// A directory of a login that the customer makes a link of.
	dir := filepath.Join(n.o.Layout.Htdocs("alice"), "shop")
	if err := errors.Join(os.Remove(dir), os.Symlink(n.o.Layout.Home("bob"), dir)); err != nil {
		t.Fatal(err)
	}
	if _, code := n.login("alice_web", "w"); code == 230 {
		t.Error("a login begins behind a link")
	}
	if err := n.part.Ensure(t.Context(), a); err == nil || !strings.Contains(err.Error(), "ftp_logins[0].dir") {
		t.Errorf("a link as directory: %v", err)
	}
}

func TestNoPartOfAnAbortedUploadIsLeft(t *testing.T) {
	n := newNode(t)
	n.settle(n.account("alice", 61001, "secret"))
	c := n.in("alice", "secret")
	if code := c.put("htdocs/a.txt", "complete"); code != 226 {
		t.Fatal(code)
	}
	begin := func() (*client, net.Conn) {
		c := n.in("alice", "secret")
		conn := c.data()
		c.must(150, "STOR htdocs/a.txt")
		if _, err := io.WriteString(conn, strings.Repeat("x", 100000)); err != nil {
			t.Fatal(err)
		}
		return c, conn
	}
	end := map[string]func(c *client, conn net.Conn){
		"ABOR": func(c *client, _ net.Conn) { c.abort() },
		"the program ended": func(c *client, conn net.Conn) {
			_ = c.raw.(*net.TCPConn).SetLinger(0)
			c.raw.Close()
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		},
	}
	for what, f := range end {
		c, conn := begin()
		f(c, conn)
		hostingtest.Until(t, "the end of the upload: "+what, func() error {
			_, _ = io.WriteString(conn, "x") // more was on its way; ProFTPD looks for commands when something comes
			if got := n.names("alice", "htdocs"); got != "a.txt" {
				return errors.New(got)
			}
			return nil
		})
		conn.Close()
		if text, _ := os.ReadFile(filepath.Join(n.o.Layout.Htdocs("alice"), "a.txt")); string(text) != "complete" {
			t.Errorf("%s: %.20q", what, text)
		}
	}
}

// A full file system answers as a full quota does: the kernel refuses a write. Quotas themselves are tried where there is a kernel that has them.
func TestC20_UploadsAreRefusedWhenThereIsNoRoomAndDeletingWorks(t *testing.T) {
	n := newNode(t)
	n.settle(n.account("alice", 61001, "secret"))
	htdocs := n.o.Layout.Htdocs("alice")
	if err := syscall.Mount("tmpfs", htdocs, "tmpfs", 0, "size=1m,mode=2750,uid=61001,gid=33"); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(htdocs, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c := n.in("alice", "secret")
	if code := c.put("htdocs/small.txt", "small"); code != 226 {
		t.Fatal(code)
	}
	for range 2 {
		if code := c.put("htdocs/small.txt", strings.Repeat("x", 3<<20)); code != 552 && (code < 400 || code > 499) {
			t.Errorf("no room: %d", code)
		}
		if got := n.names("alice", "htdocs"); got != "small.txt" {
			t.Errorf("left: %s", got)
		}
	}
	if text, code := c.get("htdocs/small.txt"); text != "small" || code != 226 {
		t.Errorf("the file that was there: %q, %d", text, code)
	}
	c.must(250, "DELE htdocs/small.txt")
	if code := c.put("htdocs/other.txt", "other"); code != 226 {
		t.Error(code)
	}
}

func TestX12_ALimitOfZeroLetsNothingIn(t *testing.T) {
	n := newNode(t)
	a, b := n.account("alice", 61001, "secret"), n.account("bob", 61002, "other")
	zero := uint64(0)
	a.DiskMiB = &zero
	a.FTPLogins = []protocol.HostedLogin{{Name: "alice_web", Password: digest(t, "w"), Dir: "htdocs"}}
	n.settle(a, b)
	hostingtest.File(t, filepath.Join(n.o.Layout.Htdocs("alice"), "old.txt"), "old", 61001, n.web, 0o640)
	for name, password := range map[string]string{"alice": "secret", "alice_web": "w"} {
		c := n.in(name, password)
		if name == "alice" {
			c.must(250, "CWD htdocs")
		}
		if code := c.put("new.txt", ""); code < 500 {
			t.Errorf("%s: upload %d", name, code)
		}
		if code, _ := c.do("MKD new"); code < 500 {
			t.Errorf("%s: new directory %d", name, code)
		}
		if text, _ := c.get("old.txt"); text != "old" {
			t.Errorf("%s reads %q", name, text)
		}
	}
	if code := n.in("bob", "other").put("htdocs/a.txt", "a"); code != 226 {
		t.Error(code)
	}
	n.in("alice", "secret").must(250, "DELE htdocs/old.txt")
	a.DiskMiB = nil
	n.settle(a)
	if code := n.in("alice", "secret").put("htdocs/new.txt", "new"); code != 226 {
		t.Error(code)
	}
}

func TestSuspendedAccountsAreLoggedOut(t *testing.T) {
	n := newNode(t)
	a, b := n.account("alice", 61001, "secret"), n.account("bob", 61002, "other")
	n.settle(a, b)
	c, other := n.in("alice", "secret"), n.in("bob", "other")
	a.State = protocol.HostedSuspended
	n.settle(a)
	if code, _ := c.do("NOOP"); code == 200 {
		t.Error("the session goes on")
	}
	other.must(200, "NOOP")
	if _, code := n.login("alice", "secret"); code != 530 {
		t.Error(code)
	}
	a.State = protocol.HostedPresent
	n.settle(a)
	n.in("alice", "secret")
}

func TestC14_NothingOfALoginIsLeft(t *testing.T) {
	n := newNode(t)
	b := n.account("bob", 61002, "other")
	n.settle(b)
	before := hostingtest.Picture(t, n.o.Layout.State)
	a := n.account("alice", 61001, "secret")
	a.FTPLogins = []protocol.HostedLogin{{Name: "alice_web", Password: digest(t, "w"), Dir: "htdocs"}}
	n.settle(a)
	c := n.in("alice_web", "w")
	for range 2 {
		n.part = New(n.o) // as after a crash
		if left, err := n.part.Remove(t.Context(), &part.Account{HostedAccount: protocol.HostedAccount{ID: a.ID, User: a.User}}); err != nil || left != nil {
			t.Fatal(left, err)
		}
		n.settle()
	}
	hostingtest.Same(t, before, hostingtest.Picture(t, n.o.Layout.State))
	if code, _ := c.do("NOOP"); code == 200 {
		t.Error("a session goes on")
	}
	n.in("bob", "other")
}
