package e2e

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	fakedriver "github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/execute"
	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/fake"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/rounds"
	"github.com/steelyard/steelyard/agent/simulate/profile"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// meteredDir is the directory of the node that this process is; beside it STEELYARD_CONTROLLERS and STEELYARD_JOIN.
const meteredDir = "STEELYARD_METERED"

// machine is the hardware of the node.
type machine struct{}

func (machine) Inventory(context.Context) hardware.Inventory { return profile.Generate(9, 0) }
func (machine) Sample(*hardware.Sample) error                { return nil }

// meteredNode is an agent whose logs, meter, documents, identity and link are real; only the daemons are not there.
func meteredNode(dir string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	logs := func(name string) string { return filepath.Join(dir, "logs", name) }
	count, err := rounds.Open(rounds.Options{Dir: filepath.Join(dir, "meter"), Logger: log, Logs: meter.Options{
		WWW: logs("traffic.log"), FTP: logs("ftp.log"), SMTP: logs("postfix.log"), IMAP: logs("dovecot.log"),
	}})
	if err != nil {
		return err
	}
	node, err := hosting.New(hosting.Options{Before: count.Before, Dir: filepath.Join(dir, "hosted"), Parts: fake.Parts(), Layout: part.Standard, Logger: log})
	if err != nil {
		return err
	}
	ctx := context.Background()
	go count.Run(ctx, node.Each)
	go node.Run(ctx)
	disks := fakedriver.New(func() hardware.Inventory { return profile.Generate(9, 0) }, fakedriver.NewPages())
	hands := execute.New(journal.InMemory(), execute.Deeds(protocol.EnvSimulated, disks, nil), log)
	session, err := link.New(link.Options{
		Controllers: strings.Split(os.Getenv("STEELYARD_CONTROLLERS"), ","), Join: os.Getenv("STEELYARD_JOIN"), State: link.Dir(filepath.Join(dir, "identity")),
		Source: machine{}, Environment: protocol.EnvSimulated, AgentVersion: "test", BootID: strconv.Itoa(os.Getpid()), Logger: log, InventoryEvery: time.Hour,
		Capabilities: append(execute.Capabilities(protocol.EnvSimulated), protocol.CanHost, protocol.CanMeter), Executor: hands, Host: node, Meter: count.Reporter(),
	})
	if err != nil {
		return err
	}
	return session.Run(ctx)
}

// counted is a node with logs that somebody writes, the controller that it tells, and what was written.
type counted struct {
	client
	t          *testing.T
	rnd        *rand.Rand
	dir        string
	flags      []string
	agents     string
	join       string
	controller *process
	node       *process
	written    time.Time // when a log was written to last: as long ago as a daemon takes to have reopened it
	tenants    []*tenant
	lines      int
}

// tenant is an account and what its customer caused, in bytes.
type tenant struct {
	ID, User, Domain string
	www, ftp, mail   uint64
}

func newCounted(t *testing.T) *counted {
	t.Helper()
	c := &counted{t: t, dir: t.TempDir(), rnd: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3)), written: time.Now().Add(-time.Hour)} //nolint:gosec // whatever happens, the sums must be right
	c.client.t = t
	address := freeAddress(t)
	c.agents = freeAddress(t)
	c.flags = []string{"serve", "--data", filepath.Join(c.dir, "controller"), "--http", address, "--agents", c.agents}
	if err := os.MkdirAll(filepath.Join(c.dir, "node", "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.serves()
	c.furnish()
	return c
}

// serves starts the controller on what is there.
func (c *counted) serves() {
	c.t.Helper()
	c.controller = launch(c.t, "steelyard", nil, c.flags...)
	said := func() string { return c.controller.out.String() }
	eventually(c.t, "the controller is up", func() bool {
		if c.controller.over() {
			c.t.Fatalf("the controller ended: %v", c.controller.err)
		}
		return strings.Contains(said(), "Agents connect to: ")
	})
	c.URL, c.CA = between(said(), "API and metrics: ", " "), between(said(), "authority: ", ")")
	if c.Token == "" {
		eventually(c.t, "the first token is shown", func() bool {
			c.Token = between(said(), "STEELYARD_TOKEN=", "\n")
			return c.Token != ""
		})
	}
}

// lives starts the node's agent.
func (c *counted) lives() {
	c.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	c.node = begin(c.t, exec.Command(exe), []string{meteredDir + "=" + filepath.Join(c.dir, "node"), "STEELYARD_CONTROLLERS=" + c.agents, "STEELYARD_JOIN=" + c.join})
}

func (c *counted) furnish() {
	c.t.Helper()
	c.mustCLI("location", "create", "--name", "Hall", "--external-id", "hall")
	var token struct{ Secret string }
	location := list[server](&c.client, "/v1/locations")[0].ID
	c.must(201, "POST", "/v1/tokens", `{"kind":"join","name":"hall","auto_approve":true,"location":"`+location+`"}`, &token)
	c.join = token.Secret
	c.lives()
	eventually(c.t, "the node is there", func() bool { return len(c.servers()) == 1 })
	id := c.servers()[0].ID
	eventually(c.t, "the node carries accounts", func() bool {
		_, err := c.cli("server", "node", id, "--reason", "shared hosting", "--yes")
		return err == nil
	})
	c.mustCLI("server-group", "create", "--name", "all", "--types", "web,mail,mysql")
	c.mustCLI("server", "set-roles", id, "--role", "web=all,mail=all,mysql=all")
	c.mustCLI("offer", "create", "--name", "Gold", "--kind", "service", "--values", "disk_mib=100,traffic_mib=none,mailboxes=9,mailing_lists=0,ftp_logins=9,subdomains=0,databases=0,imap=on,php=on")
	for i := range 3 {
		domain := fmt.Sprint("shop", i, ".example")
		c.mustCLI("account", "create", "--domain", domain, "--offer", "Gold", "--server", id)
		c.mustCLI("account", "add-mailbox", domain, "--address", "info")
		c.mustCLI("account", "watch", domain)
	}
	c.tenants = list[*tenant](&c.client, "/v1/accounts")
	if len(c.tenants) != 3 {
		c.t.Fatalf("%d accounts", len(c.tenants))
	}
}

func (c *counted) log(name string) string { return filepath.Join(c.dir, "node", "logs", name) }

// writes lets a customer's visitors and mails come, as the daemons of a node log them.
func (c *counted) writes() {
	a, now := c.tenants[c.rnd.IntN(len(c.tenants))], time.Now()
	in, out := 1+c.rnd.Uint64N(5000), 1+c.rnd.Uint64N(1e9)
	c.lines++
	switch c.rnd.IntN(4) {
	case 0:
		c.append("traffic.log", fmt.Sprintf("%s %d.%03d %d %d\n", a.User, now.Unix(), c.lines%1000, in, out))
		a.www += in + out
	case 1:
		c.append("ftp.log", fmt.Sprintf("%d %s RETR 226 %d %d 2 \"success\" \"/x%d\"\n", now.Unix(), a.User, out, c.lines, c.lines))
		a.ftp += out
	case 2:
		c.append("dovecot.log", fmt.Sprintf("%s imap(info@%s)<%d><s%d>: Info: Disconnected: Logged out in=%d out=%d rip=192.0.2.1\n", now.Format("2006-01-02T15:04:05-0700"), a.Domain, c.lines, c.lines, in, out))
		a.mail += in + out
	case 3:
		id := fmt.Sprintf("%X%06X", 10+c.lines%5, c.lines)
		line := func(program, text string, args ...any) string {
			return fmt.Sprintf("%s node postfix/%s[%d]: %s: ", now.Format("Jan _2 15:04:05"), program, c.lines, id) + fmt.Sprintf(text, args...) + "\n"
		}
		c.append("postfix.log", line("submission/smtpd", "client=x.far.test[192.0.2.7], sasl_method=PLAIN, sasl_username=info@%s", a.Domain)+
			line("qmgr", "from=<info@%s>, size=%d, nrcpt=1 (queue active)", a.Domain, in)+
			line("smtp", "to=<x@far.test>, relay=mx.far.test[192.0.2.9]:25, delay=1, delays=0/0/1/0.%d, dsn=2.0.0, status=sent (250 Ok: queued as %d)", c.lines, c.lines))
		a.mail += 2 * in
		c.append("postfix.log", line("qmgr", "removed"))
	}
}

func (c *counted) append(name, text string) {
	f, err := os.OpenFile(c.log(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = f.WriteString(text)
		_ = f.Close()
	}
	c.written = c.written.Add(time.Millisecond)
	if err != nil || os.Chtimes(c.log(name), c.written, c.written) != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
}

// rotate rotates a log: by renaming, and with the agent dead also by copying and emptying. What was rotated before is compressed.
func (c *counted) rotate(name string, copied bool) {
	path := c.log(name)
	for i := 60; i > 0; i-- {
		from, to := fmt.Sprint(path, ".", i), fmt.Sprint(path, ".", i+1)
		_ = os.Rename(from+".gz", to+".gz")
		if os.Rename(from, to) == nil {
			c.compress(to)
		}
	}
	if !copied {
		_ = os.Rename(path, path+".1")
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if os.WriteFile(path+".1", text, 0o640) != nil || os.Chtimes(path+".1", c.written, c.written) != nil || os.Truncate(path, 0) != nil {
		c.t.Fatal("a log cannot be rotated")
	}
}

func (c *counted) compress(path string) {
	text, err := os.ReadFile(path)
	info, err2 := os.Stat(path)
	packed := filepath.Join(c.dir, "packed") // as if at once: half a file beside the whole is what the tests of the meter have
	f, err3 := os.Create(packed)
	if err != nil || err2 != nil || err3 != nil {
		c.t.Fatal(err, err2, err3)
	}
	w := gzip.NewWriter(f)
	_, _ = w.Write(text)
	if w.Close() != nil || f.Close() != nil || os.Chtimes(packed, info.ModTime(), info.ModTime()) != nil || os.Rename(packed, path+".gz") != nil || os.Remove(path) != nil {
		c.t.Fatal("a log cannot be compressed")
	}
}

// shows is what the API has of an account, over all months.
func (c *counted) shows(a *tenant) (www, ftp, mail uint64, gap bool) {
	var v struct {
		Months []struct {
			WWW  uint64 `json:"www_bytes"`
			FTP  uint64 `json:"ftp_bytes"`
			Mail uint64 `json:"mail_bytes"`
			Gap  bool   `json:"gap"`
		}
	}
	got, err := c.try("GET", "/v1/accounts/"+a.ID+"/usage", "")
	if err != nil || got.status != 200 || json.Unmarshal(got.body, &v) != nil {
		return 0, 0, 0, false
	}
	for _, m := range v.Months {
		www, ftp, mail, gap = www+m.WWW, ftp+m.FTP, mail+m.Mail, gap || m.Gap
	}
	return www, ftp, mail, gap
}

// quarters asks the node, through the API, for all quarter-hours of an account: they are the months, class by class.
func (c *counted) quarters(when string) {
	c.t.Helper()
	type bytes struct {
		WWW  uint64 `json:"www_bytes"`
		FTP  uint64 `json:"ftp_bytes"`
		Mail uint64 `json:"mail_bytes"`
	}
	for _, a := range c.tenants {
		var months struct{ Months []struct{ Month string } }
		path := "/v1/accounts/" + a.ID + "/usage"
		if got, err := c.try("GET", path, ""); err != nil || json.Unmarshal(got.body, &months) != nil {
			c.t.Fatal(err)
		}
		var sum, sums bytes
		for _, m := range months.Months {
			var v struct {
				Items []bytes
				Sum   bytes
			}
			for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // until the agent is back
				got, err := c.try("GET", path+"/quarter-hours?month="+m.Month, "")
				if err == nil && got.status == 200 && json.Unmarshal(got.body, &v) == nil {
					break
				}
				if time.Now().After(end) {
					c.t.Fatalf("%s: quarter-hours of %s: %v: %d %s", when, a.Domain, err, got.status, got.body)
				}
			}
			for _, q := range v.Items {
				sum.WWW, sum.FTP, sum.Mail = sum.WWW+q.WWW, sum.FTP+q.FTP, sum.Mail+q.Mail
			}
			sums.WWW, sums.FTP, sums.Mail = sums.WWW+v.Sum.WWW, sums.FTP+v.Sum.FTP, sums.Mail+v.Sum.Mail
		}
		if want := (bytes{a.www, a.ftp, a.mail}); sum != want || sums != want {
			c.t.Errorf("%s: the quarter-hours of %s are %+v, summed up as %+v; written were %+v", when, a.Domain, sum, sums, want)
		}
	}
}

// exact waits until the API has what was written, to the byte.
func (c *counted) exact(when string, gap bool) {
	c.t.Helper()
	for _, a := range c.tenants {
		last := ""
		for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			www, ftp, mail, lost := c.shows(a)
			if www == a.www && ftp == a.ftp && mail == a.mail && lost == gap {
				break
			}
			if last = fmt.Sprintf("%d of its site, %d of FTP, %d of mail, a gap: %v", www, ftp, mail, lost); time.Now().After(end) {
				c.t.Fatalf("%s: %s has %s; written were %d, %d and %d, a gap: %v", when, a.Domain, last, a.www, a.ftp, a.mail, gap)
			}
		}
	}
}

// TestU1_U2_U3_U4_EveryLoggedByteIsInTheAPIOnceWhoeverIsKilled: logs with a known count are written and rotated while the agent and the controller are killed; what was lost is a gap.
func TestU1_U2_U3_U4_EveryLoggedByteIsInTheAPIOnceWhoeverIsKilled(t *testing.T) {
	c := newCounted(t)
	logs := []string{"traffic.log", "ftp.log", "dovecot.log", "postfix.log"}
	for life := range 8 {
		for range 150 {
			if c.writes(); c.rnd.IntN(40) == 0 {
				c.rotate(logs[c.rnd.IntN(len(logs))], false)
			}
			time.Sleep(time.Duration(c.rnd.IntN(4)) * time.Millisecond)
		}
		c.node.kill()
		c.rotate(logs[c.rnd.IntN(len(logs))], true)
		if life%3 == 1 {
			c.controller.kill()
			c.serves()
		}
		c.lives()
	}
	for range 60 { // all logs have lines again
		c.writes()
	}
	c.exact("after all of it", false)
	c.quarters("after all of it")

	c.node.kill() // a whole log goes before it was read
	var read [3]uint64
	for i, a := range c.tenants {
		read[i] = a.www
	}
	for range 30 {
		c.writes()
	}
	if err := os.Remove(c.log("traffic.log")); err != nil {
		t.Fatal(err)
	}
	for i, a := range c.tenants {
		a.www = read[i]
	}
	for range 30 {
		c.writes()
	}
	c.lives()
	c.exact("after a log was lost", true)

	c.controller.kill()
	c.serves()
	c.exact("after the controller was killed, from the node", true)
	c.quarters("after the controller was killed")
	c.node.kill()
	c.controller.stop()
	c.serves()
	c.exact("after all was stopped, from etcd", true)
}
