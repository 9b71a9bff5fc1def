package metal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
)

// agents is where agents connect to the controller.
const agents = rack.Address + ":8443"

// controller is one `steelyard serve` in a rack.
type controller struct {
	t     *testing.T
	rack  *rack.Rack
	data  string
	more  []string // flags
	token string
	http  *http.Client
	*process
}

// newController starts one.
func newController(t *testing.T, r *rack.Rack, more ...string) *controller {
	t.Helper()
	c := &controller{t: t, rack: r, data: t.TempDir(), more: more}
	c.serve()
	eventually(t, "the controller has made its first account", func() bool {
		c.token = between(c.out.String(), "STEELYARD_TOKEN=", "\n")
		return c.token != ""
	})
	return c
}

// serve starts the process, the first time or again.
func (c *controller) serve() {
	c.t.Helper()
	dir, err := bin()
	if err != nil {
		c.t.Fatal(err)
	}
	args := append([]string{"serve", "--data", c.data, "--http", "127.0.0.1:8080", "--agents", agents, "--advertise", rack.Address}, c.more...)
	c.process = launch(c.t, c.rack.Command(filepath.Join(dir, "steelyard"), args...))
	eventually(c.t, "the controller answers", func() bool {
		if c.over() {
			c.t.Fatalf("the controller ended: %s", c.out.String())
		}
		return strings.Contains(c.out.String(), "Agents connect to: ")
	})
	ca, err := os.ReadFile(between(c.out.String(), "authority: ", ")"))
	if err != nil {
		c.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if c.http != nil { // the same authority
		return
	}
	c.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: c.rack.Dial, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
}

type object = map[string]any

// try asks; the status is 0 when there was no answer.
func (c *controller) try(method, path string, body, into any) (status int, text string) {
	return c.tryWith(nil, method, path, body, into)
}

// tryWith is try with more header fields.
func (c *controller) tryWith(header map[string]string, method, path string, body, into any) (status int, text string) {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, "https://127.0.0.1:8080"+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && into != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(answer)
}

// must asks, and is answered. A controller that is just being started again is waited for.
func (c *controller) must(method, path string, body, into any) {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		status, text := c.try(method, path, body, into)
		switch away := status == 0 && (method == "GET" || strings.Contains(text, "connection refused")); {
		case status >= 200 && status <= 299:
			return
		case !away || time.Now().After(end):
			c.t.Fatalf("%s %s: %d %.1000s", method, path, status, text)
		}
	}
}
