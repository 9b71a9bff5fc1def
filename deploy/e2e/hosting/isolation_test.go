package hosting

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// TestC11_C16_OneCustomerSeesNothingOfAnother: by shell, by PHP, by links, by FTP, in databases, in mail. Both have all that an offer gives.
func TestC11_C16_OneCustomerSeesNothingOfAnother(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	w := newWorld(t)
	w.offer()
	victim, thief := w.account("victim.example"), w.account("thief.example")
	secret := "nobodys-business-" + rand.Text()
	if err := victim.upload("htdocs/config.php", "<?php $password = '"+secret+"'; echo 'site';"); err != nil {
		t.Fatal(err)
	}
	if err := victim.upload("private/notes.txt", secret); err != nil {
		t.Fatal(err)
	}
	box, password := "info@"+victim.domain, victim.change("add-mailbox", "--address", "info")
	database := victim.change("add-database", "--name", "shop")
	if out, err := victim.sql(database, victim.user+"_shop", "create table t (s text); insert into t values ('"+secret+"')"); err != nil {
		t.Fatal(out, err)
	}
	own := thief.change("add-database", "--name", "shop")
	letter := t.TempDir() + "/letter"
	w.write(letter, "Subject: "+secret+"\r\n\r\nhello\r\n")
	if _, err := w.curl("", "--mail-from", "friend@outside.example", "--mail-rcpt", box, "-T", letter, "smtp://127.0.0.1/"); err != nil {
		t.Fatal(err)
	}
	w.until("the letter is there", func() error {
		out, err := w.curl(box+":"+password, "pop3://127.0.0.1/1")
		if err == nil && !strings.Contains(out, secret) {
			err = fmt.Errorf("%q", out)
		}
		return err
	})
	if page, err := w.get(victim.domain, "/config.php"); err != nil || !strings.HasSuffix(page, "site") { // leaves a line in the log, and the script compiled in the cache
		t.Fatal(page, err)
	}
	thief.choose("shell=/bin/bash")

	home := "/srv/hosting/" + victim.user
	for _, command := range []string{
		"ls " + home, "ls " + home + "/htdocs", "cat " + home + "/htdocs/config.php", "cat " + home + "/private/notes.txt", "ls " + home + "/tmp", "cd " + home + "/htdocs",
		"ls /var/log/steelyard-hosting/" + victim.user, "cat /var/log/steelyard-hosting/" + victim.user + "/*", "ls /srv/mail/" + victim.domain, "ls -R /srv/mail",
		"ls /etc/steelyard-hosting/mail/logins", "ls /etc/steelyard-hosting/mail/boxes", "ls /etc/steelyard-hosting/ftp", "cat /etc/steelyard-hosting/ftp/passwd", "cat /etc/shadow", "ls /etc/steelyard-hosting/users",
		"ls " + w.data + "/agent", "cat " + w.data + "/agent/hosted/*", "ls /var/lib/mysql/" + victim.user + "_shop", "mailq", "echo x > " + home + "/htdocs/x", "touch " + home + "/x", "kill -9 1",
	} {
		if out, err := thief.ssh(command); err == nil {
			t.Errorf("%s: %s", command, out)
		}
	}
	if out, err := thief.ssh("find /etc /home /opt /root /run /srv /tmp /var -xdev -readable -type f -exec grep -lsF \"" + secret + "\" {} + 2>/dev/null; true"); err != nil || out != "" {
		t.Errorf("he can read it in %s (%v)", out, err)
	}
	if out, err := thief.ssh("ln -s " + home + "/htdocs/config.php ../htdocs/link.txt; ln -s " + home + "/private ../htdocs/dir; ln " + home + "/htdocs/config.php ../htdocs/hard.txt; true"); err != nil {
		t.Error(out, err)
	}
	for _, path := range []string{"/link.txt", "/dir/notes.txt", "/hard.txt"} {
		if page, err := w.get(thief.domain, path); err != nil || strings.Contains(page, secret) || strings.Contains(page, " 200 ") {
			t.Errorf("%s shows %q: %v", path, page, err)
		}
	}
	script := "<?php foreach (['" + home + "/htdocs/config.php', '" + home + "/private/notes.txt', '/var/log/steelyard-hosting/" + victim.user + "/access.log'] as $f) { echo @file_get_contents($f); @include $f; } echo 'end';"
	if err := thief.upload("htdocs/steal.php", script); err != nil {
		t.Fatal(err)
	}
	if page, err := w.get(thief.domain, "/steal.php"); err != nil || !strings.HasSuffix(page, "\r\n\r\nend") {
		t.Errorf("his script shows %q: %v", page, err)
	}
	for _, path := range []string{"../" + victim.user + "/private/notes.txt", "%2f" + strings.TrimPrefix(home, "/") + "/private/notes.txt", "htdocs/dir/notes.txt"} {
		if text, err := thief.download(path); err == nil {
			t.Errorf("FTP gives %q of %s", text, path)
		}
	}
	for _, statement := range []string{"select * from " + victim.user + "_shop.t", "use " + victim.user + "_shop", "select load_file('" + home + "/private/notes.txt') is not null as x having x = 1 or 1/0", "create database stolen", "select * from mysql.global_priv"} {
		if out, err := thief.sql(own, thief.user+"_shop", statement); err == nil && out != "" && out != "0" {
			t.Errorf("%s: %s", statement, out)
		}
	}
	if out, err := thief.sql(own, thief.user+"_shop", "show databases"); err != nil || strings.Contains(out, victim.user) {
		t.Errorf("he sees the databases %s (%v)", out, err)
	}
	if out, err := w.curl(box+":"+thief.password, "pop3://127.0.0.1/"); err == nil {
		t.Errorf("his password opens the mailbox: %s", out)
	}
	if _, err := os.Stat(home + "/x"); err == nil {
		t.Error("he wrote into the home")
	}
}
