package power

import (
	"bytes"
	"context"
	"net"
	"syscall"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// wol wakes a machine and can do nothing else. It holds no connection.
type wol struct {
	address string
	packet  []byte
}

// copies of the magic packet: it is not acknowledged, and switches drop the first ones
// to a port that has just come up.
const copies = 3

func openWOL(t Target) (Controller, error) {
	mac, err := net.ParseMAC(t.MAC)
	if err != nil || len(mac) != 6 {
		return nil, fault.Invalid("%q is not the MAC address of a network port; write it as 00:11:22:33:44:55", t.MAC)
	}
	address, err := withPort(t.Address, "9")
	if err != nil {
		return nil, err
	}
	return &wol{address: address, packet: magic(mac)}, nil
}

// magic is the packet of AMD's Magic Packet Technology (publication 20213): six times FF, then the
// address sixteen times; 102 bytes.
func magic(mac net.HardwareAddr) []byte {
	return append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac, 16)...)
}

func (w *wol) Status(context.Context) (string, error) { return outofband.Unknown, nil }

// On sends the packet. Nobody answers: that the machine runs is seen when its agent reports.
func (w *wol) On(ctx context.Context) error {
	conn, err := (&net.Dialer{Control: allowBroadcast}).DialContext(ctx, "udp", w.address)
	if err != nil {
		return fault.Unavailable("send the wake-up packet to %s: %w", w.address, err)
	}
	defer conn.Close()
	for range copies {
		if _, err := conn.Write(w.packet); err != nil {
			return fault.Unavailable("send the wake-up packet to %s: %w", w.address, err)
		}
	}
	return nil
}

func allowBroadcast(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// wake is TurnOn for a machine that cannot be asked whether it runs.
func (w *wol) wake(ctx context.Context, boot Boot, say func(string)) (bool, error) {
	if boot.Device != "" {
		if err := w.NextBoot(ctx, boot); err != nil {
			return false, err
		}
	}
	say("sending the wake-up packet; it is not confirmed until the agent reports")
	if err := w.On(ctx); err != nil {
		return false, err
	}
	return true, nil
}

func (w *wol) SoftOff(context.Context) error {
	return fault.Refused("Wake-on-LAN cannot turn a server off; its agent does, or a person")
}

func (w *wol) HardOff(context.Context) error {
	return fault.Refused("Wake-on-LAN cannot take the power away; a person does")
}

func (w *wol) NextBoot(context.Context, Boot) error {
	return fault.Refused("Wake-on-LAN cannot choose the boot device; a person sets the boot order in the firmware, or the agent the next boot")
}

func (w *wol) Inventory(context.Context) (outofband.Chassis, error) {
	return outofband.Chassis{}, fault.Refused("Wake-on-LAN has no management controller to take an inventory of; the agent reports the machine's")
}

func (w *wol) Close() error { return nil }

// withPort adds the usual port to host[:port]; an IPv6 address may stand with or
// without brackets.
func withPort(address, port string) (string, error) {
	if address == "" {
		return "", fault.Invalid("the address is empty; write host or host:port")
	}
	if net.ParseIP(address) != nil {
		return net.JoinHostPort(address, port), nil
	}
	if host, given, err := net.SplitHostPort(address); err == nil {
		return net.JoinHostPort(host, given), nil
	}
	host := address
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if _, _, err := net.SplitHostPort(net.JoinHostPort(host, port)); err != nil || bytes.ContainsAny([]byte(host), "/[]@ ") {
		return "", fault.Invalid("%q is not an address; write host or host:port", address)
	}
	return net.JoinHostPort(host, port), nil
}
