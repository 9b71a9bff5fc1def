package notify

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/outward"
)

// target refuses an address that webhooks do not go to. private allows what is inside;
// link-local addresses (where clouds keep credentials), multicast and "any" never.
func target(ip netip.Addr, private bool) error {
	err := outward.Check(ip, private)
	switch {
	case err == nil:
		return nil
	case !private && outward.Check(ip, true) == nil:
		return fault.Refused("%w; to let webhooks go there: steelyard settings --webhook-private-targets=true", err)
	}
	return fault.Refused("%s is no address that a webhook may go to", ip.Unmap().WithZone(""))
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
