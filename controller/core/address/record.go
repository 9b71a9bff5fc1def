package address

import (
	"net/netip"
	"strings"
	"time"
)

// Rest is how long a released address is given to nobody while others are free.
const Rest = 24 * time.Hour

// Families.
const (
	IPv4 = "ipv4"
	IPv6 = "ipv6"
)

// States of an address that has a record.
const (
	Used    = "used"    // a server has it
	Resting = "resting" // released; see Rest
)

// Pool is a prefix of a location that servers get addresses from (rule B4).
type Pool struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Location  string    `json:"location"`
	Family    string    `json:"family" enum:"ipv4,ipv6"`
	Prefix    string    `json:"prefix"`            // 192.0.2.0/24
	Assign    int       `json:"assign_bits"`       // length of what one server gets: 32, 128, or that of a prefix
	Gateway   string    `json:"gateway,omitempty"` // of the pool's family; may be link-local in IPv6
	VLAN      int       `json:"vlan,omitempty"`    // tag of its addresses in installed systems; 0: untagged
	DNS       []string  `json:"dns"`               // resolvers of either family
	Reserved  []string  `json:"reserved"`          // never handed out: an address, a prefix, or first-last
	SortOrder int       `json:"sort_order"`        // lowest is used first
	Closed    bool      `json:"closed"`            // hands out nothing more
	CreatedAt time.Time `json:"created_at"`
}

// Address is the record of what one server has, or had, out of a pool. Its id is
// the first address of the slot.
type Address struct {
	ID       string    `json:"id"`
	Pool     string    `json:"pool"`
	Family   string    `json:"family" enum:"ipv4,ipv6"`
	Prefix   string    `json:"prefix"`  // all of it: 192.0.2.7/32, 2001:db8:0:7::/64
	Address  string    `json:"address"` // that the server itself takes: of a prefix the first one after its start
	State    string    `json:"state" enum:"used,resting"`
	Server   string    `json:"server,omitempty"`
	Service  string    `json:"service,omitempty"` // whose it is, or was while it rests; none when it was given to a server without one
	Customer string    `json:"customer,omitempty"`
	RDNS     string    `json:"rdns,omitempty"` // name that its reverse record should have
	Since    time.Time `json:"since"`          // of the present state
	Until    time.Time `json:"until,omitzero"` // resting: when it is free
}

// Holding lists the addresses of one server, in the order in which it got them. Its
// id is the server's.
type Holding struct {
	Addresses []string `json:"addresses"`
}

// MaxHeld is how many addresses one server can have.
const MaxHeld = 32

// Released is a without its server: it rests. Who had it last can still be told.
func (a Address) Released(now time.Time) Address {
	a.State, a.Server, a.RDNS, a.Since, a.Until = Resting, "", "", now, now.Add(Rest)
	return a
}

// Order is the place of an address among all: equal text for equal order, v4 before
// v6. Text that is no address comes last.
func Order(id string) string {
	a, err := netip.ParseAddr(id)
	if err != nil {
		return "~" + id
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte(map[bool]byte{true: '4', false: '6'}[a.Is4()])
	for _, octet := range a.AsSlice() {
		b.WriteByte(digits[octet>>4])
		b.WriteByte(digits[octet&15])
	}
	return b.String()
}

// Canonical is the id of the record that a person means by text: an address in any
// notation, or a prefix. Text that is neither stays as it is.
func Canonical(text string) string {
	bare, _, _ := strings.Cut(text, "/")
	a, err := netip.ParseAddr(bare)
	if err != nil || a.Zone() != "" {
		return text
	}
	return a.Unmap().String()
}

// OrderKey and RestingKey are index values: the addresses of a pool in their order,
// and its resting ones in the order in which they become free.
func OrderKey(a *Address) []string { return []string{a.Pool + "/" + Order(a.ID)} }

// RestingKey is none for an address that is used.
func RestingKey(a *Address) []string {
	if a.State != Resting {
		return nil
	}
	return []string{a.Pool + "/" + a.Until.UTC().Format("20060102150405.000000000")}
}

// Use counts the slots of a pool.
type Use struct {
	Capacity uint64 `json:"capacity" doc:"Slots that may be handed out."`
	Used     uint64 `json:"used"`
	Resting  uint64 `json:"resting" doc:"Released a short time ago; given to nobody while others are free."`
	Free     uint64 `json:"free"`
}

// UseOf counts; Free is never below zero, whatever was reserved meanwhile.
func UseOf(capacity, used, resting uint64) Use {
	u := Use{Capacity: capacity, Used: used, Resting: resting}
	if capacity > used+resting {
		u.Free = capacity - used - resting
	}
	return u
}
