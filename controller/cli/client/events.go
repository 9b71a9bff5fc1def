package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/sse"
)

// Event is one message of the stream of changes.
type Event = sse.Event

// silence is how long the stream may be quiet; the controller speaks every 15 s.
const silence = 60 * time.Second

// Events calls got for each change after the revision from ("" is now), until ctx
// ends or got reports an error. It connects again, where it left off, when the
// stream breaks.
func (c *Client) Events(ctx context.Context, query url.Values, from string, got func(Event) error) error {
	failures := 0
	for {
		last, began := from, time.Now()
		err := c.stream(ctx, query, &from, got)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !fault.Is(err, fault.KindUnavailable) {
			return err
		}
		if failures++; from != last || time.Since(began) > silence {
			failures = 1
		}
		if failures >= attempts {
			return err
		}
		if c.pause(ctx, time.Duration(failures)*time.Second) != nil {
			return nil
		}
	}
}

func (c *Client) stream(ctx context.Context, query url.Values, from *string, got func(Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := c.newRequest(ctx, request{method: http.MethodGet, path: "/v1/events", query: query}, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if *from != "" {
		req.Header.Set("Last-Event-ID", *from)
	}
	res, err := c.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		_, err := read(res)
		return err
	}
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	err = sse.Read(res.Body, func() { quiet.Reset(silence) }, from, got)
	if errors.As(err, new(sse.Ended)) {
		return fault.Unavailable("%w", err)
	}
	return err
}
