package remote

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Why a backend could not be asked. The errors of this package wrap one of these where a person
// can mend it in the module's set-up.
var (
	errName        = errors.New("name")        // is not found, or may not be dialled
	errCertificate = errors.New("certificate") // is not trusted
	errStranger    = errors.New("stranger")    // is no Steelyard controller
)

// cause is a fault with the cause it is due to.
type cause struct {
	*fault.Fault
	due error
}

func (c cause) Unwrap() []error { return []error{c.Fault, c.due} }

// unanswered says why a request had no answer, and what to look at.
func (c *Client) unanswered(err error) error {
	var dns *net.DNSError
	var refused *fault.Fault
	host := c.base.Host
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return cause{fault.Unavailable("the certificate of %s is for another name", host), errName}
	case untrusted(err):
		return cause{fault.Unavailable("the certificate of %s is not trusted: %v", host, certificateError(err)), errCertificate}
	case errors.As(err, new(tls.RecordHeaderError)):
		return cause{fault.Unavailable("%s does not speak TLS", host), errStranger}
	case errors.As(err, &dns):
		return cause{fault.Unavailable("%s is not found: %s", host, dns.Err), errName}
	case errors.As(err, &refused):
		return cause{fault.Unavailable("%s may not be connected with: %s; to let remote modules go to private addresses: steelyard settings --remote-private-targets=true", host, refused.Message), errName}
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Unavailable("nobody listens at %s", host)
	default:
		return fault.Unavailable("%s does not answer: %v", host, errors.Unwrap(err)) // without method and address, which url.Error repeats
	}
}

func untrusted(err error) bool { return errors.As(err, new(*tls.CertificateVerificationError)) }

func certificateError(err error) error {
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		return errors.New("it is signed by an authority that is not known here; give that one's certificate as ca")
	}
	return errors.New("it is not valid now, or not for servers")
}

// refusal is an answer that is no success, as a fault of the same kind.
func (c *Client) refusal(res *http.Response, text []byte) error {
	var p struct {
		Type, Title, Detail string
		Errors              []struct{ Location, Message string }
	}
	if !strings.Contains(res.Header.Get("Content-Type"), "json") || json.Unmarshal(text, &p) != nil || res.StatusCode < 400 || p.Title == "" {
		return cause{fault.Unavailable("%s answered %d, but not as a Steelyard controller does", c.base.Host, res.StatusCode), errStranger}
	}
	words := p.Detail
	if words == "" {
		words = p.Title
	}
	for _, e := range p.Errors {
		words += "; " + strings.TrimPrefix(e.Location, "body.") + " " + e.Message
	}
	words = clip(words)
	switch kind := p.Type[strings.LastIndexByte(p.Type, ':')+1:]; {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fault.Denied("%s", words)
	case res.StatusCode == http.StatusNotFound:
		return fault.NotFound("%s", words)
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 || kind == string(fault.KindConflict):
		return fault.Unavailable("%s: %s", c.base.Host, words)
	case res.StatusCode == http.StatusConflict:
		return fault.Refused("%s", words)
	}
	return fault.Invalid("%s", words)
}

// maxWords bounds what is taken over of another program's sentence, in bytes.
const maxWords = 1000

// clip makes foreign words fit for a message: short, one line, printable.
func clip(words string) string {
	words = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words, "?"))
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "…"
	}
	return words
}
