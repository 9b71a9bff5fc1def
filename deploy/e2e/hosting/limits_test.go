package hosting

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/mail"
)

// counted is a property that says how many of something an account may have.
type counted struct {
	property string
	add      func(name string) []string
	drop     func(name string) []string
	serves   func(name, secret string) error // nil when the daemon serves it
}

func (c *customer) counted() []counted {
	return []counted{
		{
			"mailboxes",
			func(name string) []string { return []string{"add-mailbox", "--address", name} },
			func(name string) []string { return []string{"drop-mailbox", "--address", name, "--yes"} },
			func(name, secret string) error {
				_, err := c.curl(name+"@"+c.domain+":"+secret, "pop3://127.0.0.1/")
				return err
			},
		},
		{
			"databases",
			func(name string) []string { return []string{"add-database", "--name", name} },
			func(name string) []string { return []string{"drop-database", "--name", name, "--yes"} },
			func(name, _ string) error {
				out, err := c.sql(c.secret, c.user+"_"+name, "create table if not exists t (n int); insert into t values (1)")
				return told(out, err)
			},
		},
		{
			"ftp_logins",
			func(name string) []string { return []string{"add-ftp-login", "--name", name, "--dir", "htdocs"} },
			func(name string) []string { return []string{"drop-ftp-login", "--name", name} },
			func(name, secret string) error {
				_, err := c.curl(c.user+"_"+name+":"+secret, "ftp://127.0.0.1/")
				return err
			},
		},
		{
			"subdomains",
			func(name string) []string { return []string{"add-subdomain", "--name", name} },
			func(name string) []string { return []string{"drop-subdomain", "--name", name} },
			func(name, _ string) error {
				page, err := c.get(name+"."+c.domain, "/")
				if err == nil && strings.Contains(page, " 404 ") {
					err = errors.New(page)
				}
				return err
			},
		},
		{
			"mailing_lists",
			func(name string) []string {
				return []string{"set-list", "--address", "all-" + name, "--members", "somebody@outside.example"}
			},
			func(name string) []string { return []string{"drop-list", "--address", "all-" + name} },
			func(name, _ string) error { return c.letter("all-"+name+"@"+c.domain, "\r\nhello\r\n") },
		},
	}
}

func told(out string, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// letter sends a mail from outside.
func (c *customer) letter(to, text string) error {
	file := filepath.Join(c.t.TempDir(), "letter")
	c.write(file, "Subject: to "+to+"\r\n"+text)
	_, err := c.curl("", "-v", "--mail-from", "friend@outside.example", "--mail-rcpt", to, "-T", file, "smtp://127.0.0.1/")
	return err
}

// limit sets what may be had of each of these properties, and waits until the node has it.
func (c *customer) limit(value int, properties ...string) {
	c.t.Helper()
	var values []string
	for _, p := range properties {
		values = append(values, fmt.Sprintf("%s=%d", p, value))
	}
	c.cli("subscription", "set", c.subscription(), "--pin", "--values", strings.Join(values, ","))
	c.cli("account", "watch", c.domain, "--timeout", "60s")
}

// TestP18_C11_C16_EachLimitIsFollowedByTheNode: what is allowed is served, what is not is refused and served by nobody; more after a raise, and after a lowering nothing is lost
// and nothing grows. Switches and shells the same. Disk space is a matter of the kernel, and tried in a virtual machine (deploy/e2e/metal/hosting).
func TestP18_C11_C16_EachLimitIsFollowedByTheNode(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	w := newScanningWorld(t)
	w.cli("offer", "create", "--name", "Gold", "--kind", "service", "--changeable", "shell,imap,php,virus_scan",
		"--values", "disk_mib=100,traffic_mib=none,mailboxes=1,mailing_lists=1,ftp_logins=1,subdomains=1,databases=1,php=on,imap=off,virus_scan=off,shell=/bin/false,overuse=normal")
	c := w.account("limits.example")
	for _, does := range []struct {
		what string
		do   func()
	}{{"counts", func() { c.counts(c.counted()) }}, {"shrinks", c.shrinks}, {"scans", c.scans}, {"switches", c.switches}, {"shell", c.limitedShell}} {
		begun := time.Now()
		does.do()
		t.Logf("%s took %v", does.what, time.Since(begun).Round(10*time.Millisecond))
	}
}

// counts walks all of them side by side: one of one, two of two, two of one, none of none.
func (c *customer) counts(all []counted) {
	t := c.t
	var properties []string
	for _, n := range all {
		properties = append(properties, n.property)
	}
	refused := func(name string) {
		for _, n := range all {
			if out, err := c.try(c.command(n.add(name))...); err == nil || !strings.Contains(out, "limit") && !strings.Contains(out, n.property) {
				t.Errorf("%s: one more is answered with %q: %v", n.property, out, err)
			}
			if err := n.serves(name, "guess"); err == nil {
				t.Errorf("%s: %s was refused and is served", n.property, name)
			}
		}
	}
	drop := func(name string) {
		for _, n := range all {
			c.cli(c.command(n.drop(name))...)
		}
		c.cli("account", "watch", c.domain, "--timeout", "60s")
	}
	c.addAll(all, "one")
	refused("two")
	c.limit(2, properties...)
	c.addAll(all, "two")
	c.limit(1, properties...) // nothing is lost
	refused("three")
	drop("one")
	drop("two")
	c.limit(0, properties...) // a real zero
	refused("three")
	c.limit(1, properties...)
	c.addAll(all, "last")
}

// addAll adds one of each, and looks whether it is served.
func (c *customer) addAll(all []counted, name string) {
	secrets := map[string]string{}
	for _, n := range all {
		secrets[n.property] = strings.TrimSpace(c.cli(c.command(n.add(name))...))
	}
	if s := secrets["databases"]; s != "" { // with the first one
		c.secret = s
	}
	c.cli("account", "watch", c.domain, "--timeout", "60s")
	for _, n := range all {
		if err := n.serves(name, secrets[n.property]); err != nil {
			c.t.Errorf("%s: %s is allowed and not served: %v", n.property, name, err)
		}
	}
}

// command is what is said to the account.
func (c *customer) command(words []string) []string {
	return append([]string{"account", words[0], c.domain}, words[1:]...)
}

// shrinks is a database over its limit: it can be read and emptied, and does not grow; within the limit again it does.
func (c *customer) shrinks() {
	t := c.t
	ask := func(statement string) error { return told(c.sql(c.secret, c.user+"_last", statement)) }
	c.limit(0, "databases")
	for _, statement := range []string{"insert into t values (2)", "update t set n = 3", "create table u (n int)"} {
		if err := ask(statement); err == nil {
			t.Errorf("over the limit it takes %q", statement)
		}
	}
	for _, statement := range []string{"select * from t", "delete from t"} {
		if err := ask(statement); err != nil {
			t.Errorf("over the limit %q: %v", statement, err)
		}
	}
	c.limit(1, "databases")
	if err := ask("insert into t values (2)"); err != nil {
		t.Errorf("within the limit again: %v", err)
	}
}

// eicar is what every scanner takes for a virus; it is put together here, so that none takes this file for one.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// scans sends a virus to a mailbox with and without scan.
func (c *customer) scans() {
	t := c.t
	virus := "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(eicar)) + "\r\n"
	c.choose("virus_scan=on")
	if err := c.letter("last@"+c.domain, virus); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("with the scan a virus is answered with %v", err)
	}
	if err := c.letter("last@"+c.domain, "\r\nhello\r\n"); err != nil {
		t.Errorf("with the scan a letter is refused: %v", err)
	}
	c.choose("virus_scan=off")
	if err := c.letter("last@"+c.domain, virus); err != nil {
		t.Errorf("without the scan: %v", err)
	}
}

// switches are PHP and IMAP, each turned on and off again.
func (c *customer) switches() {
	t := c.t
	c.change("drop-mailbox", "--address", "last", "--yes")
	box, password := "info@"+c.domain+":", c.change("add-mailbox", "--address", "info")
	for _, value := range []string{"on", "off"} {
		c.choose("imap=" + value)
		if out, err := c.curl(box+password, "imap://127.0.0.1/INBOX?ALL"); (err == nil) != (value == "on") {
			t.Errorf("IMAP is %s and answers %q: %v", value, out, err)
		}
		if out, err := c.curl(box+password, "pop3://127.0.0.1/"); err != nil {
			t.Errorf("IMAP is %s and POP3 answers %q: %v", value, out, err)
		}
	}
	if err := c.upload("htdocs/sum.php", "<?php echo 6 * 7;"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"off", "on"} {
		c.choose("php=" + value)
		page, err := c.get(c.domain, "/sum.php")
		if runs := strings.HasSuffix(page, "\r\n\r\n42"); err != nil || runs != (value == "on") || strings.Contains(page, "<?php") {
			t.Errorf("PHP is %s and the script answers %q: %v", value, page, err)
		}
	}
}

// limitedShell is /bin/shell: processor time and processes are limited, and nobody raises them.
func (c *customer) limitedShell() {
	t := c.t
	if out, err := c.ssh("true"); err == nil {
		t.Errorf("with /bin/false SSH answers %q", out)
	}
	c.choose("shell=/bin/shell")
	if out, err := c.ssh("ulimit -Ht; ulimit -Hu"); err != nil || out != "300\n60" {
		t.Errorf("the limits of processor time and processes are %q: %v", out, err)
	}
	if out, err := c.ssh("ulimit -t 301"); err == nil {
		t.Errorf("more processor time is given: %q", out)
	}
	if out, err := c.ssh("ulimit -t 1; while :; do :; done"); err == nil {
		t.Errorf("a program without processor time goes on: %q", out)
	}
	// sh gives up at once, bash would try again for half a minute
	if out, err := c.ssh(`sh -c 'i=0; while [ $i -lt 100 ]; do sleep 20 >/dev/null 2>&1 & i=$((i+1)); done'`); err == nil || !strings.Contains(out, "Cannot fork") {
		t.Errorf("a hundred processes are answered with %q: %v", out, err)
	}
}

// newScanningWorld is a node that has clamd, with a database of the one signature that it needs, and the limited shell too.
func newScanningWorld(t *testing.T) *world {
	w := prepare(t)
	w.run("install", "-m", "0755", filepath.Join(w.bin, "steelyard-agent"), "/usr/local/sbin/")
	w.run("ln", "-sfn", "/usr/local/sbin/steelyard-agent", "/bin/shell")
	signatures := filepath.Join(w.data, "signatures")
	if err := os.Mkdir(signatures, 0o755); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(signatures, "own.hdb"), "44d88612fea8a8f36de82e1278abb02f:68:Own.Test\n")
	w.run("install", "-d", "-m", "0755", "/run/clamav")
	w.write(filepath.Join(w.data, "clamd.conf"), "Foreground yes\nLocalSocket /run/clamav/clamd.ctl\nDatabaseDirectory "+signatures+"\nTemporaryDirectory "+signatures+"\nUser root\n")
	hostingtest.Start(t, hostingtest.Daemon{Args: []string{hostingtest.Need(t, "clamd"), "-c", filepath.Join(w.data, "clamd.conf")}, Ready: answers("unix", "/run/clamav/clamd.ctl")})
	scan := mail.Scanning()
	w.run("postconf", "-e", scan.Name+" = "+scan.Value)
	w.rise("virus_scan")
	return w
}
