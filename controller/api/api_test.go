package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// house is an API over a store in memory, with a clock that tests turn.
type house struct {
	t     testing.TB
	api   *API
	store *store.Store
	in    *intake.Intake
	ring  *seal.Ring
	kv    kv.KV
	skew  atomic.Int64
	log   *bytes.Buffer
	token map[access.Role]string
}

func newHouse(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	return houseOver(t, memkv.New(memkv.Options{}), change...)
}

func houseOver(t testing.TB, backend kv.KV, change ...func(*Options)) *house {
	t.Helper()
	h := &house{t: t, kv: backend, log: new(bytes.Buffer), token: map[access.Role]string{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	h.store = store.New(h.kv, log)
	h.in = intake.New(h.store, log, h.now)
	h.ring = ringOf(t, h.store)
	h.in.SetRing(h.ring)
	opt := Options{
		Store: h.store, Intake: h.in, Logger: log, Now: h.now, Version: "test", Images: fakeImages{}, Catalogue: match.NewCatalogue(),
		JoinToken: func(id, secret string) string { return "syj1." + id + "." + secret + ".f" },
	}
	for _, f := range change {
		f(&opt)
	}
	h.api = New(opt)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { _ = h.store.Run(ctx); done <- struct{}{} }()
	go func() { _ = h.api.Run(ctx); done <- struct{}{} }()
	t.Cleanup(func() { cancel(); <-done; <-done; h.kv.Close() })
	h.change(func(tx *store.Tx) error {
		for _, role := range access.Roles() {
			secret := access.TokenPrefix + id.Secret()
			h.token[role] = secret
			tok := access.Token{ID: id.New("tok"), Kind: access.TokenAPI, Name: string(role) + " token", Digest: access.Digest(secret), Role: role, CreatedAt: h.now()}
			switch role {
			case access.RoleCustomer:
				tok.Customer = "acme"
			case access.RoleDepartment:
				tok.Department = "dc-ops"
			}
			if err := store.Tokens.Create(tx, tok.ID, tok); err != nil {
				return err
			}
		}
		return nil
	})
	return h
}

// authorityBytes stand for the file of an authority.
type authorityBytes string

func (b authorityBytes) Derive(label string, n int) ([]byte, error) {
	sum := sha256.Sum256([]byte(string(b) + label))
	return sum[:n], nil
}

func ringOf(t testing.TB, s *store.Store) *seal.Ring {
	t.Helper()
	r, err := seal.Open(s, authorityBytes("of the house"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.skew.Load())).UTC() }

func (h *house) pass(d time.Duration) { h.skew.Add(int64(d)) }

// change commits and waits until the API shows it.
func (h *house) change(f func(tx *store.Tx) error) int64 {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	rev, err := h.store.Change(ctx, f)
	if err != nil {
		h.t.Fatalf("change: %v", err)
	}
	if err := h.api.board.wait(ctx, rev); err != nil {
		h.t.Fatalf("wait for revision %d: %v", rev, err)
	}
	return rev
}

type fakeImages struct{}

func (fakeImages) Import(_ context.Context, r io.Reader, m ImageMeta) (image.Image, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return image.Image{}, err
	}
	return image.Image{ImageManifest: protocol.ImageManifest{
		ID: id.New("img"), Name: m.Name, OSFamily: m.OSFamily, Format: m.Format, RawBytes: uint64(len(data)), FileSHA256: access.Digest(string(data)),
	}, CreatedBy: m.Actor}, nil
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("the answer %q is no JSON of %T: %v", a.body, v, err)
	}
}

func (a answer) problem(t testing.TB) Problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("content type %q of %d %s, want application/problem+json", got, a.status, a.body)
	}
	var p Problem
	a.json(t, &p)
	if p.Status != a.status || p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Fatalf("the problem %s of %d is not complete", a.body, a.status)
	}
	return p
}

func (p Problem) names(location string) bool {
	for _, e := range p.Errors {
		if e.Location == location && e.Message != "" {
			return true
		}
	}
	return false
}

// ask sends a request; headers come in pairs.
func (h *house) ask(role access.Role, method, path, body string, headers ...string) answer {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+h.token[role])
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

// must is ask for an admin that insists on a status.
func (h *house) must(status int, method, path, body string, headers ...string) answer {
	h.t.Helper()
	a := h.ask(access.RoleAdmin, method, path, body, headers...)
	if a.status != status {
		h.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

func (h *house) id(a answer) string {
	var v struct{ ID string }
	a.json(h.t, &v)
	if v.ID == "" {
		h.t.Fatalf("no id in %s", a.body)
	}
	return v.ID
}

// addServer stores a server with facts; change may be nil.
func (h *house) addServer(name string, change func(*fleet.Server)) string {
	h.t.Helper()
	s := newServer(name, h.now())
	if change != nil {
		change(&s)
	}
	h.change(func(tx *store.Tx) error {
		if err := store.Servers.Create(tx, s.ID, s); err != nil {
			return err
		}
		return store.Facts.Put(tx, s.ID, factsOf(s))
	})
	return s.ID
}

func newServer(name string, now time.Time) fleet.Server {
	return fleet.Server{
		ID: id.New("srv"), Name: name, Environment: protocol.EnvSimulated, Approval: fleet.Approved, InService: true,
		Claim: fleet.Claim{Kind: fleet.ClaimNone, Since: now}, Cleanliness: fleet.Clean, CreatedAt: now, FreeSince: now, CleanSince: now, ServiceSince: now,
	}
}

func factsOf(s fleet.Server) fleet.Facts {
	c := hardware.Configuration{Arch: "x86_64", CPUModel: "Xeon E5-2650 v4", Sockets: 2, Cores: 24, MemoryBytes: 256 << 30}
	return fleet.Facts{
		Server: s.ID, At: s.CreatedAt, AgentVersion: "1.0", Configuration: c, Key: c.Key(),
		Inventory: hardware.Inventory{Identity: hardware.Identity{MACs: []string{"02:00:" + s.ID[len(s.ID)-8:]}}},
	}
}

func stockOf(h *house) *match.Catalogue { return h.api.opt.Catalogue.(*match.Catalogue) }

func matchServer(id, location string) match.Server {
	return match.Server{ID: id, Location: location, Configuration: hardware.Configuration{Arch: "x86_64", CPUModel: "Xeon E5-2650 v4", Sockets: 2, Cores: 24, MemoryBytes: 256 << 30}}
}
