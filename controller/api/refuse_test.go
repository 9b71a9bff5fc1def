package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

var update = flag.Bool("update", false, "renew golden files")

// TestOpenAPIIsCurrent compares the document with its copy for people and
// generators; make golden renews it.
func TestOpenAPIIsCurrent(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Version = "1" })
	got := h.ask("", "GET", "/v1/openapi.json", "").body
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("openapi.json is not current (%v); run make golden and review the difference", err)
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                     `json:"operationId"`
			Responses   map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(got, &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("the document is %q: %v", doc.OpenAPI, err)
	}
	ids := map[string]string{}
	for path, item := range doc.Paths {
		for method, op := range item {
			if other, twice := ids[op.OperationID]; twice {
				t.Errorf("%s %s and %s are both named %s", method, path, other, op.OperationID)
			}
			ids[op.OperationID] = method + " " + path
			if len(op.Responses) < 2 {
				t.Errorf("%s %s documents no refusals", method, path)
			}
		}
	}
}

// away is a backend that can be cut off.
type away struct {
	kv.KV
	cut atomic.Bool
}

func (a *away) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	if a.cut.Load() {
		return 0, false, fault.Unavailable("etcd cannot be reached")
	}
	return a.KV.Commit(ctx, t)
}

func (a *away) Get(ctx context.Context, key string) (kv.Entry, error) {
	if a.cut.Load() {
		return kv.Entry{}, fault.Unavailable("etcd cannot be reached")
	}
	return a.KV.Get(ctx, key)
}

func (a *away) Read(ctx context.Context, keys []string) ([]kv.Entry, int64, error) {
	if a.cut.Load() {
		return nil, 0, fault.Unavailable("etcd cannot be reached")
	}
	return a.KV.Read(ctx, keys)
}

// Watch ends its stream when the backend is cut off.
func (a *away) Watch(ctx context.Context, prefix string, from int64) (<-chan kv.Batch, error) {
	if a.cut.Load() {
		return nil, fault.Unavailable("etcd cannot be reached")
	}
	in, err := a.KV.Watch(ctx, prefix, from)
	if err != nil {
		return nil, err
	}
	out := make(chan kv.Batch)
	go func() {
		defer close(out)
		for b := range in {
			if a.cut.Load() {
				b = kv.Batch{Err: fault.Unavailable("etcd cannot be reached")}
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
			if b.Err != nil {
				return
			}
		}
	}()
	return out, nil
}

// List fails while the backend is cut off.
func (a *away) List(ctx context.Context, prefix string, opt kv.ListOptions) (kv.Page, error) {
	if a.cut.Load() {
		return kv.Page{}, fault.Unavailable("etcd cannot be reached")
	}
	return a.KV.List(ctx, prefix, opt)
}

func TestReadsGoOnWhileTheStoreIsAway(t *testing.T) {
	backend := &away{KV: memkv.New(memkv.Options{})}
	h := houseOver(t, backend)
	h.must(201, "POST", "/v1/locations", `{"name":"Paris","external_id":"par-1"}`)
	backend.cut.Store(true)
	if _, _, err := backend.KV.Commit(context.Background(), kv.Txn{Ops: []kv.Op{kv.Put("steelyard/tick", nil)}}); err != nil {
		t.Fatal(err) // moves the watch, so that it notices
	}
	for h.store.Stale().IsZero() {
		runtime.Gosched()
	}
	a := h.must(200, "GET", "/v1/locations", "")
	if since, err := time.Parse(time.RFC3339, a.header.Get("X-Steelyard-Stale-Since")); err != nil || time.Since(since) > time.Minute {
		t.Errorf("stale since %q", a.header.Get("X-Steelyard-Stale-Since"))
	}
	if a := h.ask("", "GET", "/readyz", ""); a.status != 503 {
		t.Errorf("ready although the store is away: %d", a.status)
	}
	h.must(200, "GET", "/v1/locations", "")
	for range 2 {
		a := h.must(503, "POST", "/v1/locations", `{"name":"Rome","external_id":"rom-1"}`, "Idempotency-Key", "k")
		if a.problem(t); a.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	backend.cut.Store(false)
	for !h.store.Stale().IsZero() {
		time.Sleep(10 * time.Millisecond) // the store tries again twice a second
	}
	h.must(201, "POST", "/v1/locations", `{"name":"Rome","external_id":"rom-1"}`, "Idempotency-Key", "k")
}

func TestAPanicIsAnAnswer(t *testing.T) {
	seen := &seen{codes: map[string]int{}}
	h := newHouse(t, func(o *Options) {
		o.Observe = seen
		o.Refresh = func(context.Context) error { panic("oh no: secret-detail") }
		o.Catalogue = nil
	})
	p := h.must(500, "POST", "/v1/catalogue/refresh", "").problem(t)
	if strings.Contains(p.Detail, "secret-detail") || !strings.Contains(h.log.String(), "secret-detail") {
		t.Errorf("the answer is %+v, the log %s", p, h.log)
	}
	h.must(503, "GET", "/v1/catalogue", "").problem(t)
	h.ask("", "GET", "/v1/nothing", "")
	if seen.codes["POST /v1/catalogue/refresh"] != 500 || seen.codes["GET /v1/catalogue"] != 503 || seen.codes["GET other"] != 404 {
		t.Errorf("counted: %v", seen.codes)
	}
}

type seen struct {
	mu    sync.Mutex
	codes map[string]int
}

func (s *seen) Request(route, method string, code int, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[method+" "+route] = code
}

func TestOurMistakesAreLoggedAndNotTold(t *testing.T) {
	h := newHouse(t, func(o *Options) {
		o.Refresh = func(context.Context) error { return errors.New("disk 7 of host z") }
	})
	p := h.must(500, "POST", "/v1/catalogue/refresh", "").problem(t)
	if strings.Contains(p.Detail, "disk 7") || !strings.Contains(h.log.String(), "disk 7 of host z") {
		t.Errorf("the answer is %+v, the log %s", p, h.log)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	var broken atomic.Bool
	h := newHouse(t, func(o *Options) {
		o.Ready = func() error {
			if broken.Load() {
				return errors.New("no leader")
			}
			return nil
		}
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) })
	})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200} {
		if a := h.ask("", "GET", path, ""); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	broken.Store(true)
	if a := h.ask("", "GET", "/readyz", ""); a.status != 503 || !strings.Contains(string(a.body), "no leader") {
		t.Errorf("not ready: %d %s", a.status, a.body)
	}
}

func TestX8_RequestIdsAreSane(t *testing.T) {
	h := newHouse(t)
	for given, kept := range map[string]bool{"abc-1.2_Z": true, "": false, "a b": false, "a\nb": false, strings.Repeat("x", 65): false} {
		got := h.ask(access.RoleAdmin, "GET", "/v1/whoami", "", "X-Request-Id", given).header.Get("X-Request-Id")
		if got == "" || (got == given) != kept {
			t.Errorf("request id %q became %q", given, got)
		}
	}
}

func TestLimiterForgetsStrangers(t *testing.T) {
	l := newLimiter(1, 2)
	l.most = 100
	now := time.Unix(0, 0)
	for i := range 1000 {
		l.take(string(rune('a'+i%26))+time.Duration(i).String(), now)
	}
	if len(l.buckets) > 100 {
		t.Errorf("%d buckets are kept", len(l.buckets))
	}
	l.take("k", now)
	l.take("k", now)
	if wait, ok := l.take("k", now); ok || wait <= 0 || wait > time.Second {
		t.Errorf("the third at once: %v, %v", wait, ok)
	}
	if _, ok := l.take("k", now.Add(time.Second)); !ok {
		t.Error("a second later: refused")
	}
}
