package remote

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// backend is a scripted controller behind real TLS.
type backend struct {
	answers map[string]any // by "METHOD path": a status with a problem, or an object
	seen    []string
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Method + " " + r.URL.Path
	body, _ := io.ReadAll(r.Body)
	b.seen = append(b.seen, name+" "+string(body))
	switch a := b.answers[name].(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
	case int:
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Location", "https://127.0.0.1:1/elsewhere")
		w.WriteHeader(a)
		_, _ = io.WriteString(w, `{"type":"urn:steelyard:problem:x","title":"No","detail":"says no"}`)
	case string:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, a)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a)
	}
}

type module struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	ByServerType bool   `json:"by_server_type"`
}

func good() map[string]any {
	return map[string]any{
		"GET /v1/about":       About{Generation: order.LocalGeneration, Fleet: "far"},
		"POST /v1/login":      map[string]string{"token": "syt_login"},
		"POST /v1/tokens/own": map[string]any{"secret": "syt_own", "expires_at": time.Now().Add(time.Hour)},
		"GET /v1/modules":     map[string]any{"items": []module{{ID: "mod-1", Name: "Hall"}}},
	}
}

func remotesOf(t *testing.T, private bool) *Remotes {
	t.Helper()
	backend := memkv.New(memkv.Options{})
	s := store.New(backend, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; backend.Close() })
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Change(ctx, func(tx *store.Tx) error {
		return store.Settings.Put(tx, store.FleetSettings, store.FleetSetting{RemotePrivateTargets: private})
	}); err != nil {
		t.Fatal(err)
	}
	return New(Options{Store: s, Fleet: "near", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
}

func TestB3_B6_X13_WhatIsWrongAtSetUpNamesItsField(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	many := []module{{ID: "mod-1", Name: "Hall"}, {ID: "mod-2", Name: "Cellar"}}
	for name, c := range map[string]struct {
		change func(a map[string]any, l *Login)
		field  string
		says   string
	}{
		"all is well":        {nil, "", ""},
		"wrong password":     {func(a map[string]any, _ *Login) { a["POST /v1/login"] = 401 }, "password", "says no"},
		"another generation": {func(a map[string]any, _ *Login) { a["GET /v1/about"] = About{Generation: "steelyard/9", Fleet: "far"} }, "location", "steelyard/9"},
		"this very fleet": {func(a map[string]any, _ *Login) {
			a["GET /v1/about"] = About{Generation: order.LocalGeneration, Fleet: "near"}
		}, "url", "this fleet itself"},
		"untrusted certificate": {func(_ map[string]any, l *Login) { l.CA = "" }, "ca", "not known here"},
		"wrong name":            {func(_ map[string]any, l *Login) { l.URL = strings.Replace(l.URL, "127.0.0.1", "localhost", 1) }, "url", "another name"},
		"down":                  {func(_ map[string]any, l *Login) { l.URL = "https://127.0.0.1:1" }, "url", "nobody listens"},
		"not found":             {func(_ map[string]any, l *Login) { l.URL = "https://nowhere.invalid" }, "url", "not found"},
		"a web page":            {func(a map[string]any, _ *Login) { a["GET /v1/about"] = "<html>" }, "url", "not as a Steelyard controller"},
		"an older controller":   {func(a map[string]any, _ *Login) { a["GET /v1/about"] = 404 }, "url", "no Steelyard controller"},
		"a redirection":         {func(a map[string]any, _ *Login) { a["GET /v1/about"] = 307 }, "url", "307"},
		"overloaded":            {func(a map[string]any, _ *Login) { a["POST /v1/login"] = 429 }, "url", "says no"},
		"a role that may less":  {func(a map[string]any, _ *Login) { a["POST /v1/tokens/own"] = 422 }, "username", "says no"},
		"an endless answer":     {func(a map[string]any, _ *Login) { a["GET /v1/about"] = strings.Repeat("x", maxAnswer+10) }, "url", "MiB"},
		"no module":             {func(a map[string]any, _ *Login) { a["GET /v1/modules"] = map[string]any{} }, "remote_module", "no local module"},
		"which module":          {func(a map[string]any, _ *Login) { a["GET /v1/modules"] = map[string]any{"items": many} }, "remote_module", "Hall, Cellar"},
		"by server type": {func(a map[string]any, _ *Login) {
			a["GET /v1/modules"] = map[string]any{"items": []module{{"mod-1", "Hall", true}}}
		}, "by_server_type", "must be on"},
		"named in other case": {func(a map[string]any, l *Login) {
			a["GET /v1/modules"] = map[string]any{"items": many}
			l.Module = "cellar"
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backend{answers: good()}
			server := httptest.NewUnstartedServer(b)
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			server.StartTLS()
			defer server.Close()
			l := Login{
				URL: server.URL, Username: "us@example.org", Password: "correct horse battery", Generation: order.LocalGeneration, Name: "partner",
				CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
			}
			if c.change != nil {
				c.change(b.answers, &l)
			}
			s, err := remotesOf(t, true).Connect(context.Background(), l)
			if c.field == "" {
				if err != nil || s.Token != "syt_own" || s.Fleet != "far" || s.Module == "" {
					t.Fatalf("%v, %+v", err, s)
				}
				return
			}
			f := fault.From(err)
			if f == nil || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != c.field || !strings.Contains(f.Fields[0].Message, c.says) {
				t.Fatalf("want %s … %s, got %v", c.field, c.says, err)
			}
			if strings.Contains(err.Error(), "correct horse") {
				t.Errorf("the error shows the password: %v", err)
			}
			if c.field == "location" || c.field == "ca" {
				for _, s := range b.seen {
					if strings.Contains(s, "correct horse") {
						t.Errorf("the password was sent: %s", s)
					}
				}
			}
		})
	}
}

func TestB6_APrivateAddressIsNotDialledUnlessTheFleetAllowsIt(t *testing.T) {
	b := &backend{answers: good()}
	server := httptest.NewTLSServer(b)
	defer server.Close()
	_, err := remotesOf(t, false).Connect(context.Background(), Login{URL: server.URL, Generation: order.LocalGeneration})
	f := fault.From(err)
	if f == nil || len(f.Fields) != 1 || f.Fields[0].Name != "url" || !strings.Contains(f.Fields[0].Message, "remote-private-targets") || len(b.seen) != 0 {
		t.Fatalf("%v; it saw %v", err, b.seen)
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(409, "application/problem+json", `{"type":"urn:steelyard:problem:refused","title":"No","detail":"says\nno","errors":[{"location":"body.x","message":"y"}]}`)
	f.Add(200, "text/html", "<html>")
	f.Fuzz(func(t *testing.T, status int, kind, text string) {
		c, err := newClient("https://far.example.net", "", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = c.refusal(&http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}}, []byte(text))
		if err == nil || strings.ContainsAny(err.Error(), "\n\r\x00") || len(err.Error()) > maxWords+200 || fault.KindOf(err) == fault.KindInternal {
			t.Errorf("%v", err)
		}
	})
}
