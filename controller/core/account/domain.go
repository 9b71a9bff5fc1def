package account

import (
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/pkg/fault"
)

// MaxDomain is the longest domain of an account, in bytes: "www." in front of it and names of files made of it must fit too.
const MaxDomain = 240

// Pasted is the domain that somebody means who pasted what his browser showed him (rule C9): "http://www.Example.de/shop" is example.de. The
// fault is invalid for what is none, and for what is nobody's own, such as co.uk.
func Pasted(text string) (string, error) {
	domain, err := hosting.Domain(hostOf(text))
	if err != nil {
		return "", err
	}
	if own := strings.TrimPrefix(domain, "www."); strings.Contains(own, ".") && !public(own) {
		domain = own
	}
	switch {
	case len(domain) > MaxDomain:
		return "", fault.Invalid("%.60s… is longer than %d characters", domain, MaxDomain)
	case public(domain):
		return "", fault.Invalid("%s is a domain under which everybody registers; it belongs to no account", domain)
	}
	return domain, nil
}

// hostOf cuts an address of the web down to the name of its host.
func hostOf(text string) string {
	text = strings.TrimSpace(text)
	if _, rest, has := strings.Cut(text, "://"); has {
		text = rest
	}
	if end := strings.IndexAny(text, "/?#"); end >= 0 {
		text = text[:end]
	}
	if name, port, has := strings.Cut(text, ":"); has && strings.Trim(port, "0123456789") == "" {
		text = name
	}
	return text
}

func public(domain string) bool {
	suffix, known := publicsuffix.PublicSuffix(domain)
	return known && suffix == domain
}

// WWW is the name in front of a domain that belongs to it too (rule X14).
func WWW(domain string) string { return "www." + domain }

// Above are the names above a domain that may belong to somebody, the nearest first.
func Above(domain string) (list []string) {
	for {
		_, rest, _ := strings.Cut(domain, ".")
		if !strings.Contains(rest, ".") {
			return list
		}
		list, domain = append(list, rest), rest
	}
}

// Party is whose something is.
type Party struct {
	Reseller string // path
	Customer string // id; "" no customer's
}

// Below reports whether somebody may have a name below a domain of somebody else.
func Below(owner, of Party) bool {
	if owner == of {
		return true
	}
	line := owner.Reseller == "" || of.Reseller == owner.Reseller || strings.HasPrefix(of.Reseller, owner.Reseller+"/")
	return owner.Customer == "" && line
}
