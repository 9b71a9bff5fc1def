package mail

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// TestC17_MailArrivesAndIsReadAsTheAccountMay: SMTP, IMAP, POP3, IMAP switched off.
func TestC17_MailArrivesAndIsReadAsTheAccountMay(t *testing.T) {
	n := start(t)
	if got := n.part.Provide(t.Context()); !got.Switches["mail"] || got.Switches["virus_scan"] {
		t.Fatalf("%+v", got)
	}
	a := hosted(t, "bob", "example.org")
	n.ensure(a)
	n.mustSend("x@elsewhere.test", "one", "Info@Example.org")
	n.arrives("info@example.org", "one")
	n.refused(n.send("x@elsewhere.test", "two", "nobody@example.org"), "550")
	if _, ok := n.imapLogin("info@example.org", "wrong"); ok {
		t.Error("a wrong password logs in")
	}
	imap, ok := n.imapLogin("info@example.org", "secret")
	if !ok || imap.ask("b SELECT INBOX", "* 1 EXISTS", "b ") != "* 1 EXISTS" {
		t.Error("IMAP shows no mail")
	}
	a.IMAP = false
	n.ensure(a)
	if imap.ask("c NOOP", "c ") != "" {
		t.Error("an open IMAP session goes on without IMAP")
	}
	if _, ok := n.imapLogin("info@example.org", "secret"); ok {
		t.Error("IMAP lets in without IMAP")
	}
	pop, ok := n.pop3Login("info@example.org", "secret")
	if !ok || !strings.HasPrefix(pop.ask("STAT", "+OK", "-ERR"), "+OK 1 ") {
		t.Error("POP3 shows no mail")
	}
}

// TestX12_AFullMailboxRefusesWhileTheSenderWaits: none, a real zero, and a limit in between; deleting makes room.
func TestX12_AFullMailboxRefusesWhileTheSenderWaits(t *testing.T) {
	n := start(t)
	a := hosted(t, "bob", "example.org")
	zero, one := uint64(0), uint64(1)
	a.Mailboxes[0].QuotaMiB, a.Mailboxes[1].QuotaMiB = &zero, &one
	n.ensure(a)
	n.refused(n.send("x@elsewhere.test", "none", "info@example.org"), "552")
	big := "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 10000)
	if err := n.sendText("x@elsewhere.test", big, "post@example.org"); err != nil {
		t.Fatal(err)
	}
	n.arrives("post@example.org", "big")
	n.refused(n.announce(800000, "post@example.org"), "552")
	if err := n.sendText("x@elsewhere.test", big, "post@example.org"); err != nil { // its size is not known before
		t.Fatal(err)
	}
	hostingtest.Until(t, "the mail to be returned", func() error {
		if !strings.Contains(n.log(n.o.postfixLog()), "said: 552 5.2.2 <post@example.org>") {
			return errors.New("the mailbox takes more than it may")
		}
		return nil
	})
	pop, ok := n.pop3Login("post@example.org", "other")
	if !ok || pop.ask("DELE 1", "+OK", "-ERR") == "" || pop.ask("QUIT", "+OK") == "" {
		t.Fatal("a full mailbox lets nobody delete")
	}
	n.mustSend("x@elsewhere.test", "room", "post@example.org")
	n.arrives("post@example.org", "room")
	a.Mailboxes[0].QuotaMiB = nil
	n.ensure(a)
	n.mustSend("x@elsewhere.test", "many", "info@example.org")
	n.arrives("info@example.org", "many")
}

// announce says how large a mail will be, and to whom it goes.
func (n *node) announce(size int, to string) error {
	c, err := smtp.Dial(n.smtp)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello("client.test"); err != nil {
		return err
	}
	id, err := c.Text.Cmd("MAIL FROM:<x@elsewhere.test> SIZE=%d", size)
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(250)
	c.Text.EndResponse(id)
	if err != nil {
		return err
	}
	return c.Rcpt(to)
}

// TestC5_AListPassesOnAndBouncesToItsOwner: members of two accounts, a list within a list, lists that contain each other.
func TestC5_AListPassesOnAndBouncesToItsOwner(t *testing.T) {
	n := start(t)
	a, b := hosted(t, "bob", "example.org"), hosted(t, "alice", "alice.test")
	a.Lists = []protocol.HostedList{
		{Address: "news@example.org", Members: []string{"info@example.org", "Info@Alice.test", "nobody@alice.test"}, Owner: "post@example.org"},
		{Address: "round@example.org", Members: []string{"trip@alice.test", "info@example.org"}},
		{Address: "empty@example.org"},
	}
	b.Lists = []protocol.HostedList{{Address: "trip@alice.test", Members: []string{"round@example.org", "post@alice.test"}}}
	n.ensure(a, b)
	n.mustSend("author@elsewhere.test", "hello", "news@example.org")
	for _, to := range []string{"info@example.org", "info@alice.test"} {
		if text := n.arrives(to, "hello"); !strings.Contains(text, "Return-Path: <news-owner@example.org>") {
			t.Errorf("%s: the sender is another:\n%s", to, text)
		}
	}
	if text := n.arrives("post@example.org", "Undelivered"); !strings.Contains(text, "nobody@alice.test") {
		t.Errorf("the owner is told something else:\n%s", text)
	}
	n.mustSend("author@elsewhere.test", "round", "round@example.org")
	n.arrives("post@alice.test", "round")
	n.arrives("info@example.org", "round")
	n.mustSend("author@elsewhere.test", "nothing", "empty@example.org")
	hostingtest.Until(t, "the queue to be empty", n.quiet)
	if got := len(n.mails("info@example.org")); got != 2 {
		t.Errorf("%d mails instead of 2: the lists run in circles", got)
	}
	a.Lists = nil
	n.ensure(a)
	n.refused(n.send("x@elsewhere.test", "gone", "news@example.org"), "550")
}

// quiet is nil when nothing waits in the queue.
func (n *node) quiet() error {
	waiting := 0
	for _, q := range []string{"incoming", "active", "deferred", "maildrop"} {
		_ = filepath.WalkDir(filepath.Join(n.o.Queue, q), func(_ string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				waiting++
			}
			return nil
		})
	}
	if waiting > 0 {
		return fmt.Errorf("%d mails wait", waiting)
	}
	return nil
}

// TestP10_ASuspendedAccountsMailIsPutOff: 450 from outside, the queue from inside, no login, open sessions end; afterwards all is there.
func TestP10_ASuspendedAccountsMailIsPutOff(t *testing.T) {
	n := start(t)
	a, b := hosted(t, "bob", "example.org"), hosted(t, "alice", "alice.test")
	a.Lists = []protocol.HostedList{{Address: "news@example.org", Members: []string{"info@alice.test"}}}
	b.Lists = []protocol.HostedList{{Address: "in@alice.test", Members: []string{"info@example.org"}}}
	n.ensure(a, b)
	a.Mailboxes = append(a.Mailboxes, protocol.HostedMailbox{Address: "third@example.org", Password: secret(t, "third")}) // so many that is asked first who is there
	n.ensure(a)
	imap, ok := n.imapLogin("info@example.org", "secret")
	if !ok {
		t.Fatal("no login")
	}
	a.State = protocol.HostedSuspended
	n.ensure(a)
	if imap.ask("c NOOP", "c ") != "" {
		t.Error("an open session goes on")
	}
	if _, ok := n.imapLogin("info@example.org", "secret"); ok {
		t.Error("IMAP lets in")
	}
	if _, ok := n.pop3Login("info@example.org", "secret"); ok {
		t.Error("POP3 lets in")
	}
	if err := n.submit("info@example.org", "secret", "info@example.org", "info@alice.test"); err == nil {
		t.Error("he sends")
	}
	for _, to := range []string{"info@example.org", "news@example.org"} {
		n.refused(n.send("x@elsewhere.test", "later", to), "450")
	}
	n.mustSend("x@elsewhere.test", "inside", "in@alice.test")
	hostingtest.Until(t, "the mail to wait", func() error {
		if n.quiet() == nil {
			return errors.New("nothing waits")
		}
		return nil
	})
	a.State = protocol.HostedPresent
	n.ensure(a)
	n.run("postqueue", "-c", n.o.Postfix, "-f")
	n.arrives("info@example.org", "inside")
}

// submit sends as somebody who logged in.
func (n *node) submit(login, password, from, to string) error {
	n.t.Helper()
	c, err := smtp.Dial(n.submission)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello("client.test"); err != nil {
		return err
	}
	id, err := c.Text.Cmd("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password)))
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(235)
	c.Text.EndResponse(id)
	if err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	return c.Rcpt(to)
}

// TestTheNodeRelaysForNobodyButWhoLoggedInAsHimself.
func TestTheNodeRelaysForNobodyButWhoLoggedInAsHimself(t *testing.T) {
	n := start(t)
	n.ensure(hosted(t, "bob", "example.org"), hosted(t, "alice", "alice.test"))
	for _, to := range []string{"a@elsewhere.test", "a%elsewhere.test@example.org", "a@elsewhere.test@example.org", "@example.org:a@elsewhere.test"} {
		if err := n.send("info@example.org", "relay", to); err == nil {
			t.Errorf("it relays to %s", to)
		}
	}
	if err := n.submit("info@example.org", "secret", "info@example.org", "a@elsewhere.test"); err != nil {
		t.Errorf("a customer cannot send: %v", err)
	}
	for _, from := range []string{"post@example.org", "info@alice.test", "president@elsewhere.test"} {
		n.refused(n.submit("info@example.org", "secret", from, "a@elsewhere.test"), "553")
	}
	if err := n.submit("info@example.org", "wrong", "info@example.org", "a@elsewhere.test"); err == nil {
		t.Error("a wrong password sends")
	}
	c, err := smtp.Dial(n.submission)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("info@example.org"); err == nil && c.Rcpt("a@elsewhere.test") == nil {
		t.Error("who did not log in sends")
	}
}

const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// TestC10_AVirusIsRefusedForWhoWantsTheScan, and delivered to who does not, also when one mail goes to both; without clamd mail waits.
func TestC10_AVirusIsRefusedForWhoWantsTheScan(t *testing.T) {
	hostingtest.Need(t, "clamd")
	n := files(t)
	milter := Scanning()
	n.start(milter.Name + " = " + milter.Value)
	clamd := n.scanner("44d88612fea8a8f36de82e1278abb02f:68:Own.Test\n")
	a, b := hosted(t, "bob", "example.org"), hosted(t, "alice", "alice.test")
	a.VirusScan = true
	n.ensure(a, b)
	if got := n.part.Provide(t.Context()); !got.Switches["virus_scan"] {
		t.Errorf("%+v", got)
	}
	virus := func(subject string) string {
		return "Subject: " + subject + "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xx\r\n\r\n--xx\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(eicar)) + "\r\n--xx--\r\n"
	}
	n.mustSend("x@elsewhere.test", "clean", "info@example.org")
	n.arrives("info@example.org", "clean")
	n.refused(n.sendText("x@elsewhere.test", virus("bad"), "info@example.org"), "550")
	if err := n.sendText("x@elsewhere.test", virus("free"), "info@alice.test"); err != nil {
		t.Error(err)
	}
	n.arrives("info@alice.test", "free")
	if err := n.sendText("x@elsewhere.test", virus("both"), "info@alice.test", "info@example.org"); err != nil {
		t.Error(err)
	}
	n.arrives("info@alice.test", "both")
	hostingtest.Until(t, "the queue to be empty", n.quiet)
	if got := len(n.mails("info@example.org")); got != 1 {
		t.Errorf("%d mails instead of 1", got)
	}
	clamd.Stop()
	n.refused(n.send("x@elsewhere.test", "late", "info@example.org"), "451")
	n.mustSend("x@elsewhere.test", "unscanned", "info@alice.test")
	a.VirusScan = false
	n.ensure(a)
	n.mustSend("x@elsewhere.test", "off", "info@example.org")
	n.arrives("info@example.org", "off")
}

// TestC14_RemovingAnAccountLeavesNoMail: files, maps, sessions; the neighbour keeps all.
func TestC14_RemovingAnAccountLeavesNoMail(t *testing.T) {
	n := start(t)
	n.ensure(hosted(t, "alice", "alice.test"))
	files, maps, mail := hostingtest.Picture(t, n.part.dir()), n.maps(), hostingtest.Picture(t, n.o.Layout.Mail)
	a := hosted(t, "bob", "example.org")
	a.Lists, a.VirusScan = []protocol.HostedList{{Address: "news@example.org", Members: []string{"info@alice.test"}}}, true
	n.ensure(a)
	n.mustSend("x@elsewhere.test", "one", "info@example.org")
	n.arrives("info@example.org", "one")
	imap, ok := n.imapLogin("info@example.org", "secret")
	if !ok {
		t.Fatal("no login")
	}
	for range 2 {
		n.remove(a)
		hostingtest.Same(t, files, hostingtest.Picture(t, n.part.dir()), "maps/")
		hostingtest.Same(t, maps, n.maps())
		hostingtest.Same(t, mail, hostingtest.Picture(t, n.o.Layout.Mail))
	}
	if imap.ask("c NOOP", "c ") != "" {
		t.Error("an open session goes on")
	}
	n.refused(n.send("x@elsewhere.test", "gone", "info@example.org"), "55")
}

// maps is what Postfix's maps hold.
func (n *node) maps() map[string]string {
	n.t.Helper()
	all := map[string]string{}
	for _, name := range allMaps {
		for line := range strings.Lines(n.run("postmap", "-c", n.o.Postfix, "-s", "lmdb:"+n.part.dir("maps", name))) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "\t")
			all[name+" "+key] = value
		}
	}
	return all
}

// TestX5_AMailboxThatIsNotNamedIsClosedAndKept; one that is named as gone is erased, and with the last one the domain is free.
func TestX5_AMailboxThatIsNotNamedIsClosedAndKept(t *testing.T) {
	n := start(t)
	a := hosted(t, "bob", "example.org")
	n.ensure(a)
	n.mustSend("x@elsewhere.test", "kept", "info@example.org")
	n.arrives("info@example.org", "kept")
	boxes := a.Mailboxes
	a.Mailboxes = boxes[1:]
	n.ensure(a)
	n.refused(n.send("x@elsewhere.test", "closed", "info@example.org"), "550")
	if _, ok := n.imapLogin("info@example.org", "secret"); ok || len(n.mails("info@example.org")) != 1 {
		t.Error("it is open, or not kept")
	}
	a.Mailboxes = nil
	n.ensure(a)
	other := hosted(t, "alice", "example.org")
	if err := n.part.Ensure(t.Context(), other); !fault.Is(err, fault.KindConflict) {
		t.Errorf("another account gets the mail of its former owner: %v", err)
	}
	a.Mailboxes = boxes[:1]
	n.ensure(a)
	if _, ok := n.imapLogin("info@example.org", "secret"); !ok || len(n.mails("info@example.org")) != 1 {
		t.Error("it does not come back")
	}
	a.Mailboxes, a.MailboxesGone = nil, []string{"info@example.org", "post@example.org"}
	n.ensure(a)
	n.ensure(a)
	if _, err := os.Lstat(filepath.Join(n.o.Layout.Mail, "example.org")); err == nil {
		t.Error("mail is left")
	}
	if _, err := os.Lstat(n.part.recordPath("bob")); err == nil {
		t.Error("a record is left")
	}
	n.ensure(other)
	n.mustSend("x@elsewhere.test", "hers", "info@example.org")
	n.arrives("info@example.org", "hers")
	a.Domain, a.Mailboxes, a.MailboxesGone = "bob.test", []protocol.HostedMailbox{{Address: "info@bob.test"}}, []string{"info@example.org"}
	n.ensure(a) // the domain of a mailbox that is gone may be gone from the account, too, and be somebody else's
	if len(n.mails("info@example.org")) != 1 {
		t.Error("an account erased the mail of another one")
	}
}

// TestACustomerReadsNeitherMailNorDigests: what lies on the disk, tried as a customer with a shell.
func TestACustomerReadsNeitherMailNorDigests(t *testing.T) {
	n := start(t)
	n.ensure(hosted(t, "bob", "example.org"))
	n.mustSend("x@elsewhere.test", "one", "info@example.org")
	n.arrives("info@example.org", "one")
	c := hostingtest.Customer{UID: 54321, GID: 54321}
	c.Must(t, "ls", "/")
	_, imap, other := n.part.paths("info@example.org")
	for _, path := range []string{
		n.o.Layout.Mail, filepath.Join(n.o.Layout.Mail, "example.org"), filepath.Join(n.o.Layout.Mail, "example.org", "info", "Maildir"), n.part.dir("accounts"), n.part.dir("domains"), n.part.dir("scan"), n.part.dir("logins"), n.part.dir("logins", "imap", "example.org"),
		n.part.dir("boxes"), n.part.dir("maps"),
	} {
		c.MustNot(t, "ls", path)
		c.MustNot(t, "touch", filepath.Join(path, "x"))
	}
	for _, path := range []string{imap, other, n.part.mapPath(mapBoxes), n.part.recordPath("bob"), n.part.dir("dovecot")} {
		c.MustNot(t, "cat", path)
	}
	for _, name := range []string{socketDeliver, socketLogin, socketQuota} {
		c.MustNot(t, "ls", filepath.Join(n.o.Queue, "private", name))
	}
}

// TestWithoutDaemonsOnlyWhoNeedsThemFails.
func TestWithoutDaemonsOnlyWhoNeedsThemFails(t *testing.T) {
	n := files(t)
	n.o.Postmap = "/nonexistent/postmap"
	p := New(n.o)
	a := &part.Account{HostedAccount: protocol.HostedAccount{ID: "acc-bob", State: protocol.HostedPresent, User: "bob", Domain: "example.org"}}
	if err := p.Ensure(t.Context(), a); err != nil {
		t.Error(err)
	}
	if _, err := p.Remove(t.Context(), a); err != nil {
		t.Error(err)
	}
	if err := p.Ensure(t.Context(), hosted(t, "bob", "example.org")); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "apt-get install") {
		t.Error(err)
	}
	if got := New(n.o).Provide(t.Context()); got.Switches["mail"] || got.Components[0].Problem == "" || got.Components[1].Problem == "" {
		t.Errorf("%+v", got)
	}
}

// TestX15_MailThatResistsIsToldAndKeepsTheDomain: something is mounted below it.
func TestX15_MailThatResistsIsToldAndKeepsTheDomain(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	n := files(t)
	a := hosted(t, "bob", "example.org")
	n.ensure(a)
	stone := filepath.Join(n.o.Layout.Mail, "example.org", "info")
	n.run("mount", "-t", "tmpfs", "stone", stone)
	for range 2 {
		left, err := n.part.Remove(t.Context(), a)
		if err == nil || len(left) != 1 || left[0].Name != filepath.Dir(stone) {
			t.Fatal(left, err)
		}
		if err := n.part.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.part.Ensure(t.Context(), hosted(t, "alice", "example.org")); !fault.Is(err, fault.KindConflict) {
		t.Errorf("another account gets the domain: %v", err)
	}
	n.run("umount", stone)
	n.remove(a)
	n.ensure(hosted(t, "alice", "example.org"))
}
