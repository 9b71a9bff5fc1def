package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/outward"
)

// Limits of what is asked.
const (
	patience  = 15 * time.Second // for one answer, from the first byte sent to the last one read
	maxAnswer = 4 << 20          // bytes
	abreast   = 8                // requests to one backend at a time
	userAgent = "steelyard-controller"
)

// Observer is told of every request, for metrics. Outcome is "ok" or a kind of fault.
type Observer interface {
	RemoteRequest(outcome string)
}

// Client speaks to one backend. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	token   logging.Secret
	http    *http.Client
	gate    chan struct{}
	observe Observer
}

// transport reaches backends over the network.
func transport(ca string, private func() bool) (http.RoundTripper, error) {
	t := &http.Transport{
		DialContext:            outward.Dialer(patience, private).DialContext,
		TLSHandshakeTimeout:    patience,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    abreast,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
	if ca == "" {
		return t, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ca)) {
		return nil, fault.Invalid("the module's ca holds no certificate")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// newClient contacts nobody.
func newClient(address string, token logging.Secret, t http.RoundTripper, o Observer) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil {
		return nil, fault.Invalid("the address %.100q is not usable", address)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: base, token: token, http: &http.Client{Transport: t, CheckRedirect: stay}, gate: make(chan struct{}, abreast), observe: o}, nil
}

// with is the client of somebody else at the same backend.
func (c *Client) with(token logging.Secret) *Client {
	other := *c
	other.token = token
	return &other
}

func (c *Client) close() { c.http.CloseIdleConnections() }

// ask sends one request and decodes the answer into out, unless that is nil.
func (c *Client) ask(ctx context.Context, method, path, key string, body, out any) error {
	err := c.send(ctx, method, path, key, body, out)
	if c.observe != nil {
		outcome := "ok"
		if err != nil {
			outcome = string(fault.KindOf(err))
		}
		c.observe.RemoteRequest(outcome)
	}
	return err
}

func (c *Client) send(ctx context.Context, method, path, key string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case c.gate <- struct{}{}:
		defer func() { <-c.gate }()
	case <-ctx.Done():
		return fault.Unavailable("%s has too much to answer: %w", c.base.Host, ctx.Err())
	}
	req, err := c.request(ctx, method, path, key, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fault.Unavailable("the answer of %s ended early: %w", c.base.Host, err)
	case len(text) > maxAnswer:
		return fault.Unavailable("%s answers more than %d MiB", c.base.Host, maxAnswer>>20)
	case res.StatusCode >= 300 || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && out != nil:
		return c.refusal(res, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fault.Unavailable("%s does not answer as a Steelyard controller does", c.base.Host)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path, key string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fault.Internal("write a request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, content)
	if err != nil {
		return nil, fault.Internal("make a request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.token))
	}
	return req, nil
}
