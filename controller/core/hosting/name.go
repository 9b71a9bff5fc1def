package hosting

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Bounds of a placement.
const (
	MaxDomains = 32      // further names of one account
	MaxDisk    = 1 << 40 // MiB
	maxName    = 320     // an address: 64 + 1 + 255
)

// domains folds and checks as a browser does before it asks the DNS (UTS 46, RFC 5891), but without the length of the whole name.
var domains = idna.New(idna.MapForLookup(), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.BidiRule())

// Domain is a fully qualified domain name as it is compared: lower case, punycode, without the dot of the root. The fault is invalid for what is
// none: a single label, an address, a wildcard.
func Domain(text string) (string, error) {
	if len(text) > 1024 || !utf8.ValidString(text) {
		return "", fault.Invalid("is longer than any domain name, or not text")
	}
	name, err := domains.ToASCII(strings.TrimSuffix(strings.TrimSpace(text), "."))
	name = strings.TrimSuffix(name, ".")
	if err != nil || len(name) > 253 {
		return "", fault.Invalid("%.80q is not a domain name", text)
	}
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || slices.Contains(labels, "") || strings.Trim(last, "0123456789") == "" {
		return "", fault.Invalid("%.80q is not a full domain name such as www.example.org", text)
	}
	return name, nil
}

var (
	local    = regexp.MustCompile(`^[a-z0-9!#$%&'*+/=?^_{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_{|}~-]+)*$`)
	database = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)
)

// Normal is the name of a placement of a kind, as it is compared and stored. The fault is invalid.
func Normal(kind, name string) (string, error) {
	switch kind {
	case Account, Forwarding:
		return Domain(name)
	case Mailbox:
		box, domain, ok := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "@")
		if !ok || len(box) > 64 || !local.MatchString(box) {
			return "", fault.Invalid("%.80q is not an address such as name@example.org", name)
		}
		domain, err := Domain(domain)
		return box + "@" + domain, err
	case Database:
		if !database.MatchString(name) {
			return "", fault.Invalid("%.80q is not a name of a database: 1 to 64 letters, digits, _, $ or -", name)
		}
	}
	return name, nil
}

// Check records what is wrong with a placement; it is normalised as far as it is right.
func (p *Placement) Check(c *fault.Check) {
	if c.Require(slices.Contains(Kinds, p.Kind), "kind", "is %.40q; use %s", p.Kind, strings.Join(Kinds, ", ")); slices.Contains(Kinds, p.Kind) {
		p.checkNames(c)
	}
	c.Require(slices.Contains(States, p.State), "state", "is %.40q; use %s", p.State, strings.Join(States, ", "))
	c.Require(p.DiskMiB <= MaxDisk, "disk_mib", "is %d; %d are the most", p.DiskMiB, uint64(MaxDisk))
}

func (p *Placement) checkNames(c *fault.Check) {
	name, err := Normal(p.Kind, p.Name)
	if err != nil {
		c.Add("name", "%s", fault.From(err).Message)
	} else {
		p.Name = name
	}
	c.Require(len(p.Domains) == 0 || p.Kind == Account, "domains", "are those of an account; a %s has its name only", p.Kind)
	if len(p.Domains) > MaxDomains {
		c.Add("domains", "has %d names; %d are the most", len(p.Domains), MaxDomains)
		return
	}
	var list []string
	for _, text := range p.Domains {
		domain, err := Domain(text)
		if err != nil {
			c.Add("domains", "%s", fault.From(err).Message)
			continue
		}
		if domain != p.Name && !slices.Contains(list, domain) {
			list = append(list, domain)
		}
	}
	p.Domains = list
}

// FQDNs are the domain names that belong to the placement (rule X14): those of an account and of a forwarding. A mailbox lives in the domain of somebody
// who has it already.
func (p *Placement) FQDNs() []string {
	if p.Kind != Account && p.Kind != Forwarding {
		return nil
	}
	return append([]string{p.Name}, p.Domains...)
}
