package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/pkg/fault"
)

// TestMain: whatever a controller starts has ended when it is closed. etcd keeps a few
// goroutines of its libraries for the life of the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

func options(t *testing.T, dir string) Options {
	t.Helper()
	return Options{Data: dir, HTTP: "127.0.0.1:0", Agents: "127.0.0.1:0", Version: "test", Logger: slog.New(slog.DiscardHandler)}
}

// running serves on dir until stop is called, which says what Serve returned.
func running(t *testing.T, o Options) (said string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out lines
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, o, &out) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "Agents connect to"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) || len(ended) > 0 {
			t.Fatalf("the controller is not up: %v %s", stop(), out.String())
		}
	}
	return out.String(), stop
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestX9_TheFirstTokenIsShownOnceAndKeptNowhere(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var out lines
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, options(t, dir), &out) }()
	var secret string
	for end := time.Now().Add(time.Minute); secret == ""; time.Sleep(10 * time.Millisecond) {
		_, after, _ := strings.Cut(out.String(), "STEELYARD_TOKEN=")
		if line, _, whole := strings.Cut(after, "\n"); whole {
			secret = line
		}
		if time.Now().After(end) {
			t.Fatalf("no token was shown: %s", out.String())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s holds the token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if said, stop := running(t, options(t, dir)); stop() != nil {
		t.Errorf("the second start did not end well and said %s", said)
	}
	state, err := OpenState(t.Context(), options(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	if tokens, err := state.Keys(t.Context(), "tokens/", 10); err != nil || len(tokens) != 1 {
		t.Errorf("two starts made the tokens %v, %v", tokens, err)
	}
}

func TestX1_TheAPIHasACertificateOfTheFleetsAuthority(t *testing.T) {
	dir := t.TempDir()
	said, stop := running(t, options(t, dir))
	_, after, _ := strings.Cut(said, "API and metrics: ")
	url, _, _ := strings.Cut(after, " ")
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	for _, c := range []struct {
		roots *x509.CertPool
		ok    bool
	}{{pool, true}, {x509.NewCertPool(), false}} {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}}}
		resp, err := client.Get(url + "/readyz")
		if (err == nil) != c.ok {
			t.Fatalf("with the fleet's authority %v: %v", c.ok, err)
		}
		if err == nil {
			if _, _ = io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK {
				t.Errorf("readyz: %d", resp.StatusCode)
			}
			resp.Body.Close()
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestStartsThatCannotSucceedSayWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := t.TempDir()
	other, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(busy, "state"), Test: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(o *Options)
		kind   fault.Kind
		says   string
	}{
		"address taken":         {func(o *Options) { o.HTTP = taken.Addr().String() }, fault.KindUnavailable, "cannot listen"},
		"agent address taken":   {func(o *Options) { o.Agents = taken.Addr().String() }, fault.KindUnavailable, "agents cannot be awaited"},
		"directory in use":      {func(o *Options) { o.Data = busy }, fault.KindUnavailable, "in use by another process"},
		"directory is a file":   {func(o *Options) { o.Data = file }, fault.KindUnavailable, "data directory"},
		"certificate not there": {func(o *Options) { o.TLSCert, o.TLSKey = "/no/such/cert", "/no/such/key" }, fault.KindInvalid, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, t.TempDir())
			c.change(&o)
			err := Serve(t.Context(), o, io.Discard)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v", err)
			}
		})
	}
}

// Data of a version to come is not touched: this program would lose what it does not know.
func TestDataOfANewerVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	e, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(dir, "state"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.EnsureSchema(t.Context(), e.KV(), schemaVersion+1, nil); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), options(t, dir), io.Discard); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "newer") {
		t.Fatalf("%v", err)
	}
}

func TestOnlyLoopbackIsServedWithoutTLS(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:80": true, "[::1]:80": true,
		":8080": false, "0.0.0.0:80": false, "192.0.2.1:80": false, "nonsense": false,
	} {
		if loopback(addr) != want {
			t.Errorf("%s: loopback is %v", addr, !want)
		}
	}
}
