package notify

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"github.com/steelyard/steelyard/pkg/fault"
)

// special are address ranges that are of no use on the public Internet, or lead back
// inside, beyond those that net/netip knows (IANA special-purpose registries).
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// target refuses an address that webhooks do not go to. private allows what is inside;
// link-local addresses (where clouds keep credentials), multicast and "any" never.
func target(ip netip.Addr, private bool) error {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return fault.Refused("%s is no address that a webhook may go to", ip)
	}
	if private {
		return nil
	}
	inside := ip.IsLoopback() || ip.IsPrivate()
	for _, p := range special {
		inside = inside || p.Contains(ip)
	}
	if inside {
		return fault.Refused("%s is not on the public Internet; to let webhooks go there: steelyard settings --webhook-private-targets=true", ip)
	}
	return nil
}

// guarded is a dialer that asks target before it connects, when the name is resolved.
func guarded(private func() bool) *net.Dialer {
	return &net.Dialer{Timeout: connectTime, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fault.Refused("%.60q is no address", address)
		}
		return target(to.Addr(), private())
	}}
}
