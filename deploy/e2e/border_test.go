package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

// border is where requests to another operator's controller pass. It can be closed, and it can close itself at
// a certain request: after that was answered there, and before the answer arrives here.
type border struct {
	server *httptest.Server
	far    *httputil.ReverseProxy

	mu     sync.Mutex
	closed bool
	trap   string // "POST /v1/orders": method and beginning or end of a path
	sprung chan struct{}
}

func newBorder(t *testing.T, f *fleet) *border {
	t.Helper()
	to, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	quiet := log.New(io.Discard, "", 0)
	b := &border{far: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		ErrorLog:  quiet,
	}}
	b.server = httptest.NewUnstartedServer(b)
	b.server.Config.ErrorLog = quiet
	b.server.StartTLS()
	t.Cleanup(func() { b.set(true); b.server.Close() })
	return b
}

// CA is the certificate of the border, PEM.
func (b *border) CA() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw}))
}

// ServeHTTP lets a request pass, or not.
func (b *border) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	closed, caught := b.closed, b.catches(r)
	if caught {
		b.trap = ""
	}
	b.mu.Unlock()
	if caught {
		b.far.ServeHTTP(httptest.NewRecorder(), r)
		b.set(true)
		close(b.sprung)
	}
	if closed || caught {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
		return
	}
	b.far.ServeHTTP(w, r)
}

func (b *border) catches(r *http.Request) bool {
	method, path, _ := strings.Cut(b.trap, " ")
	return b.trap != "" && r.Method == method && (r.URL.Path == path || strings.HasSuffix(r.URL.Path, path))
}

// cutAt closes the border at the next request of this kind; the channel tells that it did.
func (b *border) cutAt(request string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trap, b.sprung = request, make(chan struct{})
	return b.sprung
}

// set closes the border, with all that is passing, or opens it.
func (b *border) set(closed bool) {
	b.mu.Lock()
	b.closed = closed
	b.mu.Unlock()
	if closed {
		go b.server.CloseClientConnections() // waits for those that pass; the caller may be one
	}
}
