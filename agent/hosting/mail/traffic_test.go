package mail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/tail"
	"github.com/steelyard/steelyard/protocol"
)

// Who is not on the node of a test of traffic: a sender and reader, and the server that other people's mail goes to.
const (
	abroad = "127.20.12.9"
	sinkIP = "127.20.12.7"
)

// sink takes mail for everybody, and counts the bytes of it.
type sink struct {
	l     net.Listener
	bytes atomic.Int64
	mails atomic.Int64
	over  sync.WaitGroup
}

func newSink(t *testing.T) *sink {
	l, err := net.Listen("tcp", sinkIP+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{l: l}
	s.over.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.over.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.over.Wait()
	})
	return s
}

func (s *sink) talk(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(hostingtest.Patience))
	r := bufio.NewReader(c)
	say := func(line string) { _, _ = c.Write([]byte(line + "\r\n")) }
	say("220 sink.test")
	for {
		line, err := r.ReadString('\n')
		switch word := strings.ToUpper(line); {
		case err != nil:
			return
		case strings.HasPrefix(word, "DATA"):
			say("354 go on")
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				s.bytes.Add(int64(len(line)))
			}
			s.bytes.Add(-3)
			s.mails.Add(1)
			say("250 2.0.0 Ok")
		case strings.HasPrefix(word, "QUIT"):
			say("221 2.0.0 Bye")
			return
		default:
			say("250 Ok")
		}
	}
}

// counter is the meter of a node.
type counter struct {
	*meter.Meter
	t     *testing.T
	book  *book.Book
	users map[string]string
	later time.Duration // than now it is
}

func (n *node) counter(t *testing.T, accounts ...*part.Account) *counter {
	b, err := book.Open(filepath.Join(hostingtest.Dir(t), "book"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	now := book.QuarterOf(time.Now())
	if err := b.SetMonths([]book.Month{{Name: "all", From: now - 10000, To: now + 10000}}); err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, book: b, users: map[string]string{}}
	for _, a := range accounts {
		for _, name := range meter.Names(&a.HostedAccount) {
			c.users[name] = a.ID
		}
	}
	far := map[netip.Addr]bool{netip.MustParseAddr(abroad): true, netip.MustParseAddr(sinkIP): true}
	c.Meter = meter.New(meter.Options{
		Book: b, SMTP: n.o.postfixLog(), IMAP: n.o.dovecotLog(), Now: func() time.Time { return time.Now().Add(c.later) }, User: func(uid string) string { return map[string]string{"0": "bob"}[uid] },
		Inside: func(a netip.Addr) bool { return !far[a] },
	})
	return c
}

// has is what was counted of an account.
func (c *counter) has(account string) book.Traffic {
	c.t.Helper()
	if err := c.Look(c.t.Context(), c.users); err != nil {
		c.t.Fatal(err)
	}
	list, _ := c.book.Changed(0)
	for _, r := range list {
		if r.Account == account {
			return r.Months[0][book.Mail]
		}
	}
	return book.Traffic{}
}

// gains waits until an account has at least so much more than before, and tells what came.
func (c *counter) gains(account string, before book.Traffic, in, out int64, act func()) book.Traffic {
	c.t.Helper()
	act()
	var now book.Traffic
	hostingtest.Until(c.t, fmt.Sprintf("%s to have %d bytes in and %d out more", account, in, out), func() error {
		now = c.has(account)
		if int64(now.In-before.In) < in || int64(now.Out-before.Out) < out {
			return fmt.Errorf("it has %+v, before %+v", now, before)
		}
		return nil
	})
	return book.Traffic{In: now.In - before.In, Out: now.Out - before.Out}
}

// from is a client of an address.
func (n *node) from(ip, to string) *smtp.Client {
	n.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// mailFrom sends a mail of so many bytes, in lines of 72.
func (n *node) mailFrom(ip, login, sender string, size int, to ...string) {
	n.t.Helper()
	server := n.smtp
	if login != "" {
		server = n.submission
	}
	c := n.from(ip, server)
	defer c.Close()
	must := func(err error) {
		n.t.Helper()
		if err != nil {
			n.t.Fatalf("mail from %s to %v: %v", sender, to, err)
		}
	}
	if login != "" {
		must(c.Hello("client.test"))
		id, err := c.Text.Cmd("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00secret")))
		must(err)
		c.Text.StartResponse(id)
		_, _, err = c.Text.ReadResponse(235)
		must(err)
		c.Text.EndResponse(id)
	}
	must(c.Mail(sender))
	for _, one := range to {
		must(c.Rcpt(one))
	}
	w, err := c.Data()
	must(err)
	_, err = w.Write(body(size))
	must(err)
	must(w.Close())
	_ = c.Quit()
}

func body(size int) []byte {
	b := []byte("Subject: counted\r\n\r\n")
	for len(b) < size {
		b = append(b, strings.Repeat("x", 70)+"\r\n"...)
	}
	return b
}

// within fails the test unless the bytes are those of mails of this size, give or take their headers and the ends of their lines.
func (c *counter) within(what string, got uint64, mails int) {
	c.t.Helper()
	size := len(body(mailSize))
	if low, high := uint64(mails*size*97/100), uint64(mails*(size+600)); got < low || got > high {
		c.t.Errorf("%s: %d bytes are counted for %d mails of %d", what, got, mails, size)
	}
}

const mailSize = 100_000

// TestU2_U8_MailOfRealDaemonsIsCountedOnce: in, out, by login, by script, to a list, and passed on within the node.
func TestU2_U8_MailOfRealDaemonsIsCountedOnce(t *testing.T) {
	s := newSink(t)
	host, port, _ := net.SplitHostPort(s.l.Addr().String())
	n := start(t, "default_transport = smtp:["+host+"]:"+port)
	a, b := hosted(t, "bob", "example.org"), hosted(t, "alice", "alice.test")
	a.Lists = []protocol.HostedList{{Address: "news@example.org", Members: []string{"info@example.org", "info@alice.test", "m1@elsewhere.test", "m2@elsewhere.test", "m3@other.test"}, Owner: "post@example.org"}}
	n.ensure(a, b)
	c := n.counter(t, a, b)
	var none book.Traffic
	had := func() (x, y book.Traffic) { return c.has(a.ID), c.has(b.ID) }

	got := c.gains(a.ID, none, 1, 0, func() { n.mailFrom(abroad, "", "x@elsewhere.test", mailSize, "Info@Example.org", "post@example.org") })
	c.within("in, to two mailboxes", got.In, 1)

	_, was := had()
	n.mailFrom("127.20.12.1", "", "x@elsewhere.test", mailSize, "info@alice.test") // a program of the node
	n.mailFrom(abroad, "", "x@elsewhere.test", mailSize, "info@alice.test")
	c.within("in, and once from here", c.gains(b.ID, was, 1, 0, func() { hostingtest.Until(t, "the queue to be empty", n.quiet) }).In, 1)

	was, _ = had()
	got = c.gains(a.ID, was, 1, 1, func() {
		n.mailFrom(abroad, "info@example.org", "info@example.org", mailSize, "y@elsewhere.test", "z@elsewhere.test", "w@other.test", "info@alice.test")
		hostingtest.Until(t, "the queue to be empty", n.quiet)
	})
	c.within("submitted", got.In, 1)
	c.within("sent", got.Out, int(s.mails.Load()))
	if d := int64(got.Out) - s.bytes.Load(); d > 100 || d < -s.bytes.Load()*3/100 {
		t.Errorf("%d bytes out are counted, and %d came", got.Out, s.bytes.Load())
	}

	was, other := had()
	mails := s.mails.Load()
	got = c.gains(a.ID, was, 1, 1, func() {
		n.mailFrom(abroad, "", "x@elsewhere.test", mailSize, "news@example.org")
		hostingtest.Until(t, "the queue to be empty", n.quiet)
	})
	c.within("a list, in", got.In, 1)
	c.within("a list, out", c.has(a.ID).Out-was.Out, int(s.mails.Load()-mails))
	if now := c.has(b.ID); now != other {
		t.Errorf("a member of the list paid: %+v, before %+v", now, other)
	}

	was, _ = had()
	mails = s.mails.Load()
	got = c.gains(a.ID, was, 0, 1, func() {
		n.sendmail("someone@alice.test", "q@elsewhere.test") // whatever he says
		hostingtest.Until(t, "the queue to be empty", n.quiet)
	})
	c.within("a script", got.Out, int(s.mails.Load()-mails))
	if got.In != 0 || c.has(b.ID) != other {
		t.Errorf("%+v of %s's is somebody else's", got, a.ID)
	}
	for _, source := range []string{"smtp", "imap"} {
		if x := c.book.Source(source); x.Unknown > 0 || x.Place.IsZero() {
			t.Errorf("%s: %d unknown lines, the last %q", source, x.Unknown, c.Samples()[source])
		}
	}
	if len(c.book.Notes("smtp")) > 0 {
		t.Errorf("%d mails are still on their way", len(c.book.Notes("smtp")))
	}
}

// sendmail is a program of the one who runs the test.
func (n *node) sendmail(sender, to string) {
	n.t.Helper()
	cmd := exec.Command(hostingtest.Need(n.t, "sendmail"), "-C", n.o.Postfix, "-f", sender, to)
	cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(body(mailSize), []byte("\r"), nil))
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("sendmail: %v: %s", err, out)
	}
}

// reading asks for a mail by IMAP or POP3, and counts what came after the login.
type reading struct {
	in, out int64
	c       net.Conn
	r       *bufio.Reader
}

func (n *node) reads(server, ip string) *reading {
	n.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.Dial("tcp", server)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(hostingtest.Patience))
	return &reading{c: conn, r: bufio.NewReaderSize(conn, 1<<20)}
}

func (x *reading) ask(line, until string) error {
	if line != "" {
		k, err := x.c.Write([]byte(line + "\r\n"))
		x.in += int64(k)
		if err != nil {
			return err
		}
	}
	for {
		text, err := x.r.ReadString('\n')
		x.out += int64(len(text))
		if err != nil || strings.HasPrefix(text, until) {
			return err
		}
	}
}

// TestU2_U3_SessionsOfIMAPAndPOP3AreCountedWhenTheyEnd: what the client counted, to a few bytes of the login's answer; a long session, one that is broken off, one of the node's own.
func TestU2_U3_SessionsOfIMAPAndPOP3AreCountedWhenTheyEnd(t *testing.T) {
	n := start(t)
	a := hosted(t, "bob", "example.org")
	n.ensure(a)
	c := n.counter(t, a)
	if err := n.sendText("x@elsewhere.test", string(body(mailSize)), "info@example.org"); err != nil {
		t.Fatal(err)
	}
	n.arrives("info@example.org", "counted")
	ask := func(x *reading, lines ...string) {
		t.Helper()
		for i := 0; i < len(lines); i += 2 {
			if err := x.ask(lines[i], lines[i+1]); err != nil {
				t.Fatalf("%s: %v", lines[i], err)
			}
		}
	}
	imap := func(ip string) *reading {
		x := n.reads(n.imap, ip)
		ask(x, "", "* OK", "a LOGIN info@example.org secret", "a OK")
		x.in, x.out = 0, 0
		ask(x, "b SELECT INBOX", "b OK")
		return x
	}
	ended := func(x *reading, what string, last ...string) {
		t.Helper()
		was := c.has(a.ID)
		ask(x, last...)
		got := c.gains(a.ID, was, x.in, x.out/2, func() { _ = x.c.Close() })
		// the answer to the login is the session's, what a client does not read is not
		if got.In != uint64(x.in) || int64(got.Out) < x.out || int64(got.Out) > x.out+1000 {
			t.Errorf("%s: %+v is counted; the client sent %d and read %d", what, got, x.in, x.out)
		}
	}
	long, own := imap(abroad), imap("127.20.12.1")
	for i := range 20 {
		ask(long, fmt.Sprintf("c%d FETCH 1 BODY[]", i), fmt.Sprintf("c%d OK", i))
	}
	ask(own, "c FETCH 1 BODY[]", "c OK", "d LOGOUT", "d OK")
	_ = own.c.Close()
	if got := c.has(a.ID); got != (book.Traffic{}) {
		t.Errorf("%+v is counted of sessions that go on, or of the node's own", got)
	}
	if long.out < 20*mailSize {
		t.Fatalf("%d bytes were read", long.out)
	}
	ended(long, "a long session, broken off")
	pop := n.reads(n.pop3, abroad)
	ask(pop, "", "+OK", "USER info@example.org", "+OK", "PASS secret", "+OK")
	pop.in, pop.out = 0, 0
	ended(pop, "POP3", "RETR 1", ".", "QUIT", "+OK")
	if x := c.book.Source("imap"); x.Unknown > 0 {
		t.Errorf("%d unknown lines, the last %q", x.Unknown, c.Samples()["imap"])
	}
	killed := imap(abroad)
	ask(killed, "c FETCH 1 BODY[]", "c OK")
	was := c.has(a.ID)
	n.run("doveadm", "-c", n.o.Dovecot, "kick", "info@example.org")
	if got := c.gains(a.ID, was, 1, killed.out/2, func() {}); int64(got.Out) < killed.out {
		t.Errorf("%+v is counted of a session that was ended; %d bytes were read", got, killed.out)
	}
}

// forge tries to write a line of Postfix's as a customer, by the system's log and by Postfix's own programs, and to read.
func (n *node) forge() {
	n.t.Helper()
	bad := "ABCDEF12345: from=<x@y.test>, size=999999, nrcpt=1 (queue active)"
	_, _ = hostingtest.As(n.t, 54321, 54321, "/usr/sbin/postlog", "-c", n.o.Postfix, "-t", "postfix/qmgr", bad)
	_, _ = hostingtest.As(n.t, 54321, 54321, "/usr/bin/logger", "-t", "postfix/qmgr", bad)
	for _, path := range []string{n.o.postfixLog(), n.o.dovecotLog()} {
		hostingtest.Customer{UID: 54321, GID: 54321}.MustNot(n.t, "/bin/cat", path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			n.t.Error(path, info.Mode(), err)
		}
	}
}

// TestU2_U3_LogsOfMailAreTheDaemonsAlone: nobody else writes to them; logrotate rotates them, and the daemons go on.
func TestU2_U3_LogsOfMailAreTheDaemonsAlone(t *testing.T) {
	logrotate := hostingtest.Need(t, "logrotate")
	n := files(t)
	if err := os.MkdirAll(filepath.Dir(n.o.Logrotate), 0o755); err != nil {
		t.Fatal(err)
	}
	n.start()
	a := hosted(t, "bob", "example.org")
	n.ensure(a)
	c := n.counter(t, a)
	n.forge()
	c.gains(a.ID, book.Traffic{}, 1, 0, func() { n.mailFrom(abroad, "", "x@elsewhere.test", mailSize, "info@example.org") })
	first := c.has(a.ID)
	if out, err := exec.Command(logrotate, "-f", "-s", n.o.Queue+"-rotated", n.o.Logrotate).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	for _, path := range []string{n.o.postfixLog(), n.o.dovecotLog()} {
		if _, err := os.Stat(path + ".1"); err != nil {
			t.Error(err)
		}
	}
	n.mailFrom(abroad, "", "x@elsewhere.test", mailSize, "post@example.org")
	hostingtest.Until(t, "the new file in use", func() error {
		if !strings.Contains(n.log(n.o.postfixLog()), "to=<post@example.org>") {
			return errors.New("it is empty")
		}
		return nil
	})
	c.later = 2 * tail.Settled
	got := c.gains(a.ID, first, 1, 0, func() {})
	c.within("after the rotation", got.In, 1)
	n.forge()
	if x := c.book.Source("smtp"); x.Unknown > 0 || strings.Contains(n.log(n.o.postfixLog())+n.log(n.o.postfixLog()+".1"), "ABCDEF12345") {
		t.Errorf("a customer wrote a line, or %d are unknown", x.Unknown)
	}
}
