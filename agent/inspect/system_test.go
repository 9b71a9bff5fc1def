package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// The test of a real system runs this program again in a mount namespace of its own, where it may change everything, and there once more as a
// customer's program.
const (
	insideVariable = "STEELYARD_INSPECT_INSIDE"
	listenVariable = "STEELYARD_INSPECT_LISTEN"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(listenVariable); address != "" {
		serve(address)
		return
	}
	os.Exit(m.Run())
}

// serve is a program of a customer.
func serve(address string) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer func() { _ = ln.Close() }()
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGTERM)
	<-over
}

// needs tells whether the programs of a test are there. In CI they are.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%v are missing; run deploy/install-test-deps.sh", missing)
	}
	t.Skipf("%v are missing; run deploy/install-test-deps.sh", missing)
}

// TestS9_WhatACustomerLeavesIsFoundUntilItIsGone: accounts made by useradd, tables by crontab, a site of a running nginx, a database and a login of a running
// MariaDB, mail, and a program that listens.
func TestS9_WhatACustomerLeavesIsFoundUntilItIsGone(t *testing.T) {
	needs(t, "unshare", "mount", "useradd", "crontab", "nginx", "mariadbd", "mariadb-install-db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", self, "-test.run=^TestInsideARealSystem$", "-test.v", "-test.timeout=200s")
	cmd.Env = append(os.Environ(), insideVariable+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInsideARealSystem") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// system is the one that the test may change.
type system struct {
	t    *testing.T
	dir  string
	base map[string]bool
}

func (s *system) run(name string, args ...string) string {
	s.t.Helper()
	return s.feed("", name, args...)
}

func (s *system) feed(input, name string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (s *system) write(path, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a daemon until stop, or the end of the test.
func (s *system) start(credential *syscall.Credential, env []string, name string, args ...string) (stop func()) {
	s.t.Helper()
	log, err := os.CreateTemp(s.dir, "log")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = log, log, append(os.Environ(), env...), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	ended, begun := make(chan error, 1), make(chan error)
	over := make(chan struct{})
	go func() {
		runtime.LockOSThread() // Pdeathsig is of the thread
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		begun <- err
		if err == nil {
			ended <- cmd.Wait()
		}
		close(over)
	}()
	if err := <-begun; err != nil {
		s.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
		}
		<-over
	}
	s.t.Cleanup(func() {
		stop()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("%s said:\n%s", name, text)
		}
	})
	return stop
}

func (s *system) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// inspect looks at the system as the agent does.
func (s *system) inspect() *protocol.Inspection {
	s.t.Helper()
	in, err := Run(s.t.Context(), Options{Known: s.base})
	if err != nil {
		s.t.Fatal(err)
	}
	return in
}

// mine are the lines of what is not in the baseline, of this test: listeners of others on the machine come and go.
func mine(in *protocol.Inspection, base map[string]bool) (lines []string) {
	for _, s := range in.Subjects {
		for _, f := range s.Items {
			if base[f.Key(s.Kind)] || s.Kind == protocol.InspectListeners && !strings.Contains(f.Name, "127.0.41.") {
				continue
			}
			lines = append(lines, s.Kind+" "+f.Name)
		}
	}
	slices.Sort(lines)
	return lines
}

func unseen(in *protocol.Inspection) (list []string) {
	for _, s := range in.Subjects {
		if s.Unseen != "" && s.Kind != protocol.InspectListeners {
			list = append(list, s.Kind+": "+s.Unseen)
		}
	}
	return list
}

func TestInsideARealSystem(t *testing.T) {
	dir := os.Getenv(insideVariable)
	if dir == "" {
		t.Skip("it is run by another test, in a namespace")
	}
	s := &system{t: t, dir: dir}
	s.run("cp", "-a", "/etc", dir+"/etc")
	s.run("mount", "--bind", dir+"/etc", "/etc")
	for _, p := range []string{"/home", "/run", "/var/mail", "/var/spool/cron", "/var/lib/mysql", "/srv", "/var/log"} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		s.run("mount", "-t", "tmpfs", "-o", "mode=755", "none", p)
	}
	s.run("install", "-d", "-m", "1730", "-g", "crontab", "/var/spool/cron/crontabs")
	s.run("install", "-d", "-o", "mysql", "/run/mysqld")
	s.run("install", "-d", "-m", "2775", "-g", "mail", "/var/mail")
	s.run("install", "-d", "/var/log/nginx")
	for _, e := range []string{"/etc/nginx/sites-enabled/default"} {
		_ = os.Remove(e)
	}
	s.run("chown", "mysql", "/var/lib/mysql")
	s.run("mariadb-install-db", "--no-defaults", "--user=mysql", "--datadir=/var/lib/mysql", "--skip-test-db", "--auth-root-authentication-method=socket")
	mariadbd := func() func() {
		stop := s.start(nil, nil, "mariadbd", "--no-defaults", "--user=mysql", "--datadir=/var/lib/mysql", "--socket=/run/mysqld/mysqld.sock", "--skip-networking", "--innodb-buffer-pool-size=32M")
		s.until("MariaDB answers", func() bool {
			c, err := net.Dial("unix", "/run/mysqld/mysqld.sock")
			if err != nil {
				return false
			}
			defer c.Close()
			_, err = io.ReadFull(c, make([]byte, 4))
			return err == nil
		})
		return stop
	}
	stop := mariadbd()

	base := s.inspect()
	if list := unseen(base); len(list) > 0 {
		t.Fatalf("before anybody came, it does not see %v", list)
	}
	s.base = map[string]bool{}
	for _, sub := range base.Subjects {
		for _, f := range sub.Items {
			s.base[f.Key(sub.Kind)] = true
		}
	}
	if got := mine(s.inspect(), s.base); len(got) > 0 {
		t.Fatalf("the same system again has %v", got)
	}

	s.come(self(t))
	in := s.inspect()
	if list := unseen(in); len(list) > 0 {
		t.Errorf("it does not see %v", list)
	}
	got := mine(in, s.base)
	for _, want := range []string{
		"account alice", "account group shop", "home /home/alice", "site shop.example.org", "database shop", "database login bob@localhost",
		"mailbox /home/alice/Maildir", "mailbox /var/mail/alice", "mailbox /srv/vmail/shop.example.org/info", "mailbox address info@shop.example.org",
		"job crontab of alice", "job /etc/cron.d/shop", "job unit shop.service of alice", "job lingering of alice",
		"listener tcp 127.0.41.9:8089 nginx", "listener tcp 127.0.41.9:8090 program",
	} {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("it does not find %s", want)
		}
	}
	if text, _ := json.Marshal(in); strings.Contains(string(text), "s3cret") {
		t.Error("what a customer wrote into a job is told (rule X9)")
	}
	t.Logf("found %s", strings.Join(got, ", "))

	// His account goes first: what is left is found all the same, whoever has it now.
	s.run("userdel", "-f", "alice") // his program still runs
	orphaned := mine(s.inspect(), s.base)
	if slices.Contains(orphaned, "account alice") || !slices.Contains(orphaned, "home /home/alice") {
		t.Errorf("without its account it finds %v", orphaned)
	}

	// A database server that lets nobody look is not clean.
	s.run("mariadb", "-S", "/run/mysqld/mysqld.sock", "-e", "DROP DATABASE shop; DROP USER bob@localhost; ALTER USER root@localhost IDENTIFIED BY 'other'")
	if list := unseen(s.inspect()); len(list) != 1 || !strings.Contains(list[0], "database") {
		t.Errorf("a database server that refuses: %v", list)
	}
	s.run("mariadb", "-S", "/run/mysqld/mysqld.sock", "-pother", "-e", "ALTER USER root@localhost IDENTIFIED VIA unix_socket")
	stop()

	s.leave()
	in = s.inspect()
	if got, list := mine(in, s.base), unseen(in); len(got) > 0 || len(list) > 0 {
		t.Errorf("when all is gone it finds %v, and does not see %v", got, list)
	}
}

func self(t *testing.T) string {
	p, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var away []func() // daemons of the customer

// come is a customer.
func (s *system) come(program string) {
	s.run("groupadd", "shop")
	s.run("useradd", "-m", "-s", "/bin/bash", "-G", "shop", "alice")
	s.feed("MAILTO=\"\"\n*/5 * * * * /usr/bin/backup --password s3cret\n@daily /bin/true\n", "crontab", "-u", "alice", "-")
	s.write("/etc/cron.d/shop", "17 3 * * * root /bin/true\n18 3 * * * alice /usr/bin/report s3cret\n")
	s.write("/home/alice/.config/systemd/user/shop.service", "[Service]\nExecStart=/bin/true\n")
	s.write("/var/lib/systemd/linger/alice", "")
	s.t.Cleanup(func() { _ = os.Remove("/var/lib/systemd/linger/alice") })
	s.write("/var/mail/alice", "From nobody\n\nhello\n")
	for _, p := range []string{"/home/alice/Maildir", "/srv/vmail/shop.example.org/info"} {
		s.run("install", "-d", p+"/cur", p+"/new", p+"/tmp")
	}
	s.write("/etc/postfix/main.cf", "virtual_mailbox_base = /srv/vmail\nvirtual_mailbox_maps =\n  hash:/etc/postfix/vmailbox\n")
	s.write("/etc/postfix/vmailbox", "# mailboxes\ninfo@shop.example.org shop.example.org/info/\n")
	s.run("mariadb", "-S", "/run/mysqld/mysqld.sock", "-e", "CREATE DATABASE shop; CREATE USER bob@localhost IDENTIFIED BY 's3cret'")
	s.write("/etc/nginx/sites-available/shop", "server {\n  listen 127.0.41.9:8089;\n  server_name shop.example.org www.shop.example.org;\n  location / { return 200 \"}{;\"; }\n}\n")
	if err := os.Symlink("/etc/nginx/sites-available/shop", "/etc/nginx/sites-enabled/shop"); err != nil {
		s.t.Fatal(err)
	}
	away = append(away, s.start(nil, nil, "nginx", "-g", "daemon off;"))

	const alice = "/home/alice"
	s.run("install", "-o", "alice", "-m", "755", program, alice+"/program")
	uid := s.run("id", "-u", "alice")
	var n uint32
	if _, err := fmt.Sscan(uid, &n); err != nil {
		s.t.Fatal(err)
	}
	away = append(away, s.start(&syscall.Credential{Uid: n, Gid: n}, []string{listenVariable + "=127.0.41.9:8090"}, alice+"/program"))
	for _, address := range []string{"127.0.41.9:8089", "127.0.41.9:8090"} {
		s.until(address+" listens", func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
	}
}

// leave takes away what come put there.
func (s *system) leave() {
	for _, stop := range away {
		stop()
	}
	s.run("rm", "-rf", "/home/alice", "/var/mail/alice", "/srv/vmail", "/etc/cron.d/shop", "/etc/nginx/sites-enabled/shop", "/var/spool/cron/crontabs/alice",
		"/etc/postfix/vmailbox", "/etc/postfix/main.cf", "/var/lib/systemd/linger/alice")
	s.run("groupdel", "shop")
}
