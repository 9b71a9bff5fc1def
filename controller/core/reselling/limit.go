package reselling

import (
	"bytes"
	"encoding/json"
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
	Servers   = "servers"
	Customers = "customers"
	Disk      = "disk_mib"
	Traffic   = "traffic_mib" // a month
)

// Resources lists them.
var Resources = []string{Servers, Customers, Disk, Traffic}

// Limits are those of a reseller, by resource; one that is missing is a limit of 0.
type Limits map[string]Limit

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

// Change takes before out of the sum and puts after in. Either may be nil.
func (s Sum) Change(before, after Limits) Sum {
	next := Sum{}
	for _, r := range Resources {
		p := s[r]
		if before != nil {
			p = p.add(before[r], ^uint64(0))
		}
		if after != nil {
			p = p.add(after[r], 1)
		}
		next[r] = p
	}
	return next
}

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
		if p := s[r]; !l[r].None && (p.Open > 0 || p.Total > l[r].Most) {
			list = append(list, r)
		}
	}
	return list
}
