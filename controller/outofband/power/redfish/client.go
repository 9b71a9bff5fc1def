package redfish

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/line"
	"github.com/steelyard/steelyard/pkg/pause"
)

// Limits of one request.
const (
	maxBody   = 4 << 20
	maxHeader = 64 << 10
	patience  = 30 * time.Second // for an answer; some services need ten seconds for a system
	dial      = 5 * time.Second
	maxBusy   = 30 * time.Second // the longest Retry-After that is waited for
	busyTries = 3
)

// Options say how a service is reached.
type Options struct {
	Address            string // https://host[:port]
	Username, Password string
	Pin                string         // SHA-256 of the certificate in hex, "" verifies the chain
	Roots              *x509.CertPool // nil are the system's
}

// Client is logged in to one service.
type Client struct {
	base    *url.URL
	http    *http.Client
	options Options
	session string // path of our session; "" with basic authentication
	token   string // of the session
	login   string // path of the collection of sessions
	basic   bool
	Root    Root
}

// Dial reads the service root and logs in. Faults: invalid (the address or pin), unavailable
// (no answer, busy, no Redfish), refused (credentials; a certificate that nobody has
// accepted, with an [*UnknownCertificate] as cause).
func Dial(ctx context.Context, o Options) (*Client, error) {
	base, err := url.Parse(o.Address)
	if err != nil || base.Scheme != "https" || base.Hostname() == "" || base.User != nil || strings.Trim(base.Path, "/") != "" || base.RawQuery != "" {
		return nil, fault.Invalid("%q is not the address of a Redfish service; write https://host or https://host:port", line.Clean(o.Address))
	}
	config, err := trust(base.Hostname(), o.Pin, o.Roots)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                  nil, // management networks have none, and credentials are for the service
		DialContext:            (&net.Dialer{Timeout: dial}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    dial * 2,
		ResponseHeaderTimeout:  patience,
		MaxResponseHeaderBytes: maxHeader,
		MaxConnsPerHost:        1,
		ForceAttemptHTTP2:      false,
	}
	c := &Client{base: &url.URL{Scheme: "https", Host: base.Host}, options: o, http: &http.Client{Transport: transport, CheckRedirect: sameHost}}
	if err := c.open(ctx); err != nil {
		c.http.CloseIdleConnections()
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx context.Context) error {
	if _, err := c.Get(ctx, "/redfish/v1/", &c.Root); err != nil {
		if fault.Is(err, fault.KindNotFound) {
			return fault.Unavailable("there is no Redfish service at %s: %w", c.base.Host, err)
		}
		return err
	}
	if c.Root.Systems.ID == "" {
		return fault.Unavailable("the service at %s has no systems; is it Redfish?", c.base.Host)
	}
	c.login = c.Root.Links.Sessions.ID
	return c.Login(ctx)
}

// Login opens a session (DSP0266, 13.3.4), or falls back to basic authentication, which
// every service has.
func (c *Client) Login(ctx context.Context) error {
	c.token, c.session, c.basic = "", "", false
	if c.login != "" {
		body := map[string]string{"UserName": c.options.Username, "Password": c.options.Password}
		answer, err := c.do(ctx, http.MethodPost, c.login, body, nil, "")
		switch {
		case err == nil && answer.header.Get("X-Auth-Token") != "":
			c.token = answer.header.Get("X-Auth-Token")
			c.session, _ = c.local(answer.header.Get("Location"))
			return nil
		case StatusOf(err) == http.StatusUnauthorized || StatusOf(err) == http.StatusForbidden || StatusOf(err) == http.StatusBadRequest:
			return fault.Refused("%s does not accept the user name and password; check the credentials and that the account is not locked: %w", c.base.Host, err)
		case err != nil && StatusOf(err) == 0 || fault.Is(err, fault.KindUnavailable):
			return err
		}
	}
	c.basic = true
	var systems Collection
	_, err := c.Get(ctx, c.Root.Systems.ID, &systems)
	if StatusOf(err) == http.StatusUnauthorized || StatusOf(err) == http.StatusForbidden {
		return fault.Refused("%s does not accept the user name and password; check the credentials and that the account is not locked: %w", c.base.Host, err)
	}
	return err
}

// Close ends the session: services keep few. It asks once and does not insist.
func (c *Client) Close() {
	if c.session != "" {
		ctx, cancel := context.WithTimeout(context.Background(), dial)
		defer cancel()
		_, _ = c.once(ctx, http.MethodDelete, c.session, nil, nil, "")
	}
	c.http.CloseIdleConnections()
}

// Get reads a resource into out and returns its ETag.
func (c *Client) Get(ctx context.Context, path string, out any) (etag string, err error) {
	answer, err := c.authorised(ctx, http.MethodGet, path, nil, out, "")
	if err != nil {
		return "", err
	}
	return answer.header.Get("ETag"), nil
}

// Post calls an action.
func (c *Client) Post(ctx context.Context, path string, body any) error {
	_, err := c.authorised(ctx, http.MethodPost, path, body, nil, "")
	return err
}

// Patch changes a resource that was read with an ETag ("" for none). When it changed
// meanwhile (412), or the service wants a tag and got none (428), it is read again. A service that
// then still refuses its own tag cannot match tags at all, and gets none.
func (c *Client) Patch(ctx context.Context, path, etag string, body any) error {
	_, err := c.authorised(ctx, http.MethodPatch, path, body, nil, etag)
	if s := StatusOf(err); s != http.StatusPreconditionFailed && s != http.StatusPreconditionRequired {
		return err
	}
	fresh, err := c.Get(ctx, path, nil)
	if err != nil {
		return err
	}
	if fresh == etag { // it did not change: a weak tag is no match for anybody who is strict (RFC 9110, 13.1.1)
		fresh = strings.TrimPrefix(fresh, "W/")
	}
	_, err = c.authorised(ctx, http.MethodPatch, path, body, nil, fresh)
	if StatusOf(err) == http.StatusPreconditionFailed {
		_, err = c.authorised(ctx, http.MethodPatch, path, body, nil, "")
	}
	return err
}

// authorised is do, with a new login when the session is forgotten.
func (c *Client) authorised(ctx context.Context, method, path string, body, out any, etag string) (*answer, error) {
	a, err := c.do(ctx, method, path, body, out, etag)
	if StatusOf(err) != http.StatusUnauthorized || c.token == "" {
		return a, err
	}
	if err := c.Login(ctx); err != nil {
		return nil, err
	}
	return c.do(ctx, method, path, body, out, etag)
}

// do waits for a busy service.
func (c *Client) do(ctx context.Context, method, path string, body, out any, etag string) (*answer, error) {
	for try := 1; ; try++ {
		a, err := c.once(ctx, method, path, body, out, etag)
		if StatusOf(err) != http.StatusServiceUnavailable || try == busyTries {
			return a, err
		}
		wait := retryAfter(a.header, time.Now())
		if wait > maxBusy {
			return nil, fault.Unavailable("%s is busy for another %s: %w", c.base.Host, wait.Round(time.Second), err)
		}
		if pause.For(ctx, wait) != nil {
			return nil, err
		}
	}
}

// retryAfter is a number of seconds or a date (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	const usual = 2 * time.Second
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < 1<<20 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return usual
}

// answer is what is left of a response.
type answer struct {
	status int
	header http.Header
}

// once sends one request and reads all of its answer.
func (c *Client) once(ctx context.Context, method, path string, body, out any, etag string) (*answer, error) {
	path, ok := c.local(path)
	if !ok {
		return nil, fault.Refused("%s links to another host; that is not followed", c.base.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := c.request(ctx, method, path, body, etag)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	if len(raw) > maxBody {
		return nil, fault.Refused("%s answers %s with more than 4 MiB", c.base.Host, path)
	}
	a := &answer{status: res.StatusCode, header: res.Header}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return a, c.failed(method, path, res.StatusCode, raw)
	}
	if out == nil {
		return a, nil
	}
	var wrongType *json.UnmarshalTypeError // the rest is filled in
	if err := json.Unmarshal(raw, out); err != nil && !errors.As(err, &wrongType) {
		return nil, fault.Refused("%s answers %s with something that is not a Redfish resource: %w", c.base.Host, path, err)
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, method, path string, body any, etag string) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fault.Internal("encode a request: %w", err)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, reader)
	if err != nil {
		return nil, fault.Refused("%s links to something that is no address: %w", c.base.Host, err)
	}
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if etag != "" {
		req.Header.Set("If-Match", etag)
	}
	switch {
	case c.token != "":
		req.Header.Set("X-Auth-Token", c.token)
	case c.basic:
		req.SetBasicAuth(c.options.Username, c.options.Password)
	}
	return req, nil
}

// local reduces a link to the path and query on this host. A fragment names a part of
// the resource and is dropped.
func (c *Client) local(link string) (string, bool) {
	u, err := url.Parse(link)
	if err != nil || u.User != nil || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	if u.Host != "" && (u.Host != c.base.Host || u.Scheme != "https") || strings.HasPrefix(u.Path, "//") {
		return "", false
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String(), true
}

// sameHost lets a service redirect within itself.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return errElsewhere
	}
	if len(via) > 3 || req.Method != via[0].Method {
		return errors.New("too many redirects")
	}
	return nil
}

var errElsewhere = errors.New("the service redirects to another host; that is not followed")

// unreached explains why there is no answer.
func (c *Client) unreached(ctx context.Context, err error) error {
	var unknown *UnknownCertificate
	switch {
	case errors.As(err, &unknown):
		return fault.Refused("%s was not logged in to: %w", c.base.Host, unknown)
	case errors.Is(err, errElsewhere):
		return fault.Refused("%s: %w", c.base.Host, errElsewhere)
	case ctx.Err() != nil:
		return fault.Unavailable("%s did not answer in time: %w", c.base.Host, ctx.Err())
	default:
		return fault.Unavailable("reach the management controller %s: %w", c.base.Host, err)
	}
}
