package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/mail/scan"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

const ip = "127.20.12.1"

// node is a Postfix and a Dovecot that the test started, with a part on them.
type node struct {
	t                            testing.TB
	o                            Options
	part                         *Part
	smtp, submission, imap, pop3 string
	postfix, dovecot             *hostingtest.Process
}

func options(t testing.TB, dir string) Options {
	return Options{
		Layout: part.Layout{Mail: filepath.Join(dir, "mail"), State: filepath.Join(dir, "state"), Logs: filepath.Join(dir, "logs")}, Logrotate: filepath.Join(dir, "logrotate.d", "steelyard-mail"),
		Postfix: filepath.Join(dir, "postfix"), Queue: filepath.Join(dir, "queue"), Dovecot: filepath.Join(dir, "dovecot.conf"), Owner: "mail",
		Clamd: filepath.Join(dir, "clamd"),
	}.withDefaults()
}

// files is a part without daemons: everything but what needs them.
func files(t testing.TB) *node {
	t.Helper()
	hostingtest.Need(t, "postmap", "doveadm", "dovecot", "postfix")
	n := &node{t: t, o: options(t, hostingtest.Dir(t))}
	n.configure()
	n.part = New(n.o)
	return n
}

// start is a node whose daemons run. lines go into main.cf.
func start(t testing.TB, lines ...string) *node {
	t.Helper()
	return files(t).start(lines...)
}

func (n *node) start(lines ...string) *node {
	t := n.t
	t.Helper()
	n.configure(lines...)
	n.run("postfix", "-c", n.o.Postfix, "check")
	if err := n.part.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := n.part.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.dovecot = hostingtest.Start(t, hostingtest.Daemon{Args: []string{hostingtest.Need(t, "dovecot"), "-F", "-c", n.o.Dovecot}, Ready: answers(n.imap, "* OK")})
	n.postfix = hostingtest.Start(t, hostingtest.Daemon{Args: []string{hostingtest.Need(t, "postfix"), "-c", n.o.Postfix, "start-fg"}, Ready: answers(n.smtp, "220 ")})
	t.Cleanup(n.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.postfix.Printed(), "\n", n.dovecot.Printed(), "\n", n.log(n.o.postfixLog()), "\n", n.log(n.o.dovecotLog()))
		}
	})
	return n
}

// stop ends Postfix's master, which makes a session of its own and outlives who started it.
func (n *node) stop() {
	pidFile := filepath.Join(n.o.Queue, "pid", "master.pid")
	text, err := os.ReadFile(pidFile)
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		n.t.Errorf("Postfix has no pid file: %v %v", err, bad)
		return
	}
	master := daemon.Program{Name: "master", PIDFile: pidFile}
	if err := master.Signal(syscall.SIGTERM); err != nil {
		n.t.Error(err)
	}
	hostingtest.Until(n.t, "Postfix to end", func() error {
		if daemon.Title(pid) != "" {
			return errors.New("it runs")
		}
		return nil
	})
}

// log is what a daemon wrote.
func (n *node) log(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func (n *node) run(args ...string) string {
	n.t.Helper()
	out, err := exec.Command(hostingtest.Need(n.t, args[0]), args[1:]...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func answers(address, with string) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		text, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(text, with) {
			err = fmt.Errorf("it says %q", text)
		}
		return err
	}
}

// configure writes what an operator's files are, with what Preparation says.
func (n *node) configure(lines ...string) {
	n.t.Helper()
	must := func(err error) {
		n.t.Helper()
		if err != nil {
			n.t.Fatal(err)
		}
	}
	for _, where := range []*string{&n.smtp, &n.submission, &n.imap, &n.pop3} {
		*where = net.JoinHostPort(ip, hostingtest.Port(n.t, ip))
	}
	owner, err := user.Lookup("postfix")
	must(err)
	uid, _ := strconv.Atoi(owner.Uid)
	private, data := filepath.Join(n.o.Queue, "private"), n.o.Queue+"-data"
	must(os.MkdirAll(n.o.Postfix, 0o755))
	must(os.MkdirAll(private, 0o700))
	must(os.MkdirAll(data, 0o700))
	must(os.Chown(private, uid, -1))
	must(os.Chown(data, uid, -1))
	must(os.Chmod(n.o.Queue, 0o755))
	prepared := Prepare(n.o)
	main := []string{
		"compatibility_level = 3.6", "queue_directory = " + n.o.Queue, "data_directory = " + data, "inet_interfaces = 127.0.0.1", "inet_protocols = ipv4", "myhostname = node.test", "mynetworks =",
		"meta_directory = /etc/postfix", "shlib_directory = /usr/lib/postfix", "maillog_file_prefixes = " + n.o.Layout.Logs, "default_transport = smtp:[" + ip + "]:1", "biff = no", "recipient_delimiter = +",
		"smtpd_peername_lookup = no", "minimal_backoff_time = 1s", "queue_run_delay = 1s",
	}
	if len(lines) > 0 && strings.HasPrefix(lines[0], "default_transport") {
		main = slices.DeleteFunc(main, func(line string) bool { return strings.HasPrefix(line, "default_transport") })
	}
	for _, p := range prepared.Main {
		main = append(main, p.Name+" = "+strings.ReplaceAll(p.Value, "hash:/etc/aliases, ", ""))
	}
	must(os.WriteFile(filepath.Join(n.o.Postfix, "main.cf"), []byte(strings.Join(append(main, lines...), "\n")+"\n"), 0o644))
	master := []string{n.smtp + " inet n - n - - smtpd"}
	for _, line := range prepared.Master {
		line = strings.ReplaceAll(line, "submission inet n - y", n.submission+" inet n - n")
		master = append(master, strings.ReplaceAll(line, "level=encrypt", "level=none")) // no certificate here
	}
	master = append(master, []string{
		"pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
		"trace unix - - n - 0 bounce", "retry unix - - n - - error", "error unix - - n - - error", "discard unix - - n - - discard", "local unix - n n - - local", "lmtp unix - - n - - lmtp", "smtp unix - - n - - smtp",
		"proxymap unix - - n - - proxymap", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "tlsmgr unix - - n 1000 1 tlsmgr", "flush unix n - n 1000 0 flush", "showq unix n - n - - showq",
		"postlog unix-dgram n - n - 1 postlogd",
	}...)
	must(os.WriteFile(filepath.Join(n.o.Postfix, "master.cf"), []byte(strings.Join(master, "\n")+"\n"), 0o644))
	run := n.o.Dovecot + ".run"
	port := func(address string) string { _, port, _ := net.SplitHostPort(address); return port }
	conf := []string{
		"protocols = imap pop3 lmtp", "listen = " + ip, "base_dir = " + run, "state_dir = " + run, "log_path = /dev/stderr", "ssl = no", "disable_plaintext_auth = no", "default_vsz_limit = 1G", "auth_failure_delay = 0",
		"service imap-login {\n inet_listener imap {\n port = " + port(n.imap) + "\n }\n inet_listener imaps {\n port = 0\n }\n}",
		"service pop3-login {\n inet_listener pop3 {\n port = " + port(n.pop3) + "\n }\n inet_listener pop3s {\n port = 0\n }\n}",
		prepared.Dovecot, "first_valid_uid = 1", "first_valid_gid = 1",
	}
	must(os.WriteFile(n.o.Dovecot, []byte(strings.Join(conf, "\n")+"\n"), 0o644))
}

func (n *node) ensure(a ...*part.Account) {
	n.t.Helper()
	for _, one := range a {
		if err := n.part.Ensure(n.t.Context(), one); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := n.part.Settle(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) remove(a *part.Account) {
	n.t.Helper()
	left, err := n.part.Remove(n.t.Context(), a)
	if err == nil {
		err = n.part.Settle(n.t.Context())
	}
	if err != nil || len(left) != 0 {
		n.t.Fatal(left, err)
	}
}

// send says a mail to the SMTP server; the error is the server's.
func (n *node) send(from, subject string, to ...string) error {
	n.t.Helper()
	return n.sendText(from, "Subject: "+subject+"\r\n\r\nhello\r\n", to...)
}

func (n *node) sendText(from, text string, to ...string) error {
	c, err := smtp.Dial(n.smtp)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, one := range to {
		if err := c.Rcpt(one); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

func (n *node) mustSend(from, subject string, to ...string) {
	n.t.Helper()
	if err := n.send(from, subject, to...); err != nil {
		n.t.Fatalf("mail to %v: %v", to, err)
	}
}

// refused fails the test unless the error begins with the code.
func (n *node) refused(err error, code string) {
	n.t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), code) {
		n.t.Errorf("want %s, got %v", code, err)
	}
}

// arrives waits until a mail with the subject is in the mailbox, and returns it.
func (n *node) arrives(address, subject string) string {
	n.t.Helper()
	var text string
	hostingtest.Until(n.t, subject+" to be in "+address, func() error {
		for _, m := range n.mails(address) {
			if strings.Contains(m, "Subject: "+subject) {
				text = m
				return nil
			}
		}
		return fmt.Errorf("%d mails are there", len(n.mails(address)))
	})
	return text
}

func (n *node) mails(address string) (list []string) {
	files, _ := filepath.Glob(filepath.Join(n.o.Layout.Mail, box(address), "Maildir", "*", "*.*"))
	for _, f := range files {
		if d := filepath.Base(filepath.Dir(f)); d == "new" || d == "cur" {
			text, _ := os.ReadFile(f)
			list = append(list, string(text))
		}
	}
	return list
}

// session is a dialogue of lines with a mail server.
type session struct {
	net.Conn
	r *bufio.Reader
}

func (n *node) dial(address string) *session {
	n.t.Helper()
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(hostingtest.Patience))
	s := &session{conn, bufio.NewReader(conn)}
	_, _ = s.r.ReadString('\n')
	return s
}

// ask says a line and returns the first answer that begins with one of the endings, "" when the server hangs up.
func (s *session) ask(line string, endings ...string) string {
	if line != "" {
		_, _ = s.Write([]byte(line + "\r\n"))
	}
	for {
		text, err := s.r.ReadString('\n')
		if err != nil {
			return ""
		}
		for _, e := range endings {
			if strings.HasPrefix(text, e) {
				return strings.TrimSpace(text)
			}
		}
	}
}

// imapLogin logs in; ok tells whether it was let in.
func (n *node) imapLogin(address, password string) (s *session, ok bool) {
	n.t.Helper()
	s = n.dial(n.imap)
	return s, strings.HasPrefix(s.ask("a LOGIN "+address+" "+password, "a "), "a OK")
}

func (n *node) pop3Login(address, password string) (s *session, ok bool) {
	n.t.Helper()
	s = n.dial(n.pop3)
	if s.ask("USER "+address, "+OK", "-ERR") == "" {
		return s, false
	}
	return s, strings.HasPrefix(s.ask("PASS "+password, "+OK", "-ERR"), "+OK")
}

var secrets = map[string]string{}

// secret is the digest of a password.
func secret(t testing.TB, password string) string {
	t.Helper()
	if secrets[password] == "" {
		out, err := exec.Command("openssl", "passwd", "-6", "-salt", "steelyard", password).Output()
		if err != nil {
			t.Fatal(err)
		}
		secrets[password] = strings.TrimSpace(string(out))
	}
	return secrets[password]
}

// hosted is an account of a user with mailboxes info@ and post@ DOMAIN.
func hosted(t testing.TB, user, domain string) *part.Account {
	t.Helper()
	return &part.Account{HostedAccount: protocol.HostedAccount{
		ID: "acc-" + user, Version: 1, State: protocol.HostedPresent, User: user, Domain: domain, IMAP: true,
		Mailboxes: []protocol.HostedMailbox{{Address: "info@" + domain, Password: secret(t, "secret")}, {Address: "post@" + domain, Password: secret(t, "other")}},
	}}
}

// scanner is a clamd with one signature, and the milter before it.
func (n *node) scanner(signatures string) *hostingtest.Process {
	n.t.Helper()
	program := hostingtest.Need(n.t, "clamd")
	dir := hostingtest.Dir(n.t)
	must := func(err error) {
		if err != nil {
			n.t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "own.hdb"), []byte(signatures), 0o644))
	conf := filepath.Join(dir, "clamd.conf")
	must(os.WriteFile(conf, []byte("Foreground yes\nLocalSocket "+n.o.Clamd+"\nDatabaseDirectory "+dir+"\nTemporaryDirectory "+dir+"\nUser root\n"), 0o644))
	must(os.Chmod(dir, 0o755))
	ctx, cancel := context.WithCancel(n.t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		n.part.Scan(ctx, slog.New(slog.DiscardHandler))
	}()
	n.t.Cleanup(func() {
		cancel()
		<-over
	})
	hostingtest.Until(n.t, "the milter to be there", func() error {
		_, err := os.Lstat(filepath.Join(n.o.Queue, "private", socketScan))
		return err
	})
	return hostingtest.Start(n.t, hostingtest.Daemon{Args: []string{program, "-c", conf}, Ready: func() error { _, err := scan.Ask(n.o.Clamd, "PING"); return err }})
}
