package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// maxAnswer bounds an answer that is held in memory. A full list of 100,000
// servers is below it.
const maxAnswer = 512 << 20

// Answer is what the API said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ETag names the revision of the object.
func (a Answer) ETag() string { return a.Header.Get("ETag") }

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	contentType  string
	ifMatch      string
	key          string // Idempotency-Key
}

// Get reads an object or a list.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (Answer, error) {
	return c.call(ctx, request{method: http.MethodGet, path: path, query: query})
}

// Post creates an object or asks for an action, once, even if it is sent twice. A
// nil body sends none.
func (c *Client) Post(ctx context.Context, path string, body any) (Answer, error) {
	return c.send(ctx, request{method: http.MethodPost, path: path, key: id.New("cli")}, body)
}

// Put sets a part of an object.
func (c *Client) Put(ctx context.Context, path string, body any) (Answer, error) {
	return c.send(ctx, request{method: http.MethodPut, path: path}, body)
}

// PutMatching is Put, if the object is still at the revision that etag names.
func (c *Client) PutMatching(ctx context.Context, path, etag string, body any) (Answer, error) {
	return c.send(ctx, request{method: http.MethodPut, path: path, ifMatch: etag}, body)
}

// Patch changes the fields of body (JSON merge patch, RFC 7396), if the object is
// still at the revision that etag names.
func (c *Client) Patch(ctx context.Context, path, etag string, body any) (Answer, error) {
	return c.send(ctx, request{method: http.MethodPatch, path: path, contentType: "application/merge-patch+json", ifMatch: etag}, body)
}

// Delete removes an object; an etag makes it conditional.
func (c *Client) Delete(ctx context.Context, path, etag string, query url.Values) (Answer, error) {
	return c.call(ctx, request{method: http.MethodDelete, path: path, query: query, ifMatch: etag})
}

func (c *Client) send(ctx context.Context, r request, body any) (Answer, error) {
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Answer{}, fault.Internal("write the request: %w", err)
		}
		r.body = text
		if r.contentType == "" {
			r.contentType = "application/json"
		}
	}
	return c.call(ctx, r)
}

// attempts of a request that can be repeated.
const attempts = 4

// call sends a request, again if that does no harm and may help.
func (c *Client) call(ctx context.Context, r request) (Answer, error) {
	for n := 1; ; n++ {
		a, err := c.once(ctx, r)
		wait, again := retry(r, err, n)
		if !again || n == attempts || ctx.Err() != nil {
			return a, err
		}
		if c.pause(ctx, wait) != nil {
			return a, err
		}
	}
}

// retry says whether to ask again, and when.
func retry(r request, err error, n int) (time.Duration, bool) {
	if !fault.Is(err, fault.KindUnavailable) || r.method != http.MethodGet && r.key == "" {
		return 0, false
	}
	wait := time.Duration(n*n) * 250 * time.Millisecond
	if p, ok := err.(*Problem); ok && p.RetryAfter > wait { //nolint:errorlint // made in this package, never wrapped
		wait = min(p.RetryAfter, 5*time.Second)
	}
	return wait, true
}

func (c *Client) once(ctx context.Context, r request) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := c.newRequest(ctx, r, body)
	if err != nil {
		return Answer{}, err
	}
	res, err := c.do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	return read(res)
}

// read takes an answer whole; a refusal becomes a [Problem].
func read(res *http.Response) (Answer, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, fault.Unavailable("the answer ended early: %w", err)
	case len(body) > maxAnswer:
		return Answer{}, fault.Refused("the answer is larger than %d MiB; ask for less", maxAnswer>>20)
	}
	a := Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	if res.StatusCode >= 300 {
		return a, problemOf(a, &url.URL{Scheme: res.Request.URL.Scheme, Host: res.Request.URL.Host})
	}
	return a, nil
}

func (c *Client) newRequest(ctx context.Context, r request, body io.Reader) (*http.Request, error) {
	address := c.base.String() + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fault.Invalid("make the request: %w", err)
	}
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	set("Accept", "application/json")
	set("User-Agent", c.userAgent)
	set("Steelyard-Act-For", c.actFor)
	set("Content-Type", r.contentType)
	set("If-Match", r.ifMatch)
	set("Idempotency-Key", r.key)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.token))
	}
	return req, nil
}

// do sends a request and explains why nobody answered.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(c.base.String(), err)
	}
	return res, nil
}

// Object decodes an answer.
func Object[T any](a Answer) (T, error) {
	var v T
	if err := json.Unmarshal(a.Body, &v); err != nil {
		return v, fault.Internal("the controller answered something else than expected: %w", err)
	}
	return v, nil
}

// Upload sends a stream of a known size; it ends with ctx. It is not repeated.
func (c *Client) Upload(ctx context.Context, path string, query url.Values, body io.Reader, size int64) (Answer, error) {
	r := request{method: http.MethodPost, path: path, query: query, contentType: "application/octet-stream", key: id.New("cli")}
	req, err := c.newRequest(ctx, r, body)
	if err != nil {
		return Answer{}, err
	}
	req.ContentLength = size
	slow := *c.http // the answer comes when the whole image was checked
	if t, ok := slow.Transport.(*http.Transport); ok {
		t = t.Clone()
		t.ResponseHeaderTimeout = time.Hour
		slow.Transport = t
		defer t.CloseIdleConnections()
	}
	res, err := slow.Do(req)
	if err != nil {
		return Answer{}, unreachable(c.base.String(), err)
	}
	defer res.Body.Close()
	return read(res)
}

// Page is one page of a list; the items stay as they came.
type Page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
	Total int               `json:"total"`
}

// Find returns the ids of the objects of a collection that have this name, which
// is compared without regard to case.
func (c *Client) Find(ctx context.Context, collection, name string) ([]string, error) {
	a, err := c.Get(ctx, collection, url.Values{"q": {name}, "limit": {strconv.Itoa(200)}})
	if err != nil {
		return nil, err
	}
	page, err := Object[Page](a)
	if err != nil {
		return nil, err
	}
	return named(page.Items, name)
}

func named(items []json.RawMessage, name string) ([]string, error) {
	var ids []string
	for _, raw := range items {
		var item struct{ ID, Name, Hostname string }
		if err := json.Unmarshal(raw, &item); err != nil {
			return nil, fmt.Errorf("read a list: %w", err)
		}
		if equalFold(item.Name, name) || equalFold(item.Hostname, name) {
			ids = append(ids, item.ID)
		}
	}
	return ids, nil
}
