package notify

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// post is a world with a real mail server, and the real hand of mail.
type post struct {
	*world
	roots *x509.CertPool
	taken *bufio.Reader // lines of mails that the server took
	draft intake.MailDraft
}

type taken struct {
	From string
	To   []string
	TLS  bool
	User string
	Text string
}

// python is Debian's own, which sees the libraries that Debian installs.
const python = "/usr/bin/python3"

func newPost(t *testing.T, security, address string) *post {
	t.Helper()
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the mail server of the tests is missing: apt-get install python3-aiosmtpd")
		}
		t.Skip("the mail server of the tests is missing: apt-get install python3-aiosmtpd")
	}
	id := newIdentity(t, address)
	server := exec.Command(python, "testdata/smtpd.py", address, security, id.cert, id.key)
	server.Stderr = t.Output()
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := server.StdoutPipe()
	must(t, err)
	must(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	p := &post{world: newWorld(t, memkv.New(memkv.Options{})), roots: id.roots, taken: bufio.NewReader(out)}
	line, err := p.taken.ReadString('\n')
	must(t, err)
	port, err := strconv.Atoi(strings.TrimSpace(line))
	must(t, err)
	password := "mail-password"
	p.draft = intake.MailDraft{Host: address, Port: port, Security: security, User: "steelyard", Password: &password, From: "steelyard@fleet.test", BaseURL: "https://steelyard.test"}
	p.set(p.draft)
	return p
}

func (p *post) set(d intake.MailDraft) {
	p.t.Helper()
	_, err := p.intake.SetMail(p.t.Context(), ann, d)
	must(p.t, err)
}

// send makes one real attempt of a mail about e.
func (p *post) send(to string, e notify.Event) notify.Outcome {
	m := &mailer{Options{Store: p.store, Secrets: p.ring, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Roots: p.roots}}
	return m.attempt(p.t.Context(), delivery(notify.ByMail, "route", to, e))
}

// next is the mail that the server took last.
func (p *post) next() (m taken) {
	p.t.Helper()
	line, err := p.taken.ReadString('\n')
	must(p.t, err)
	must(p.t, json.Unmarshal([]byte(line), &m))
	return m
}

var held = notify.Event{ID: "evt-1", Type: "operation.held", At: time.Unix(1_700_000_000, 0), Data: notify.Data{
	Table: "operations", ID: "opn-1", State: "held", Kind: "install", Message: "the image was not read back: größer", Server: "srv-1", ServerName: "web7",
}}

func TestX6_MailArrivesAtARealServer(t *testing.T) {
	for security, address := range map[string]string{notify.StartTLS: "127.83.7.2", notify.TLS: "127.83.7.3"} {
		t.Run(security, func(t *testing.T) {
			p := newPost(t, security, address)
			if o := p.send("ops@fleet.test", held); !o.OK {
				t.Fatalf("%+v", o)
			}
			got := p.next()
			if !got.TLS || got.User != "steelyard" || got.From != "steelyard@fleet.test" || len(got.To) != 1 || got.To[0] != "ops@fleet.test" {
				t.Errorf("the server took %+v", got)
			}
			msg, err := mail.ReadMessage(strings.NewReader(got.Text))
			must(t, err)
			body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
			must(t, err)
			first := msg.Header.Get("Message-ID")
			if msg.Header.Get("Subject") != "[steelyard] Operation held: install on server web7" || msg.Header.Get("Auto-Submitted") != "auto-generated" || first == "" {
				t.Errorf("the head is %v", msg.Header)
			}
			for _, want := range []string{"steelyard operation retry opn-1", "https://steelyard.test/v1/operations/opn-1", "web7 (srv-1)", "größer"} {
				if !strings.Contains(string(body), want) {
					t.Errorf("the mail lacks %q:\n%s", want, body)
				}
			}
			if strings.Contains(got.Text, "mail-password") {
				t.Error("the mail tells the password (X9)")
			}
			p.send("ops@fleet.test", held) // again, after a crash: whoever reads it can tell
			again, err := mail.ReadMessage(strings.NewReader(p.next().Text))
			must(t, err)
			if again.Header.Get("Message-ID") != first {
				t.Errorf("the same delivery is %s and %s", first, again.Header.Get("Message-ID"))
			}
		})
	}
}

func TestX6_MailServerSaysNo(t *testing.T) {
	p := newPost(t, notify.StartTLS, "127.83.7.4")
	if o := p.send("grey@fleet.test", held); o.OK || o.Permanent || o.Status != 451 {
		t.Errorf("greylisted: %+v", o)
	}
	if o := p.send("grey@fleet.test", held); !o.OK {
		t.Errorf("greylisted, the second time: %+v", o)
	}
	p.next()
	if o := p.send("gone@fleet.test", held); o.OK || !o.Permanent || o.Status != 550 {
		t.Errorf("no such user: %+v", o)
	}
	if o := p.send("spam@fleet.test", held); o.OK || !o.Permanent || o.Status != 554 {
		t.Errorf("refused after the mail: %+v", o)
	}
	if o := p.send("cut@fleet.test", held); o.OK || o.Permanent {
		t.Errorf("cut in the middle of the mail: %+v", o)
	}
	if o := p.send("cut@fleet.test", held); !o.OK {
		t.Errorf("after a cut: %+v", o)
	}
	if got := p.next(); got.To[0] != "cut@fleet.test" {
		t.Errorf("the server took %+v", got)
	}
}

// What is wrong with the server is repaired by a person while the mail waits: never final,
// and never a reason to do without protection.
func TestX9_MailServerIsNotTrustedBlindly(t *testing.T) {
	p := newPost(t, notify.StartTLS, "127.83.7.5")
	wrong := "not the password"
	d := p.draft
	d.Password = &wrong
	p.set(d)
	if o := p.send("ops@fleet.test", held); o.OK || o.Permanent || strings.Contains(o.Error, wrong) {
		t.Errorf("a wrong password: %+v", o)
	}
	p.set(p.draft)
	p.roots = x509.NewCertPool()
	if o := p.send("ops@fleet.test", held); o.OK || o.Permanent || !strings.Contains(o.Error, "certificate") {
		t.Errorf("an unknown certificate: %+v", o)
	}
	d = p.draft
	d.Port = 1
	p.set(d)
	if o := p.send("ops@fleet.test", held); o.OK || o.Permanent {
		t.Errorf("nobody there: %+v", o)
	}
	d = intake.MailDraft{Host: p.draft.Host, Port: p.draft.Port, Security: p.draft.Security, User: p.draft.User, From: p.draft.From}
	if _, err := p.intake.SetMail(t.Context(), ann, d); err == nil {
		t.Error("the password of one server was kept for another")
	}
	item, _ := store.MailServers.Item(p.store.Snapshot(), store.TheMailServer)
	if strings.Contains(string(item.JSON), "mail-password") {
		t.Error("the password is stored in clear text")
	}
	if o := (&mailer{Options{Store: newWorld(t, memkv.New(memkv.Options{})).store}}).attempt(t.Context(), notify.Delivery{To: "a@b.test"}); !o.Permanent || o.OK {
		t.Errorf("no mail server: %+v", o)
	}
}
