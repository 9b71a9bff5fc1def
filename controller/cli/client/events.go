package client

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Event is one message of the stream of changes.
type Event struct {
	ID   string // revision; ask for what follows with it
	Name string
	Data []byte
}

// maxEvent bounds one line of the stream; silence is how long it may be quiet,
// while the controller speaks every 15 s.
const (
	maxEvent = 16 << 20
	silence  = 60 * time.Second
)

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
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	return scan(lines, func() { quiet.Reset(silence) }, from, got)
}

// scan reads the lines of an event stream (WHATWG HTML, 9.2).
func scan(lines *bufio.Scanner, alive func(), from *string, got func(Event) error) error {
	var e Event
	for lines.Scan() {
		alive()
		line := lines.Text()
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			if _, err := strconv.ParseInt(value, 10, 64); err == nil {
				e.ID = value
			}
		case "event":
			e.Name = value
		case "data":
			if len(e.Data) > 0 {
				e.Data = append(e.Data, '\n')
			}
			e.Data = append(e.Data, value...)
		}
		if line != "" {
			continue
		}
		if err := deliver(&e, from, got); err != nil {
			return err
		}
	}
	return fault.Unavailable("the stream of events ended: %w", ended(lines.Err()))
}

func deliver(e *Event, from *string, got func(Event) error) error {
	done := *e
	*e = Event{}
	if done.ID != "" {
		*from = done.ID
	}
	if len(done.Data) == 0 {
		return nil
	}
	return got(done)
}

func ended(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}
