package netboot

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// bindTo lets a socket hear nothing but an interface.
func bindTo(conn any, name string) error {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return fault.Internal("netboot: a %T cannot be bound to an interface", conn)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return onDescriptor(raw, name)
}

func onDescriptor(raw syscall.RawConn, name string) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), name) }); err != nil {
		return err
	}
	return failed
}

// listenOn listens at an address, and on one interface only when it is named. Errors: unavailable.
func listenOn(ctx context.Context, addr netip.AddrPort, iface string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if iface == "" {
			return nil
		}
		return onDescriptor(raw, iface)
	}}
	l, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fault.Unavailable("netboot cannot listen on %s: %w; --netboot-http gives another address or port", addr, err)
	}
	return newFew(l), nil
}

// neighbour is the address of the network card that packets of an IP address on an interface come from, as the kernel learnt it; "" when
// it comes through a router, or is not known.
func neighbour(table string, ip netip.Addr) string {
	for _, line := range strings.Split(table, "\n") {
		f := strings.Fields(line) // address, type, flags, card, mask, interface
		if len(f) >= 6 && f[0] == ip.String() && f[2] != "0x0" && f[3] != "00:00:00:00:00:00" {
			return strings.ToLower(f[3])
		}
	}
	return ""
}
