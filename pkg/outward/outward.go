// Package outward keeps connections that people ask for by name or address from
// leading back inside: to this machine, to the networks behind it, to where clouds
// keep credentials. The address is checked when it is dialled, after its name was resolved,
// so that a name cannot lead elsewhere than what was checked.
package outward

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// special are address ranges that lead inside, or nowhere, beyond those that net/netip knows
// (IANA special-purpose address registries, RFC 6890).
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Check refuses an address that is not on the public Internet; private allows those of
// private networks and of this machine, but never link-local, multicast and "any".
func Check(ip netip.Addr, private bool) error {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return fault.Refused("%s is no address to connect with", ip)
	}
	if private {
		return nil
	}
	inside := ip.IsLoopback() || ip.IsPrivate()
	for _, p := range special {
		inside = inside || p.Contains(ip)
	}
	if inside {
		return fault.Refused("%s is not on the public Internet", ip)
	}
	return nil
}

// Dialer connects with what [Check] allows; private is asked at each connection.
func Dialer(timeout time.Duration, private func() bool) *net.Dialer {
	return &net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fault.Refused("%.60q is no address to connect with", address)
		}
		return Check(to.Addr(), private())
	}}
}
