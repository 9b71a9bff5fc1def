package reselling

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Limit is how much there may be of something: a number, of which 0 is a real zero, or no limit (rule X12). In JSON it is the number or
// the text "no limit". The zero value is a limit of 0.
type Limit struct {
	None bool
	Most uint64
}

// noLimit is how no limit is written.
const noLimit = "no limit"

// NoLimit is none.
var NoLimit = Limit{None: true}

// AtMost is a limit of n.
func AtMost(n uint64) Limit { return Limit{Most: n} }

// Allows reports whether n is within the limit.
func (l Limit) Allows(n uint64) bool { return l.None || n <= l.Most }

// Within reports whether everything that l allows is within m.
func (l Limit) Within(m Limit) bool { return m.None || !l.None && l.Most <= m.Most }

// String is the number, or "no limit".
func (l Limit) String() string {
	if l.None {
		return noLimit
	}
	return strconv.FormatUint(l.Most, 10)
}

// MarshalJSON implements json.Marshaler.
func (l Limit) MarshalJSON() ([]byte, error) {
	if l.None {
		return json.Marshal(noLimit)
	}
	return strconv.AppendUint(nil, l.Most, 10), nil
}

// UnmarshalJSON implements json.Unmarshaler. The fault is invalid for everything but a whole number and "no limit".
func (l *Limit) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte(`"`+noLimit+`"`)) {
		*l = NoLimit
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return fault.Invalid("%.40s is no limit; give a whole number, or %q", text, noLimit)
	}
	*l = AtMost(n)
	return nil
}

// MaxLimit is the largest number that a limit may have: 2^50 MiB are a ZiB.
const MaxLimit = 1 << 50

// Resources that are limited.
const (
	Servers       = "servers"
	Customers     = "customers"
	Disk          = "disk_mib"
	Traffic       = "traffic_mib" // a month
	Subscriptions = "subscriptions"
	Domains       = "domains" // of accounts and of forwards
	Mailboxes     = "mailboxes"
	MailingLists  = "mailing_lists"
	FTPLogins     = "ftp_logins"
	Subdomains    = "subdomains"
	Databases     = "databases"
)

// Resources lists them. The first four have a price: what is not named of them is 0. What customers make of them is not limited unless it is named.
var Resources = []string{Servers, Customers, Disk, Traffic, Subscriptions, Domains, Mailboxes, MailingLists, FTPLogins, Subdomains, Databases}

// Bound reports whether a resource is limited to 0 where nothing is said of it.
func Bound(resource string) bool { return slices.Index(Resources, resource) < 4 }

// Limits are those of a reseller, by resource; see [Limits.Of] for one that is missing.
type Limits map[string]Limit

// Of is the limit of a resource; where none is named it is 0, or none: see [Resources].
func (l Limits) Of(resource string) Limit {
	if limit, named := l[resource]; named {
		return limit
	}
	return Limit{None: !Bound(resource)}
}

// Check records what is wrong with limits, under field.
func (l Limits) Check(c *fault.Check, field string) {
	for name, limit := range l {
		c.Require(slices.Contains(Resources, name), field, "has %.40q, which is none of %s", name, strings.Join(Resources, ", "))
		c.Require(limit.Most <= MaxLimit, field+"."+name, "is %d; %d is the most, or say %q", limit.Most, uint64(MaxLimit), noLimit)
	}
}

// Sum is what the resellers below one were promised, by resource.
type Sum map[string]Promise

// Promise adds up limits.
type Promise struct {
	Total uint64 `json:"total"`
	Open  uint64 `json:"open"` // how many of them have no limit
}

// Change takes before out of the sum and puts after in. Either may be nil. What is not named promises nothing.
func (s Sum) Change(before, after Limits) Sum {
	next := Sum{}
	for _, r := range Resources {
		p := s[r]
		if l, named := before[r]; named {
			p = p.add(l, ^uint64(0))
		}
		if l, named := after[r]; named {
			p = p.add(l, 1)
		}
		if p != (Promise{}) {
			next[r] = p
		}
	}
	return next
}

// Minus takes a part out of a sum that has it.
func (s Sum) Minus(part Sum) Sum { return s.joined(part, ^uint64(0)) }

func (s Sum) joined(other Sum, sign uint64) Sum {
	next := maps.Clone(s)
	if next == nil {
		next = Sum{}
	}
	for r, p := range other {
		next[r] = Promise{next[r].Total + sign*p.Total, next[r].Open + sign*p.Open}
		if next[r] == (Promise{}) {
			delete(next, r)
		}
	}
	return next
}

// Within reports whether a promise is within a limit.
func (p Promise) Within(l Limit) bool { return l.None || p.Open == 0 && p.Total <= l.Most }

// add adds sign (1, or -1 in two's complement) times l. Nothing overflows: [MaxLimit] is small beside 64 bits.
func (p Promise) add(l Limit, sign uint64) Promise {
	if l.None {
		p.Open += sign
		return p
	}
	p.Total += sign * l.Most
	return p
}

// Exceeds names the resources of which a sum is more than the limits allow.
func (s Sum) Exceeds(l Limits) (list []string) {
	for _, r := range Resources {
		if !s[r].Within(l.Of(r)) {
			list = append(list, r)
		}
	}
	return list
}
