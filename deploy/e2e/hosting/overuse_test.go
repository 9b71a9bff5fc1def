package hosting

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

const mib = 1 << 20

// TestP18_C20_U6_OveruseIsNoticedAndReleased is overuse from a customer's upload to the controller's decision and back, with homes on a file system whose kernel keeps limits.
func TestP18_C20_U6_OveruseIsNoticedAndReleased(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	w := prepare(t)
	w.limitedHomes()
	w.rise("disk_quota")
	offer := func(name, overuse string) {
		w.cli("offer", "create", "--name", name, "--kind", "service",
			"--values", "disk_mib=8,traffic_mib=none,mailboxes=1,mailing_lists=0,ftp_logins=0,subdomains=1,databases=1,php=off,imap=off,virus_scan=off,shell=/bin/false,overuse="+overuse)
	}
	offer("Gold", "notify")
	blocked := w.account("blocked.example")
	blocked.refusedAtTheLimit()
	offer("Silver", "normal")
	suspended := w.account("suspended.example", "--offer", "Silver")
	suspended.suspendedOverTheLimit()
	blocked.told()
}

// limitedHomes puts homes on a new btrfs with quotas. (ext4 and XFS with quotas are tried in virtual machines: deploy/e2e/metal/hosting.)
func (w *world) limitedHomes() {
	t := w.t
	hostingtest.Need(t, "mkfs.btrfs", "btrfs", "mount")
	image, at := filepath.Join(w.data, "homes"), "/srv/hosting"
	w.write(image, "")
	if err := os.Truncate(image, 512*mib); err != nil {
		t.Fatal(err)
	}
	w.run("mkfs.btrfs", "-q", image)
	w.run("install", "-d", "-m", "0755", at)
	w.run("mount", "-o", "loop,commit=1,nodev,nosuid", image, at)
	t.Cleanup(func() { w.run("umount", "--lazy", at) })
	w.run("btrfs", "quota", "enable", at)
}

// refusedAtTheLimit is rule C20 by FTP: over the limit nothing comes in; after a raise it does, and after a deletion.
func (c *customer) refusedAtTheLimit() {
	t := c.t
	put := func(name string, size int, taken bool) {
		t.Helper()
		if err := c.upload("htdocs/"+name, strings.Repeat("steelyard", size*mib/9+1)); (err == nil) != taken {
			t.Errorf("an upload of %d MiB: %v", size, err)
		}
	}
	put("first", 6, true)
	put("second", 6, false)
	c.delete("htdocs/first")
	put("second", 6, true)
	put("third", 6, false)
	c.limit(16, "disk_mib")
	put("third", 6, true)
	c.limit(8, "disk_mib") // what is there stays
	put("fourth", 1, false)
	if text, err := c.download("htdocs/third"); err != nil || len(text) < 6*mib {
		t.Errorf("over the limit a download has %d bytes: %v", len(text), err)
	}
	c.change("add-mailbox", "--address", "info")
	if password := c.change("add-database", "--name", "shop"); password != "" {
		if out, err := c.sql(password, c.user+"_shop", "create table t (n int); insert into t values (7)"); err != nil {
			t.Errorf("with full homes the database answers %q: %v", out, err)
		}
	}
	if err := c.letter("info@"+c.domain, "\r\n"+strings.Repeat("steelyard\r\n", 10000)); err != nil {
		t.Errorf("with a full home a letter is refused: %v", err) // homes and mail are two things
	}
}

// told: it is known to be over, its owner was told, and deleting brings everything back, with figures of now.
func (c *customer) told() {
	t := c.t
	over := func(want bool) (u use) {
		c.until(fmt.Sprintf("over its limit: %v", want), func() (err error) {
			if u = c.use(); u.Over != want || u.Measured.Total == 0 {
				err = fmt.Errorf("the overview has %+v", u)
			}
			return err
		})
		return u
	}
	over(true)
	if s := c.standing(); len(s.Suspended) > 0 || s.Warned["disk_mib"].Month == "" {
		t.Errorf("the subscription is %+v", s)
	}
	deleted := time.Now().Truncate(time.Second)
	c.delete("htdocs/third")
	u := over(false) // figures are told at once when a limit is passed, else in some minutes
	m := u.Measured
	if m.Home+m.WWW+m.Mail+m.Databases != m.Total || m.WWW != c.du("/srv/hosting/"+c.user+"/htdocs", "/srv/hosting/"+c.user+"/sub") || m.Home+m.WWW != c.du("/srv/hosting/"+c.user) ||
		m.Mail != c.du("/srv/mail/"+c.domain) || m.Databases != c.du("/var/lib/mysql/"+c.user+"_shop") {
		t.Errorf("classes are not what du says, or not the total: %+v", m) // mail and databases lie on the test's layer of memory, where du -x and a walk find no files
	}
	if u.MeasuredAt.Before(deleted) || u.MeasuredAt.After(time.Now()) {
		t.Errorf("deleted at %v, measured at %v", deleted, u.MeasuredAt)
	}
	if err := c.upload("htdocs/fourth", "now"); err != nil {
		t.Errorf("an upload within the limit again: %v", err)
	}
}

// suspendedOverTheLimit is a policy that lets grow and suspends: for disk space and for traffic, until the limit is raised or something is deleted.
func (c *customer) suspendedOverTheLimit() {
	t := c.t
	if err := c.upload("htdocs/large", strings.Repeat("steelyard", 12*mib/9)); err != nil {
		t.Fatalf("growth is stopped: %v", err)
	}
	c.rest() // a new agent looks at all accounts at once, not in some minutes
	c.carry()
	c.serves(false, "12 MiB of 8")
	c.limit(16, "disk_mib")
	c.serves(true, "12 MiB of 16")
	c.limit(8, "disk_mib")
	c.serves(false, "12 MiB of 8 again")
	if err := os.Remove("/srv/hosting/" + c.user + "/htdocs/large"); err != nil {
		t.Fatal(err)
	}
	c.serves(true, "nothing of 8") // the node watches closely what is near a limit, also one that it does not keep

	c.limit(5, "traffic_mib")
	c.serves(false, "12 MiB of traffic, of 5")
	c.limit(50, "traffic_mib")
	c.serves(true, "12 MiB of traffic, of 50")
}

// serves waits until the account is suspended for overuse or no longer, at the controller and on the node.
func (c *customer) serves(want bool, why string) {
	c.t.Helper()
	begun := time.Now()
	defer func() { c.t.Logf("%v until %s was noticed", time.Since(begun).Round(10*time.Millisecond), why) }()
	c.until(why, func() error {
		if s := c.standing(); slices.Contains(s.Suspended, "overuse") == want {
			return fmt.Errorf("the subscription is %+v", s)
		}
		page, err := c.get(c.domain, "/")
		if err == nil && strings.Contains(page, " 503 ") == want {
			err = fmt.Errorf("the site answers %q", page)
		}
		if _, bad := c.download("htdocs/"); err == nil && (bad == nil) != want {
			err = fmt.Errorf("FTP answers %v", bad)
		}
		return err
	})
}

type standing struct {
	Suspended []string
	Warned    map[string]struct{ Month string }
}

func (c *customer) standing() (s standing) {
	c.t.Helper()
	c.json(&s, "subscription", "show", c.subscription())
	return s
}

// use is what the overview has of the account.
type use struct {
	User     string
	Over     bool `json:"over_limit"`
	Measured struct {
		Home      uint64 `json:"home_bytes"`
		WWW       uint64 `json:"www_bytes"`
		Mail      uint64 `json:"mail_bytes"`
		Databases uint64 `json:"databases_bytes"`
		Total     uint64 `json:"total_bytes"`
	}
	MeasuredAt time.Time `json:"measured_at"`
}

func (c *customer) use() (u use) {
	c.t.Helper()
	var all struct{ Items []use }
	c.json(&all, "usage", "storage")
	for _, u := range all.Items {
		if u.User == c.user {
			return u
		}
	}
	return u
}

func (c *customer) delete(path string) {
	c.t.Helper()
	if out, err := c.curl(c.login(), "-Q", "DELE "+path, "ftp://127.0.0.1/", "-o", "/dev/null"); err != nil {
		c.t.Errorf("deleting answers %q: %v", out, err)
	}
}

func (c *customer) du(paths ...string) (sum uint64) {
	c.t.Helper()
	for line := range strings.Lines(c.run("du", append([]string{"-s", "-x", "--block-size=1"}, paths...)...)) {
		n, err := strconv.ParseUint(strings.Fields(line)[0], 10, 64)
		if err != nil {
			c.t.Fatal(err)
		}
		sum += n
	}
	return sum
}
