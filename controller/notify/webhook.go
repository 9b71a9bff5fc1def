package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
)

// Limits of one attempt.
const (
	connectTime = 5 * time.Second
	attemptTime = 10 * time.Second
	maxHeader   = 64 << 10 // bytes of the answer's header
	maxAnswer   = 64 << 10 // bytes of its body, which is thrown away
)

// caller delivers webhooks.
type caller struct {
	Options
	client *http.Client
}

func newCaller(o Options) *caller {
	private := func() bool {
		s, ok := store.Settings.View(o.Store, store.FleetSettings)
		return ok && s.WebhookPrivateTargets
	}
	return &caller{o, &http.Client{
		Timeout:       attemptTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            guarded(private).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			DisableKeepAlives:      true, // each attempt asks the guard
			MaxResponseHeaderBytes: maxHeader,
		},
	}}
}

func (c *caller) attempt(ctx context.Context, d notify.Delivery) notify.Outcome {
	w, ok := store.Webhooks.View(c.Store, d.Subscriber)
	switch {
	case !ok:
		return notify.Outcome{Permanent: true, Error: "the webhook was deleted"}
	case w.Disabled:
		return notify.Outcome{Permanent: true, Error: "the webhook is disabled"}
	}
	req, err := c.request(ctx, w, d)
	if err != nil {
		return notify.Outcome{Error: err.Error()}
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return notify.Outcome{Error: withoutURL(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the receiver can finish; the status is what counts
	return judge(resp.StatusCode)
}

func (c *caller) request(ctx context.Context, w *notify.Webhook, d notify.Delivery) (*http.Request, error) {
	body, err := d.Event.Payload()
	if err != nil {
		return nil, err
	}
	now := c.Now()
	secrets, err := c.secrets(w, now)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "steelyard/"+c.Version)
	h[notify.HeaderID] = []string{d.Event.ID} // in lower case, as the specification writes it
	h[notify.HeaderTimestamp] = []string{strconv.FormatInt(now.Unix(), 10)}
	h[notify.HeaderSignature] = []string{notify.Sign(secrets, d.Event.ID, now, body)}
	return req, nil
}

// secrets that sign now: the present one, and the one before it for a while.
func (c *caller) secrets(w *notify.Webhook, now time.Time) (list [][]byte, err error) {
	secret, err := seal.WebhookSecret.Open(c.Secrets, w.ID, w)
	if err != nil {
		return nil, err
	}
	list = [][]byte{[]byte(secret)}
	if w.Previous.IsZero() || now.After(w.PreviousUntil) {
		return list, nil
	}
	previous, err := seal.WebhookPrevious.Open(c.Secrets, w.ID, w)
	return append(list, []byte(previous)), err
}

// judge tells what a status code means.
func judge(status int) notify.Outcome {
	o := notify.Outcome{Status: status, OK: 200 <= status && status < 300}
	switch {
	case o.OK:
	case status == http.StatusGone:
		o.Gone, o.Error = true, "the receiver answered 410 Gone: it wants no events any more"
	case 300 <= status && status < 400:
		o.Error = fmt.Sprintf("the receiver answered %d: redirects are not followed; change the URL of the webhook", status)
	default:
		o.Error = fmt.Sprintf("the receiver answered %d %s", status, http.StatusText(status))
	}
	return o
}

// withoutURL is the text of an error of the HTTP client without the URL, whose path or
// query may be what lets a caller in (rule X9).
func withoutURL(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return "the receiver did not answer within " + attemptTime.String()
		}
		err = u.Err
	}
	return "the receiver cannot be reached: " + err.Error()
}
