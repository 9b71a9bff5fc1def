package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/id"
)

const (
	clientSecret = "the-client-secret"
	verifier     = "a verifier of which only its digest travels before the end"
	back         = "http://127.0.0.1:9/done" // where nobody listens: the browser stops there
)

// people of the provider, and their groups.
type people struct {
	*storage.Storage
	mu     sync.Mutex
	groups []string
}

func (p *people) in(groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups = groups
}

// SetUserinfoFromToken tells the groups too, as providers do.
func (p *people) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin)
	info.AppendClaims("groups", p.groups)
	return err
}

type one struct{}

var kim = &storage.User{ID: "subject-1", Username: "kim", Password: "at-the-provider", Email: "kim@example.net", EmailVerified: true}

func (one) GetUserByID(id string) *storage.User {
	if id == kim.ID {
		return kim
	}
	return nil
}

func (one) GetUserByUsername(name string) *storage.User {
	if name == kim.Username {
		return kim
	}
	return nil
}

func (one) ExampleClientID() string { return "service" }

// place is a controller and a provider.
type place struct {
	t        *testing.T
	people   *people
	provider *httptest.Server
	door     *httptest.Server
	store    *store.Store
	kv       kv.KV
	in       *intake.Intake
	admin    string
}

type fixed struct{}

func (fixed) Derive(label string, n int) ([]byte, error) {
	sum := sha256.Sum256([]byte(label))
	return sum[:n], nil
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, kv: memkv.New(memkv.Options{}), admin: access.TokenPrefix + id.Secret()}
	log := slog.New(slog.DiscardHandler)
	var outer, inner http.Handler
	p.door = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(w, r) }))
	p.provider = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { outer.ServeHTTP(w, r) }))
	p.provider.StartTLS()
	client := storage.WebClient("steelyard", clientSecret, p.door.URL+"/v1/oidc/callback")
	p.people = &people{Storage: storage.NewStorageWithClients(one{}, map[string]*storage.Client{"steelyard": client})}
	outer = exampleop.SetupServer(p.provider.URL, p.people, nil, false)
	p.store = store.New(p.kv, log)
	p.in = intake.New(p.store, log, time.Now)
	ring, err := seal.Open(p.store, fixed{})
	p.must(err)
	p.in.SetRing(ring)
	roots := x509.NewCertPool()
	roots.AddCert(p.provider.Certificate())
	a := api.New(api.Options{Store: p.store, Intake: p.in, Logger: log, Now: time.Now, Version: "test", Roots: roots})
	inner = a
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.store.Run(ctx) })
	running.Go(func() { _ = a.Run(ctx) })
	t.Cleanup(func() { p.provider.Close(); p.door.Close(); cancel(); running.Wait(); p.kv.Close() })
	p.must(p.store.Ready(ctx))
	_, err = p.store.Change(ctx, func(tx *store.Tx) error {
		tok := access.Token{ID: id.New("tok"), Kind: access.TokenAPI, Name: "root", Digest: access.Digest(p.admin), Role: access.RoleAdmin, CreatedAt: time.Now()}
		return store.Tokens.Create(tx, tok.ID, tok)
	})
	p.must(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if status, _ := p.ask("GET", "/v1/whoami", p.admin, ""); status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the API does not come up")
		}
	}
	p.expect(200, "PUT", "/v1/settings", `{"require_confirmed_email":false,"public_url":"`+p.door.URL+`"}`)
	p.expect(200, "PUT", "/v1/provider", `{"issuer":"`+p.provider.URL+`","client_id":"steelyard","client_secret":"`+clientSecret+`","scopes":["profile","email"],
		"groups_claim":"groups","groups":[{"group":"infra","role":"systems"},{"group":"noc","role":"operations"}]}`)
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) ask(method, path, token, body string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.door.URL+path, strings.NewReader(body))
	p.must(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	p.must(err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	p.must(err)
	return a.StatusCode, string(text)
}

func (p *place) expect(status int, method, path, body string) string {
	p.t.Helper()
	got, text := p.ask(method, path, p.admin, body)
	if got != status {
		p.t.Fatalf("%s %s: %d %s", method, path, got, text)
	}
	return text
}

// browser is a person's.
func (p *place) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	p.must(err)
	roots := x509.NewCertPool()
	roots.AddCert(p.provider.Certificate())
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	p.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: t, Timeout: 30 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), back) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// begin goes to the provider's page and returns its form's id.
func (p *place) begin(b *http.Client) string {
	p.t.Helper()
	a, err := b.Get(p.door.URL + "/v1/oidc/login?" + url.Values{"return": {back}, "challenge": {challenge()}}.Encode())
	p.must(err)
	defer a.Body.Close()
	if !strings.HasPrefix(a.Request.URL.String(), p.provider.URL+"/login/") {
		text, _ := io.ReadAll(a.Body)
		p.t.Fatalf("the browser is at %s: %s", a.Request.URL, text)
	}
	return a.Request.URL.Query().Get("authRequestID")
}

// login fills in the form and returns where the browser ends, and what it sees there.
func (p *place) login(b *http.Client, form string) (*url.URL, int, string) {
	p.t.Helper()
	a, err := b.PostForm(p.provider.URL+"/login/username", url.Values{"username": {kim.Username}, "password": {kim.Password}, "id": {form}})
	p.must(err)
	defer a.Body.Close()
	text, _ := io.ReadAll(a.Body)
	at := a.Request.URL
	if to, err := a.Location(); err == nil {
		at = to
	}
	return at, a.StatusCode, string(text)
}

// enter logs kim in and returns the session.
func (p *place) enter() (s api.Session) {
	p.t.Helper()
	b := p.browser()
	at, status, text := p.login(b, p.begin(b))
	code := at.Query().Get("code")
	if !strings.HasPrefix(at.String(), back) || code == "" {
		p.t.Fatalf("the browser ends at %s: %d %s", at, status, text)
	}
	if status, _ := p.ask("GET", "/v1/whoami", code, ""); status != 401 {
		p.t.Errorf("the code in the address opens the API: %d", status)
	}
	if status, _ := p.ask("POST", "/v1/oidc/session", "", `{"code":"`+code+`","verifier":"another"}`); status != 403 {
		p.t.Errorf("somebody else exchanged the code: %d", status)
	}
	status, text = p.ask("POST", "/v1/oidc/session", "", `{"code":"`+code+`","verifier":"`+verifier+`"}`)
	if status != 200 {
		p.t.Fatalf("exchange: %d %s", status, text)
	}
	p.must(json.Unmarshal([]byte(text), &s))
	if status, _ := p.ask("POST", "/v1/oidc/session", "", `{"code":"`+code+`","verifier":"`+verifier+`"}`); status != 403 {
		p.t.Errorf("the code was exchanged twice: %d", status)
	}
	return s
}

func TestX7_LoginThroughARealProvider(t *testing.T) {
	p := newPlace(t)
	// a user of the fleet with the same name and address is somebody else
	p.expect(201, "POST", "/v1/users", `{"name":"kim","email":"kim@example.net","role":"marketing","password":"correct horse battery"}`)
	p.people.in("everybody", "noc")
	first := p.enter()
	if first.User.Role != access.RoleOperations || first.User.Name == "kim" || first.User.Email != "kim@example.net" {
		t.Errorf("%+v", first.User)
	}
	if status, text := p.ask("GET", "/v1/whoami", first.Token, ""); status != 200 || !strings.Contains(text, `"operations"`) {
		t.Errorf("%d %s", status, text)
	}
	p.people.in("infra", "noc")
	if second := p.enter(); second.User.ID != first.User.ID || second.User.Role != access.RoleSystems {
		t.Errorf("the second time: %+v", second.User)
	}
	if status, _ := p.ask("POST", "/v1/login", "", `{"name":"`+first.User.Name+`","password":""}`); status != 401 {
		t.Errorf("a login without password: %d", status)
	}
	p.expect(409, "PUT", "/v1/users/"+first.User.ID+"/password", `{"password":"correct horse battery"}`)

	p.people.in("everybody")
	b := p.browser()
	if at, status, text := p.login(b, p.begin(b)); status != 403 || !strings.Contains(text, "none of your groups") {
		t.Errorf("without a group: at %s, %d %s", at, status, text)
	}
	if status, _ := p.ask("GET", "/v1/whoami", first.Token, ""); status != 401 {
		t.Errorf("an open login of who lost his groups: %d", status)
	}
	p.people.in("noc")
	p.expect(200, "POST", "/v1/users/"+first.User.ID+"/disable", "")
	b = p.browser()
	if _, status, text := p.login(b, p.begin(b)); status != 403 || !strings.Contains(text, "kept out") {
		t.Errorf("disabled: %d %s", status, text)
	}
	list, err := p.kv.List(t.Context(), "", kv.ListOptions{From: "\x00"})
	p.must(err)
	for _, e := range list.Entries {
		if strings.Contains(string(e.Value), clientSecret) || strings.Contains(string(e.Value), verifier) {
			t.Errorf("X9: %s holds a secret", e.Key)
		}
	}
	if shown := p.expect(200, "GET", "/v1/provider", ""); strings.Contains(shown, clientSecret) || !strings.Contains(shown, `"client_secret_set":true`) {
		t.Errorf("shown: %s", shown)
	}
}

// A login ends in the browser that began it, with the state that we made, and the code goes nowhere else.
func TestX7_LoginThroughAProviderIsBoundToItsBrowser(t *testing.T) {
	p := newPlace(t)
	p.people.in("noc")
	mine, other := p.browser(), p.browser()
	form := p.begin(mine)
	if _, status, text := p.login(other, form); status != 403 || !strings.Contains(text, "in this browser") {
		t.Errorf("another browser: %d %s", status, text)
	}
	for _, bad := range []string{"https://evil.example.net/", "http://10.0.0.1/", p.door.URL + ".evil.example.net/", "http://127.0.0.1@evil.example.net/", "javascript:alert(1)", ""} {
		status, text := p.ask("GET", "/v1/oidc/login?"+url.Values{"return": {bad}, "challenge": {"short"}}.Encode(), "", "")
		if status != 422 || !strings.Contains(text, "query.return") || !strings.Contains(text, "query.challenge") {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	for _, state := range []string{"", ".", "e30.", strings.Repeat("x", 5000)} {
		if status, _ := p.ask("GET", "/v1/oidc/callback?"+url.Values{"state": {state}, "code": {"x"}}.Encode(), "", ""); status != 403 {
			t.Errorf("state %.10q: %d", state, status)
		}
	}
}

func TestX7_ProviderDownLeavesPasswords(t *testing.T) {
	p := newPlace(t)
	p.expect(201, "POST", "/v1/users", `{"name":"lee","role":"marketing","password":"correct horse battery"}`)
	p.provider.Close()
	status, text := p.ask("GET", "/v1/oidc/login?"+url.Values{"return": {back}, "challenge": {challenge()}}.Encode(), "", "")
	if status != 503 || !strings.Contains(text, "cannot be reached") {
		t.Errorf("%d %s", status, text)
	}
	if status, text := p.ask("POST", "/v1/login", "", `{"name":"lee","password":"correct horse battery"}`); status != 200 {
		t.Errorf("with a password: %d %s", status, text)
	}
}
