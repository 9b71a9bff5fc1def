package hosting

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// account makes an account and waits until all of it is there.
func (w *world) account(domain string, args ...string) *customer {
	w.t.Helper()
	said := w.cli(append([]string{"account", "create", "--domain", domain, "--offer", "Gold", "--server", w.node, "--wait", "--timeout", "60s"}, args...)...)
	c := &customer{world: w, domain: domain}
	if n, err := fmt.Sscan(said, &c.user, &c.password); n != 2 {
		w.t.Fatalf("it says %q: %v", said, err)
	}
	w.tells(c.password)
	return c
}

// change does something to the account, and waits until its node has done it.
func (c *customer) change(use string, args ...string) string {
	c.t.Helper()
	begun := time.Now()
	defer func() { c.t.Logf("%v until %s was done", time.Since(begun).Round(10*time.Millisecond), use) }()
	said := c.cli(append([]string{"account", use, c.domain}, args...)...)
	c.cli("account", "watch", c.domain, "--timeout", "60s")
	if said = strings.TrimSpace(said); slices.Contains([]string{"add-mailbox", "add-database", "add-ftp-login"}, use) {
		c.tells(said)
	}
	return said
}

// choose sets what the plan lets the subscriber change (rule P11), and waits.
func (c *customer) choose(values string) {
	c.t.Helper()
	c.cli("subscription", "choose", c.subscription(), "--values", values)
	c.cli("account", "watch", c.domain, "--timeout", "60s")
}

// remove removes the account, and waits until nothing of it is left.
func (c *customer) remove() {
	c.t.Helper()
	c.cli("account", "remove", c.domain, "--confirm", c.domain, "--wait", "--timeout", "60s")
	c.until("the account is gone", func() error {
		if out, err := c.try("account", "show", c.domain); err == nil {
			return fmt.Errorf("it is there: %s", out)
		}
		return nil
	})
}

func (w *world) offer() {
	w.t.Helper()
	w.cli("offer", "create", "--name", "Gold", "--kind", "service",
		"--changeable", "shell,imap,php,virus_scan", "--values", "disk_mib=100,traffic_mib=none,mailboxes=3,mailing_lists=1,ftp_logins=2,subdomains=2,databases=2,php=on,imap=off,virus_scan=off,shell=/bin/false,overuse=normal")
}

// pictures are all places of the system in which something of an account may be.
func (w *world) pictures() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, dir := range []string{"/srv", "/etc", "/var/log/steelyard-hosting", "/var/mail", "/var/spool/cron", "/home", "/run/php"} {
		if _, err := os.Stat(dir); err == nil {
			all[dir] = hostingtest.Picture(w.t, dir)
		}
	}
	return all
}

// maps are all entries of the maps of mail.
func (w *world) maps() (all string) {
	files, err := filepath.Glob("/etc/steelyard-hosting/mail/maps/*.lmdb")
	if err != nil || len(files) == 0 {
		w.t.Fatal("there are no maps of mail: ", err)
	}
	for _, file := range files {
		all += file + "\n" + w.run("postmap", "-s", "lmdb:"+strings.TrimSuffix(file, ".lmdb"))
	}
	return all
}

// grants are all users and databases of the database server.
func (w *world) grants() string {
	return w.run("mariadb", "--batch", "-e", "select user, host from mysql.global_priv order by 1, 2; select schema_name from information_schema.schemata order by 1; select grantee, privilege_type from information_schema.schema_privileges order by 1, 2")
}

func TestC9_C14_AnAccountServesItsCustomerAndLeavesNothing(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	newWorld(t).walk(nil)
}

// walk is all that a customer does, from his account's first moment to its last (rule X9: and nothing tells his passwords); between is done once he has something of everything.
func (w *world) walk(between func(*customer)) {
	t := w.t
	w.secrets.watch()
	w.offer()
	first := w.account("first.example") // what the node has after its first account is the node's own
	first.change("add-mailbox", "--address", "info")
	first.change("add-database", "--name", "shop")
	first.remove()
	before, maps, grants := w.pictures(), w.maps(), w.grants()

	c := w.account("http://www.Bücher.example/") // C9: pasted
	c.domain = "xn--bcher-kva.example"
	if between == nil {
		between = func(*customer) {}
	}
	for _, does := range []struct {
		what string
		do   func()
	}{{"site", c.site}, {"files", c.files}, {"shell", c.shell}, {"mail", c.mail}, {"database", c.database}, {"between", func() { between(c) }}, {"suspension", c.suspension}, {"secrets", c.hidden}, {"removal", c.remove}, {"accounts", c.accounted}} {
		begun := time.Now()
		does.do()
		t.Logf("%s took %v", does.what, time.Since(begun).Round(10*time.Millisecond))
	}
	after := w.pictures()
	for dir, was := range before {
		hostingtest.Same(t, was, after[dir],
			"passwd-", "shadow-", "group-", "gshadow-", ".pwd.lock", "steelyard-hosting/next-uid", // no user gets the number of another one
			"steelyard-hosting/nginx/generation.conf", "steelyard-hosting/php/generation.conf", "steelyard-generation-", // how often a daemon was reloaded
			"steelyard-hosting/mail/maps/",                         // what is in them is compared below
			"ftp.log", "traffic.log", "postfix.log", "dovecot.log") // of the node: traffic is counted from them
	}
	if now := w.maps(); now != maps {
		t.Errorf("the maps of mail have\n%s\nand had\n%s", now, maps)
	}
	if now := w.grants(); now != grants {
		t.Errorf("the database server has\n%s\nand had\n%s", now, grants)
	}
	if out, err := exec.Command("find", "/tmp", "/var", "/run", "/etc", "/srv", "-xdev", "-name", "*"+c.user+"*", "-not", "-path", w.data+"/*").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("something has its name: %s %v", out, err)
	}
}

// site is rule C9 with and without www., C18 and PHP.
func (c *customer) site() {
	t := c.t
	for _, host := range []string{c.domain, "www." + c.domain} {
		if page, err := c.get(host, "/"); err != nil || !strings.Contains(page, " 200 ") {
			t.Errorf("%s answers %q: %v", host, page, err)
		}
	}
	c.change("add-subdomain", "--name", "shop")
	if err := c.upload("sub/shop."+c.domain+"/index.html", "the shop"); err != nil {
		t.Error(err)
	}
	if page, err := c.get("shop."+c.domain, "/"); err != nil || !strings.HasSuffix(page, "the shop") {
		t.Errorf("the subdomain answers %q: %v", page, err)
	}
	c.cli("forward", "create", "--domain", "alias.example", "--account", c.domain)
	c.cli("forward", "create", "--domain", "moved.example", "--account", c.domain, "--redirect")
	c.cli("account", "watch", c.domain, "--timeout", "60s")
	if page, err := c.get("alias.example", "/"); err != nil || !strings.Contains(page, " 200 ") {
		t.Errorf("the alias answers %q: %v", page, err)
	}
	if page, err := c.get("moved.example", "/a?b=c"); err != nil || !strings.Contains(page, " 301 ") || !strings.Contains(page, "http://"+c.domain+"/a?b=c") {
		t.Errorf("the redirect answers %q: %v", page, err)
	}
	if page, err := c.get("nobody.example", "/"); err == nil && strings.Contains(page, " 200 ") {
		t.Errorf("a name of nobody answers %q", page)
	}
	for _, domain := range []string{"alias.example", "moved.example"} {
		c.cli("forward", "remove", domain, "--yes")
	}
	c.until("the forwards are gone", func() error {
		if out := c.cli("forward", "list"); strings.Contains(out, "example") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}

// files are FTP and what the web server makes of them.
func (c *customer) files() {
	t := c.t
	if err := c.upload("htdocs/hello.txt", "hello"); err != nil {
		t.Error(err)
	}
	if text, err := c.download("htdocs/hello.txt"); err != nil || text != "hello" {
		t.Errorf("%q came back: %v", text, err)
	}
	if page, err := c.get(c.domain, "/hello.txt"); err != nil || !strings.HasSuffix(page, "hello") {
		t.Errorf("the site has %q: %v", page, err)
	}
	if err := c.upload("htdocs/who.php", "<?php echo posix_geteuid() . ' ' . fileowner(__FILE__);"); err != nil {
		t.Error(err)
	}
	uid := strings.TrimSpace(c.run("id", "-u", c.user))
	if page, err := c.get(c.domain, "/who.php"); err != nil || !strings.HasSuffix(page, uid+" "+uid) {
		t.Errorf("PHP runs as %q, not as %s: %v", page, uid, err)
	}
	said := c.change("add-ftp-login", "--name", "shop", "--dir", "htdocs")
	other := *c
	other.user, other.password = c.user+"_shop", said
	if text, err := other.download("hello.txt"); err != nil || text != "hello" {
		t.Errorf("the further login sees %q: %v", text, err)
	}
	if text, err := other.download("../private/.profile"); err == nil {
		t.Errorf("it left its directory: %q", text)
	}
	other.password = "wrong"
	if _, err := other.download("hello.txt"); err == nil {
		t.Error("a wrong password lets in")
	}
}

// shell is rule C16.
func (c *customer) shell() {
	t := c.t
	if out, err := c.ssh("id", "-un"); err == nil {
		t.Errorf("with /bin/false SSH answers %q", out)
	}
	c.choose("shell=/bin/bash")
	if out, err := c.ssh("id", "-un"); err != nil || out != c.user {
		t.Errorf("with /bin/bash SSH answers %q: %v", out, err)
	}
	if out, err := c.try("subscription", "choose", c.subscription(), "--values", "shell=/bin/zsh"); err == nil || !strings.Contains(out, "shell") {
		t.Errorf("another shell is answered with %q: %v", out, err)
	}
}

// mail is delivery, POP3, IMAP only when it is on, and a list.
func (c *customer) mail() {
	t := c.t
	box := "info@" + c.domain
	password := c.change("add-mailbox", "--address", "info")
	c.change("set-list", "--address", "all", "--members", box)
	send := func(to string) error {
		letter := filepath.Join(t.TempDir(), "letter")
		c.write(letter, "Subject: to "+to+"\r\n\r\nhello\r\n")
		_, err := c.curl("", "--mail-from", "friend@outside.example", "--mail-rcpt", to, "-T", letter, "smtp://127.0.0.1/")
		return err
	}
	for _, to := range []string{box, "all@" + c.domain} {
		if err := send(to); err != nil {
			t.Errorf("to %s: %v", to, err)
		}
	}
	for _, to := range []string{"nobody@" + c.domain, "info@elsewhere.example"} {
		if err := send(to); err == nil {
			t.Errorf("mail to %s was taken", to)
		}
	}
	c.until("both letters are there", func() error {
		out, err := c.curl(box+":"+password, "pop3://127.0.0.1/")
		if err == nil && strings.Count(strings.TrimSpace(out), "\n") != 1 {
			err = fmt.Errorf("POP3 lists %q", out)
		}
		return err
	})
	if out, err := c.curl(box+":"+password, "imap://127.0.0.1/INBOX?ALL"); err == nil {
		t.Errorf("IMAP is off, and answers %q", out)
	}
	c.choose("imap=on")
	if out, err := c.curl(box+":"+password, "imap://127.0.0.1/INBOX?ALL"); err != nil || !strings.Contains(out, "SEARCH 1 2") {
		t.Errorf("IMAP is on, and answers %q: %v", out, err)
	}
}

// database is a database with its user.
func (c *customer) database() {
	t := c.t
	password := c.change("add-database", "--name", "shop")
	if out, err := c.sql(password, c.user+"_shop", "create table t (n int); insert into t values (7); select n from t"); err != nil || out != "7" {
		t.Errorf("the database answers %q: %v", out, err)
	}
	if out, err := c.sql(password, "mysql", "select user from user"); err == nil {
		t.Errorf("the tables of the server answer %q", out)
	}
	c.change("add-database", "--name", "blog")
	if out, err := c.try("account", "add-database", c.domain, "--name", "third"); err == nil {
		t.Errorf("a third database of two was made: %s", out)
	}
}

// suspension keeps everything and serves nothing.
func (c *customer) suspension() {
	t := c.t
	c.cli("subscription", "suspend", c.subscription(), "--reason", "unpaid")
	c.cli("account", "watch", c.domain, "--timeout", "60s")
	if page, err := c.get(c.domain, "/hello.txt"); err != nil || !strings.Contains(page, " 503 ") || strings.HasSuffix(page, "hello") {
		t.Errorf("while suspended the site answers %q: %v", page, err)
	}
	if text, err := c.download("htdocs/hello.txt"); err == nil {
		t.Errorf("while suspended FTP answers %q", text)
	}
	if out, err := c.ssh("id"); err == nil {
		t.Errorf("while suspended SSH answers %q", out)
	}
	c.cli("subscription", "unsuspend", c.subscription())
	c.cli("account", "watch", c.domain, "--timeout", "60s")
	if page, err := c.get(c.domain, "/hello.txt"); err != nil || !strings.HasSuffix(page, "hello") {
		t.Errorf("afterwards the site answers %q: %v", page, err)
	}
	if text, err := c.download("htdocs/hello.txt"); err != nil || text != "hello" {
		t.Errorf("afterwards FTP answers %q: %v", text, err)
	}
}

func (c *customer) subscription() string {
	var a struct{ Subscription string }
	c.json(&a, "account", "show", c.domain)
	return a.Subscription
}

// TestC15_ANewPasswordHoldsEverywhere: console and FTP change together.
func TestC15_ANewPasswordHoldsEverywhere(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	w := newWorld(t)
	w.offer()
	c := w.account("example.org")
	file := filepath.Join(w.data, "password")
	w.write(file, "Correct-Horse-9-battery\n")
	c.change("password", "--password-file", file)
	if _, err := c.download(""); err == nil {
		t.Error("the old password still lets in")
	}
	c.password = "Correct-Horse-9-battery"
	if _, err := c.download(""); err != nil {
		t.Error(err)
	}
}
