package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen is one request that the fake controller got.
type seen struct {
	method, path, query, body string
	header                    http.Header
}

// fake answers requests by method and path: one answer after the other, the last
// one again and again.
type fake struct {
	mu      sync.Mutex
	answers map[string][]answer
	got     []seen
	url     string
}

type answer struct {
	status int
	body   string
	header map[string]string
}

func ok(body string) answer { return answer{status: http.StatusOK, body: body} }

func problem(status int, kind, detail string, fields ...string) answer {
	var errs []string
	for _, f := range fields {
		location, message, _ := strings.Cut(f, " ")
		errs = append(errs, fmt.Sprintf(`{"location":%q,"message":%q}`, location, message))
	}
	body := fmt.Sprintf(`{"type":"urn:steelyard:problem:%s","title":"t","status":%d,"detail":%q,"errors":[%s]}`, kind, status, detail, strings.Join(errs, ","))
	return answer{status: status, body: body, header: map[string]string{"Content-Type": "application/problem+json", "X-Request-Id": "req-1"}}
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{answers: map[string][]answer{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fake) on(request string, answers ...answer) *fake {
	f.answers[request] = answers
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, seen{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
	key := r.Method + " " + r.URL.Path
	list := f.answers[key]
	if len(list) == 0 {
		list = []answer{problem(http.StatusNotFound, "not_found", "no route "+key)}
	}
	if len(list) > 1 {
		f.answers[key] = list[1:]
	}
	a := list[0]
	w.Header().Set("Content-Type", "application/json")
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// requests are those of a method and path.
func (f *fake) requests(request string) (list []seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.got {
		if s.method+" "+s.path == request {
			list = append(list, s)
		}
	}
	return list
}

// result of one command.
type result struct {
	status   int
	out, err string
}

var clock = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// steelyard runs a command against the fake, with a token in the environment.
func (f *fake) steelyard(t *testing.T, args ...string) result {
	t.Helper()
	return runWith(t, map[string]string{"STEELYARD_URL": f.url, "STEELYARD_TOKEN": "tok-secret"}, "", Hooks{}, args...)
}

func runWith(t *testing.T, env map[string]string, stdin string, hooks Hooks, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	config := env["config"]
	if config == "" {
		config = t.TempDir()
	}
	status := run(t.Context(), world{
		args: args, in: strings.NewReader(stdin), out: &out, err: &errs, config: config, hooks: hooks,
		lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		now:    func() time.Time { return clock },
		pause:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	return result{status, out.String(), errs.String()}
}

func (r result) want(t *testing.T, status int, out, err string) {
	t.Helper()
	if r.status != status || r.out != out || r.err != err {
		t.Errorf("status %d, want %d\nout: %q\nwant %q\nerr: %q\nwant %q", r.status, status, r.out, out, r.err, err)
	}
}

func (r result) contains(t *testing.T, status int, out, err string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.out, out) || !strings.Contains(r.err, err) {
		t.Errorf("status %d, want %d\nout: %q\nlacks %q\nor err: %q\nlacks %q", r.status, status, r.out, out, r.err, err)
	}
}

func body(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("body %q: %v", text, err)
	}
	return m
}
