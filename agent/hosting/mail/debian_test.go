package mail

import (
	"crypto/tls"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// TestADebianSystemPreparedAsDocumentedServesMail: Debian's own configuration, the commands of docs/nodes.md word for word, and a part with its standard places:
// chrooted services, ports, users, one mail in, one out, one read.
func TestADebianSystemPreparedAsDocumentedServesMail(t *testing.T) {
	hostingtest.Need(t, "postfix", "dovecot", "openssl")
	if hostingtest.Alone(t) {
		return
	}
	text, err := os.ReadFile("../../../docs/nodes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## Mail\n")
	chapter, _, _ = strings.Cut(chapter, "\n## Databases\n")
	blocks := strings.Split(chapter, "\n```\n") // every second one is code
	if len(blocks) < 9 {
		t.Fatalf("%d pieces of code", len(blocks)/2)
	}
	sh := func(commands string) {
		t.Helper()
		if out, err := exec.Command("sh", "-e", "-c", commands).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", commands, err, out)
		}
	}
	part := New(Options{})
	if got := part.Provide(t.Context()); !strings.Contains(got.Components[0].Problem, "useradd") {
		t.Errorf("what is missing is not said: %+v", got)
	}
	_, commands, _ := strings.Cut(blocks[1], "\n") // the packages are there
	sh(commands)
	if got := part.Provide(t.Context()); !strings.Contains(got.Components[0].Problem, "postconf -e") {
		t.Errorf("what is missing is not said: %+v", got)
	}
	sh(blocks[3])
	appendTo(t, "/etc/postfix/master.cf", blocks[5])
	appendTo(t, "/etc/dovecot/conf.d/99-steelyard.conf", blocks[7])
	sh("sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf; newaliases")
	// what a certificate would be, and a system log
	sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=node.test -keyout /etc/postfix/key -out /etc/postfix/cert 2>/dev/null; postconf -e smtpd_tls_cert_file=/etc/postfix/cert smtpd_tls_key_file=/etc/postfix/key")
	sh("postconf -e 'default_transport = smtp:[127.0.0.1]:1'; mkdir -p /run/dovecot; echo 'ssl = no\ndisable_plaintext_auth = no\nlog_path = /dev/stderr' > /etc/dovecot/conf.d/98-test.conf; postfix check")
	n := &node{t: t, part: part, o: part.o, smtp: "127.0.0.1:25", submission: "127.0.0.1:587", imap: "127.0.0.1:143", pop3: "127.0.0.1:110"}
	n.dovecot = hostingtest.Start(t, hostingtest.Daemon{Args: []string{hostingtest.Need(t, "dovecot"), "-F"}, Ready: answers(n.imap, "* OK")})
	n.postfix = hostingtest.Start(t, hostingtest.Daemon{Args: []string{hostingtest.Need(t, "postfix"), "start-fg"}, Ready: answers(n.smtp, "220 ")})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.postfix.Printed(), "\n", n.dovecot.Printed(), "\n", n.log(n.o.postfixLog()), "\n", n.log(n.o.dovecotLog()))
		}
	})
	if got := part.Provide(t.Context()); !got.Switches["mail"] {
		t.Fatalf("%+v", got)
	}
	a := hosted(t, "bob", "example.org")
	n.ensure(a)
	n.mustSend("x@elsewhere.test", "one", "info@example.org")
	n.arrives("info@example.org", "one")
	if pop, ok := n.pop3Login("info@example.org", "secret"); !ok || !strings.HasPrefix(pop.ask("STAT", "+OK", "-ERR"), "+OK 1 ") {
		t.Error("POP3 shows no mail")
	}
	n.refused(n.send("x@elsewhere.test", "relay", "y@elsewhere.test"), "554")
	n.tls("info@example.org", "secret", "y@elsewhere.test")
	sh(`useradd --create-home --shell /bin/false bob; echo "|touch /tmp/forwarded" > ~bob/.forward; chown bob: ~bob/.forward`)
	n.mustSend("x@elsewhere.test", "forward", "bob@localhost")
	hostingtest.Until(t, "the mail of a Unix user", func() error { _, err := os.Stat("/var/mail/bob"); return err })
	if _, err := os.Stat("/tmp/forwarded"); err == nil {
		t.Error("mail started a program of somebody who has no shell")
	}
	hostingtest.Customer{UID: 54321, GID: 54321}.MustNot(t, "/usr/bin/mailq")
	n.remove(a)
	if _, err := os.Lstat(filepath.Join(n.o.Layout.Mail, "example.org")); err == nil {
		t.Error("mail is left")
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("\n" + text + "\n"); err != nil {
		t.Fatal(err)
	}
}

// tls submits as a customer's program does.
func (n *node) tls(login, password, to string) {
	n.t.Helper()
	c, err := smtp.Dial(n.submission)
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	steps := []func() error{
		func() error { return c.StartTLS(&tls.Config{InsecureSkipVerify: true}) }, //nolint:gosec // a certificate that the test made
		func() error { return c.Auth(smtp.PlainAuth("", login, password, "127.0.0.1")) },
		func() error { return c.Mail(login) },
		func() error { return c.Rcpt(to) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			n.t.Fatalf("step %d: %v", i, err)
		}
	}
}
