package notify

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Limits of what can be set up.
const (
	MaxWebhooks  = 20
	MaxRoutes    = 50
	MaxAddresses = 20 // of one route
	maxPatterns  = 40
	maxURL       = 2048
	maxAddress   = 254 // RFC 5321, 4.5.3.1.3
)

// CheckEvents records patterns that name no event.
func CheckEvents(c *fault.Check, field string, patterns []string) {
	types := Types()
	c.Require(len(patterns) > 0 && len(patterns) <= maxPatterns, field, "has %d entries; give 1 to %d, for example task.* or service.active", len(patterns), maxPatterns)
	for _, p := range patterns {
		known := p == "*" || slices.ContainsFunc(types, func(t string) bool { return Wanted([]string{p}, t) })
		c.Require(known, field, "%.40q names no event; give *, task.*, service.*, operation.*, or one of %s", p, strings.Join(types, ", "))
	}
}

// CheckURL records a URL that events are not sent to. Whether its host is one that may be
// asked shows when it is asked (see controller/notify).
func CheckURL(c *fault.Check, field, text string, private bool) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || len(text) > maxURL:
		c.Add(field, "is no URL of at most %d bytes such as https://billing.example.com/steelyard", maxURL)
	case u.User != nil:
		c.Add(field, "has a user or password in it; the signature tells who sends")
	case u.Fragment != "":
		c.Add(field, "has a fragment (#); leave it out")
	case u.Scheme == "http" && !private:
		c.Add(field, "is not https; http is for private networks, which the setting webhook_private_targets allows")
	case u.Scheme != "https" && u.Scheme != "http":
		c.Add(field, "must start with https://")
	}
}

// CheckAddress records what is no plain mail address.
func CheckAddress(c *fault.Check, field, address string) {
	c.Require(IsAddress(address), field, "%.80q is no mail address; give one like ops@example.com", address)
}

// IsAddress reports whether s is a plain ASCII mail address, without a name around it.
func IsAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	ascii := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	return err == nil && a.Name == "" && a.Address == s && len(s) <= maxAddress && ascii
}

// Check records what is wrong with the mail server; password tells whether one is set.
func (m MailServer) Check(c *fault.Check, password bool) {
	if m.Host == "" {
		c.Require(!password && m.User == "", "host", "is empty; give the name of the mail server, or leave user and password out to send no mail")
		return
	}
	c.Require(len(m.Host) <= 253 && !strings.ContainsAny(m.Host, " /:@\r\n\t"), "host", "is no host name or IPv4 address; the port has a field of its own")
	c.Require(1 <= m.Port && m.Port <= 65535, "port", "is %d; give 587 for starttls, 465 for tls, or the port of your server", m.Port)
	c.Require(slices.Contains([]string{StartTLS, TLS, Plain}, m.Security), "security", "is %.20q; give starttls, tls or none", m.Security)
	c.Require(m.Security != Plain || m.User == "" && !password, "security", "is none; a user and password are never sent unprotected, take starttls or tls")
	c.Require(password == (m.User != ""), "password", "goes with a user: give both or neither")
	c.Require(len(m.User) <= 254 && !strings.ContainsAny(m.User, "\r\n\x00"), "user", "is longer than 254 bytes or has a line break in it")
	CheckAddress(c, "from", m.From)
	if m.BaseURL != "" {
		CheckBase(c, "base_url", m.BaseURL)
	}
}

// CheckBase records an address of a controller that no link can begin with.
func CheckBase(c *fault.Check, field, text string) {
	u, err := url.Parse(text)
	ok := err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
	c.Require(ok && len(text) <= maxURL, field, "is no address such as https://steelyard.example.com")
}
