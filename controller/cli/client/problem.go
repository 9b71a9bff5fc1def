package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Problem is a refusal of the API (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	RetryAfter time.Duration `json:"-"` // from the header
	Request    string        `json:"-"` // X-Request-Id, to find it in the controller's log
	Raw        []byte        `json:"-"` // the answer as it came
}

// Error is what happened.
func (p *Problem) Error() string {
	switch {
	case p.Detail != "":
		return p.Detail
	case p.Title != "":
		return p.Title
	default:
		return fmt.Sprintf("the controller answered %d %s", p.Status, http.StatusText(p.Status))
	}
}

// Kind is the last part of the type: "refused", "login_required", …
func (p *Problem) Kind() string { return p.Type[strings.LastIndexByte(p.Type, ':')+1:] }

// As makes a Problem a fault of the same kind, so that fault.Is works on it.
func (p *Problem) As(target any) bool {
	f, ok := target.(**fault.Fault)
	if ok {
		*f = p.Fault()
	}
	return ok
}

// Fault is the problem as the rest of the program knows it.
func (p *Problem) Fault() *fault.Fault {
	f := &fault.Fault{Kind: kindOf(p.Status), Message: p.Error()}
	for _, e := range p.Errors {
		f.Fields = append(f.Fields, fault.Field{Name: e.Location, Message: e.Message})
	}
	return f
}

func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.KindDenied
	case http.StatusNotFound:
		return fault.KindNotFound
	case http.StatusPreconditionFailed:
		return fault.KindConflict
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fault.KindUnavailable
	case http.StatusConflict:
		return fault.KindRefused
	}
	if status >= 500 {
		return fault.KindInternal
	}
	return fault.KindInvalid
}

// problemOf reads a refusal of the controller at an address.
func problemOf(a Answer, at *url.URL) *Problem {
	p := &Problem{}
	if !strings.Contains(a.Header.Get("Content-Type"), "json") || json.Unmarshal(a.Body, p) != nil {
		p = &Problem{Detail: fmt.Sprintf("%s answered %d %s, but not as a Steelyard controller does; is STEELYARD_URL right?", at, a.Status, http.StatusText(a.Status))}
		if at.Scheme == "http" && a.Status == http.StatusBadRequest {
			p.Detail = fmt.Sprintf("%s does not take plain HTTP; set STEELYARD_URL to https://%s", at, at.Host)
		}
	}
	p.Status, p.Raw, p.Request = a.Status, a.Body, a.Header.Get("X-Request-Id")
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil && n > 0 {
		p.RetryAfter = time.Duration(min(n, 3600)) * time.Second
	}
	return p
}

// unreachable says why nobody answered, and what to look at.
func unreachable(address string, err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var plain tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &authority):
		return fault.Denied("the certificate of %s is signed by an authority that is not known here; give its file in STEELYARD_CA: %w", address, err)
	case errors.As(err, &name):
		return fault.Denied("the certificate of %s is for another name: %w", address, err)
	case errors.As(err, &plain):
		return fault.Invalid("%s does not speak TLS; is it http:// on loopback? %w", address, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Unavailable("nobody listens at %s; is the controller running, and is STEELYARD_URL right?", address)
	case errors.As(err, &dns):
		return fault.Unavailable("%s is not found; is STEELYARD_URL right? %w", address, err)
	default:
		return fault.Unavailable("ask %s: %w", address, err)
	}
}

func equalFold(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
