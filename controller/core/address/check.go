package address

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Limits of what people type.
const (
	MaxPools    = 1024 // of a fleet
	maxReserved = 64
	maxDNS      = 4
	minBits4    = 8  // shortest prefix of an IPv4 pool
	minBits6    = 16 // and of an IPv6 pool
)

// ParseRange reads an address, a prefix, or first-last. The fault is invalid.
func ParseRange(text string) (from, to netip.Addr, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange && strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Masked() != p {
			return from, to, fault.Invalid("%.80q is not a prefix like 192.0.2.0/28", text)
		}
		return p.Addr(), lastOf(p), nil
	}
	if !isRange {
		last = first
	}
	from, err = netip.ParseAddr(first)
	if err == nil {
		to, err = netip.ParseAddr(last)
	}
	if err != nil || from.Zone() != "" || from.BitLen() != to.BitLen() || to.Less(from) {
		return from, to, fault.Invalid("%.80q is not an address, a prefix, or first-last", text)
	}
	return from, to, nil
}

func lastOf(p netip.Prefix) netip.Addr {
	hi, lo := words(p.Addr())
	maskHi, maskLo := shiftRight(^uint64(0), ^uint64(0), 128-(p.Addr().BitLen()-p.Bits()))
	return addrOf(hi|maskHi, lo|maskLo, p.Addr().Is4())
}

// Check records every field of a pool that is wrong by itself. Whether the location
// exists, and whether another pool overlaps, is the caller's to look up.
func (p Pool) Check(c *fault.Check) {
	prefix, ok := checkPrefix(c, p.Prefix)
	for _, text := range p.DNS {
		a, err := netip.ParseAddr(text)
		c.Require(err == nil && a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast(), "dns", "%.80q is not the address of a resolver", text)
	}
	c.Require(p.VLAN >= 0 && p.VLAN <= protocol.MaxVLAN, "vlan", "is %d; use 1 to %d, or 0 for untagged", p.VLAN, protocol.MaxVLAN)
	c.Require(len(p.DNS) <= maxDNS, "dns", "has %d entries; %d are the most", len(p.DNS), maxDNS)
	c.Require(len(p.Reserved) <= maxReserved, "reserved", "has %d entries; %d are the most", len(p.Reserved), maxReserved)
	if !ok {
		return
	}
	p.checkAssign(c, prefix)
	p.checkGateway(c, prefix)
	for _, text := range p.Reserved {
		from, to, err := ParseRange(text)
		if err != nil {
			c.Add("reserved", "%s", err.Error())
			continue
		}
		c.Require(prefix.Contains(from) && prefix.Contains(to), "reserved", "%.80q is not inside %s", text, prefix)
	}
}

func checkPrefix(c *fault.Check, text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		c.Add("prefix", "%.80q is not a prefix like 192.0.2.0/24 or 2001:db8::/48", text)
	case p.Addr().Is4In6():
		c.Add("prefix", "%s is IPv4 written as IPv6; write it as IPv4", text)
	case p.Masked() != p:
		c.Add("prefix", "%s has bits behind its length; did you mean %s?", text, p.Masked())
	case p.Addr().Is4() && p.Bits() < minBits4 || p.Addr().Is6() && p.Bits() < minBits6:
		c.Add("prefix", "%s is too wide; the shortest are /%d of IPv4 and /%d of IPv6", text, minBits4, minBits6)
	case p.Addr().IsMulticast() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() || p.Addr().IsUnspecified():
		c.Add("prefix", "%s holds no addresses that a server can have", text)
	default:
		return p, true
	}
	return p, false
}

func (p Pool) checkAssign(c *fault.Check, prefix netip.Prefix) {
	if prefix.Addr().Is4() {
		c.Require(p.Assign == 32, "assign_bits", "is %d; a server gets single addresses of IPv4: leave it out, or give 32", p.Assign)
		return
	}
	c.Require(prefix.Bits() <= p.Assign && p.Assign <= 128, "assign_bits", "is %d; give %d to 128", p.Assign, prefix.Bits())
}

func (p Pool) checkGateway(c *fault.Check, prefix netip.Prefix) {
	if p.Gateway == "" {
		return
	}
	g, err := netip.ParseAddr(p.Gateway)
	switch {
	case err != nil || g.Zone() != "" || g.BitLen() != prefix.Addr().BitLen():
		c.Add("gateway", "%.80q is not an address of the family of %s", p.Gateway, prefix)
	case g.Is6() && g.IsLinkLocalUnicast():
	case !prefix.Contains(g):
		c.Add("gateway", "%s is not inside %s; a server could not reach it", g, prefix)
	case g.Is4() && prefix.Bits() < 31 && (g == prefix.Addr() || g == lastOf(prefix)):
		c.Add("gateway", "%s is the network or broadcast address of %s", g, prefix)
	}
}

// Normalised is p with its addresses in their usual notation, its family, and the
// length of what a server gets where none was given: one address, or a /64 out of a
// shorter prefix of IPv6. What cannot be read stays as it is, for Check to refuse.
func (p Pool) Normalised() Pool {
	p.DNS, p.Reserved = slices.Clone(p.DNS), slices.Clone(p.Reserved)
	for i := range p.DNS {
		p.DNS[i] = tidy(p.DNS[i])
	}
	p.Gateway = tidy(p.Gateway)
	prefix, err := netip.ParsePrefix(p.Prefix)
	if err != nil {
		return p
	}
	p.Prefix, p.Family = prefix.String(), IPv4
	if prefix.Addr().Is6() {
		p.Family = IPv6
	}
	if p.Assign == 0 {
		p.Assign = prefix.Addr().BitLen()
		if prefix.Addr().Is6() && prefix.Bits() < 64 {
			p.Assign = 64
		}
	}
	return p
}

func tidy(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.String()
	}
	return text
}
