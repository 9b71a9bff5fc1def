package redfish

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/line"
)

// Refusal is an answer other than 2xx.
type Refusal struct {
	Status  int
	Message string // the service's own words
}

func (r *Refusal) Error() string {
	if r.Message == "" {
		return fmt.Sprintf("HTTP %d %s", r.Status, http.StatusText(r.Status))
	}
	return fmt.Sprintf("HTTP %d: %s", r.Status, r.Message)
}

// StatusOf is the HTTP status behind an error, or 0 when there was no answer.
func StatusOf(err error) int {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Status
	}
	return 0
}

// failed gives a status a kind.
func (c *Client) failed(method, path string, status int, body []byte) error {
	r := &Refusal{Status: status, Message: complaint(body)}
	format := "%s does not %s %s: %w"
	switch {
	case status == http.StatusNotFound:
		return fault.NotFound(format, c.base.Host, method, path, r)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.Refused("%s does not let this user %s %s; the account needs the operator role: %w", c.base.Host, method, path, r)
	case status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return fault.Unavailable(format, c.base.Host, method, path, r)
	default:
		return fault.Refused(format, c.base.Host, method, path, r)
	}
}

// complaint finds the most telling sentence of an error response (DSP0266, 8.6).
func complaint(body []byte) string {
	var e struct {
		Error struct {
			Message  Text `json:"message"`
			Extended []struct {
				Message Text `json:"Message"`
			} `json:"@Message.ExtendedInfo"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	for _, x := range e.Error.Extended {
		if x.Message != "" {
			return line.Clean(string(x.Message))
		}
	}
	return line.Clean(string(e.Error.Message))
}
