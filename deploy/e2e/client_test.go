package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// client speaks to one controller, as a program and as a person at the command line.
type client struct {
	t          *testing.T
	URL, Token string
	CA         string // file; "" over plain HTTP
	from       net.IP // address of ours that requests come from; nil: any
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is RFC 9457, as far as it is looked at here.
type problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Name     string `json:"name"`
	} `json:"errors"`
}

func (c *client) http() *http.Client {
	h := &http.Client{Timeout: 15 * time.Second}
	if strings.HasPrefix(c.URL, "https") {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			c.t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		dial := &net.Dialer{}
		if c.from != nil {
			dial.LocalAddr = &net.TCPAddr{IP: c.from}
		}
		h.Transport = &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true, DialContext: dial.DialContext,
		}
	}
	return h
}

// try asks once; header are pairs.
func (c *client) try(method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, c.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return answer{resp.StatusCode, resp.Header, data}, err
}

func (c *client) ask(method, path, body string, header ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// must asks and wants this status.
func (c *client) must(status int, method, path, body string, into any) {
	c.t.Helper()
	a := c.ask(method, path, body)
	if a.status != status {
		c.t.Fatalf("%s %s: %d, want %d: %.600s", method, path, a.status, status, a.body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		c.t.Fatalf("%s %s: %v: %.600s", method, path, err, a.body)
	}
}

// server, order and service are what is looked at of the records.
type server struct {
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Location      string          `json:"location"`
	Environment   string          `json:"environment"`
	Approval      string          `json:"approval"`
	Cleanliness   string          `json:"cleanliness"`
	Operation     string          `json:"operation"`
	Available     bool            `json:"available"`
	Connected     bool            `json:"connected"`
	Reasons       json.RawMessage `json:"reasons"`
	Configuration json.RawMessage `json:"configuration"`
	Claim         struct {
		Kind string `json:"kind"`
		Ref  string `json:"ref"`
	} `json:"claim"`
}

type order struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Message   string `json:"message"`
	Server    string `json:"server"`
	Service   string `json:"service"`
	Operation string `json:"operation"`
}

type page[T any] struct {
	Items []T `json:"items"`
	Total int `json:"total"`
}

func list[T any](c *client, path string) []T {
	c.t.Helper()
	var p page[T]
	c.must(200, "GET", path, "", &p)
	return p.Items
}

func (c *client) servers() []server {
	c.t.Helper()
	return list[server](c, "/v1/servers?all=true")
}

func (c *client) order(id string) (o order) {
	c.t.Helper()
	c.must(200, "GET", "/v1/orders/"+id, "", &o)
	return o
}

// untilFulfilled waits for an order, over restarts of the controller.
func (c *client) untilFulfilled(id string) order {
	c.t.Helper()
	var last answer
	defer func(begun time.Time) { c.t.Logf("%v until order %s", time.Since(begun).Round(time.Second), id) }(time.Now())
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		a, err := c.try("GET", "/v1/orders/"+id, "")
		if err != nil || a.status != 200 {
			continue
		}
		var o order
		if last = a; json.Unmarshal(a.body, &o) == nil && o.State == "fulfilled" {
			return o
		}
	}
	c.t.Fatalf("order %s is not fulfilled: %.2000s\n%s", id, last.body, c.ask("GET", "/v1/operations?all=true", "").body)
	return order{}
}

// cli runs the operator's command and gives what it printed.
func (c *client) cli(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(bin, "steelyard"), args...)
	cmd.Env = append(environment(), "STEELYARD_URL="+c.URL, "STEELYARD_TOKEN="+c.Token, "STEELYARD_CA="+c.CA)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String() + errs.String(), err
}

func (c *client) mustCLI(args ...string) string {
	c.t.Helper()
	out, err := c.cli(args...)
	if err != nil {
		c.t.Fatalf("steelyard %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// place orders by command line and gives the order's id.
func (c *client) place(tariff, image, hostname string) string {
	c.t.Helper()
	var o order
	out := c.mustCLI("order", "place", "--tariff", tariff, "--image", image, "--customer", "ann", "--hostname", hostname, "-o", "json")
	if err := json.Unmarshal([]byte(out), &o); err != nil || o.ID == "" {
		c.t.Fatalf("%v: %s", err, out)
	}
	return o.ID
}
