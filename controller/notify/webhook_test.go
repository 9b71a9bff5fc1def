package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// site is a world with a receiver behind real TLS on the loopback interface, and the
// real hand of webhooks.
type site struct {
	*world
	url    string
	roots  *x509.CertPool
	hook   notify.Webhook
	secret string
	event  notify.Delivery
}

func newSite(t *testing.T, receiver http.HandlerFunc) *site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.83.7.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(receiver)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	id := newIdentity(t, "127.83.7.1")
	server.TLS = &tls.Config{Certificates: []tls.Certificate{id.pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	s := &site{world: newWorld(t, memkv.New(memkv.Options{})), url: server.URL, roots: id.roots}
	s.allow(true)
	s.create(s.url + "/in?key=hidden-in-the-url")
	return s
}

func (s *site) allow(private bool) {
	s.change(func(tx *store.Tx) error {
		return store.Settings.Put(tx, store.FleetSettings, store.FleetSetting{WebhookPrivateTargets: private})
	})
}

func (s *site) create(url string) {
	s.t.Helper()
	var err error
	s.world.hookless()
	s.hook, s.secret, _, err = s.intake.CreateWebhook(s.t.Context(), ann, intake.WebhookDraft{Name: "site", URL: url, Events: []string{"*"}})
	if err != nil {
		s.t.Fatal(err)
	}
	e := notify.Event{ID: "evt-1", Type: "task.opened", At: time.Now(), Data: notify.Data{Table: "tasks", ID: "tsk-1", State: "open"}}
	s.event = delivery(notify.ByWebhook, s.hook.ID, "", e)
}

// hookless forgets all webhooks.
func (w *world) hookless() {
	for id := range store.Webhooks.Keys(w.store.Snapshot()) {
		if _, err := w.intake.DeleteWebhook(w.t.Context(), ann, id, intake.AnyRevision); err != nil {
			w.t.Fatal(err)
		}
	}
}

// send makes one real attempt; the receiver's certificate is known only to those who have roots.
func (s *site) send(roots *x509.CertPool) notify.Outcome {
	c := newCaller(Options{Store: s.store, Secrets: s.ring, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Version: "1.2", Roots: roots})
	defer c.client.CloseIdleConnections()
	return c.attempt(s.t.Context(), s.event)
}

// The official library takes what arrives; while the secret changes, by either of the two.
func TestX9_ReceiverChecksTheSignature(t *testing.T) {
	type message struct {
		header http.Header
		body   []byte
	}
	var got []message
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, message{r.Header, body})
		w.WriteHeader(http.StatusNoContent)
	})
	old := s.secret
	if o := s.send(s.roots); !o.OK || o.Status != 204 {
		t.Fatalf("%+v", o)
	}
	_, renewed, _, err := s.intake.RotateWebhook(t.Context(), ann, s.hook.ID)
	if err != nil || renewed == old {
		t.Fatal("the secret did not change", err)
	}
	s.send(s.roots)
	for i, secrets := range [][]string{{old}, {old, renewed}} {
		for _, secret := range secrets {
			oracle, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := oracle.Verify(got[i].body, got[i].header); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
	}
	if h := got[0].header; h.Get("webhook-id") != "evt-1" || h.Get("User-Agent") != "steelyard/1.2" || h.Get("Content-Type") != "application/json" {
		t.Errorf("the headers are %v", h)
	}
	for i := range store.Audit.Items(s.store.Snapshot()) {
		if text := string(i.JSON); strings.Contains(text, "whsec_") || strings.Contains(text, `"box":"`) {
			t.Errorf("the audit log tells a secret: %s", text)
		}
	}
	if raw, _ := store.Webhooks.Item(s.store.Snapshot(), s.hook.ID); strings.Contains(string(raw.JSON), strings.TrimPrefix(old, "whsec_")) {
		t.Error("the secret is stored in clear text")
	}
}

func TestX9_PrivateTargetsNeedTheSetting(t *testing.T) {
	asked := 0
	s := newSite(t, func(http.ResponseWriter, *http.Request) { asked++ })
	s.allow(false)
	if o := s.send(s.roots); o.OK || o.Permanent || asked != 0 || !strings.Contains(o.Error, "webhook-private-targets") {
		t.Errorf("%+v, asked %d times", o, asked)
	}
	s.allow(true)
	s.create(strings.Replace(s.url, "127.83.7.1", "localhost", 1)) // a name is judged by its address
	s.allow(false)
	if o := s.send(s.roots); o.OK || !strings.Contains(o.Error, "webhook-private-targets") {
		t.Errorf("%+v", o)
	}
}

func TestX9_ReceiverIsWhoItSaysItIs(t *testing.T) {
	asked := 0
	s := newSite(t, func(http.ResponseWriter, *http.Request) { asked++ })
	if o := s.send(x509.NewCertPool()); o.OK || asked != 0 || !strings.Contains(o.Error, "certificate") || strings.Contains(o.Error, "hidden-in-the-url") {
		t.Errorf("%+v, asked %d times", o, asked)
	}
}

func TestX6_AnswersMean(t *testing.T) {
	status, location, elsewhere := 0, "", 0
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere++
		}
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
		_, _ = w.Write(make([]byte, 1<<20)) // more than anybody reads
	})
	location = s.url + "/elsewhere"
	for code, want := range map[int]notify.Outcome{200: {OK: true}, 302: {}, 307: {}, 404: {}, 410: {Gone: true}, 429: {}, 500: {}} {
		status = code
		got := s.send(s.roots)
		if got.OK != want.OK || got.Gone != want.Gone || got.Permanent || got.Status != code || (got.Error == "") != want.OK {
			t.Errorf("%d: %+v", code, got)
		}
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed")
	}
	s.change(func(tx *store.Tx) error {
		w, err := store.Webhooks.Get(tx, s.hook.ID)
		w.Disabled = true
		return firstError(err, store.Webhooks.Put(tx, w.ID, w))
	})
	if o := s.send(s.roots); o.OK || !o.Permanent {
		t.Errorf("a disabled webhook: %+v", o)
	}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// A receiver that takes the connection and says nothing is left after ten seconds.
func TestX6_SilentReceiverIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memkv.New(memkv.Options{}))
		w.change(func(tx *store.Tx) error {
			return store.Settings.Put(tx, store.FleetSettings, store.FleetSetting{WebhookPrivateTargets: true})
		})
		hook, _, _, err := w.intake.CreateWebhook(t.Context(), ann, intake.WebhookDraft{Name: "mute", URL: "http://mute/", Events: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
		c := newCaller(Options{Store: w.store, Secrets: w.ring, Now: time.Now})
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		defer there.Close()
		c.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) { return here, nil }
		start := time.Now()
		o := c.attempt(t.Context(), delivery(notify.ByWebhook, hook.ID, "", notify.Event{ID: "evt-1"}))
		if o.OK || time.Since(start) != attemptTime || !strings.Contains(o.Error, "did not answer within 10s") {
			t.Errorf("%+v after %s", o, time.Since(start))
		}
	})
}
