package rescue

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/protocol"
)

// kernel sets the network of this machine.
type kernel struct{}

// names is the file that says whom to ask for names.
const names = "/etc/resolv.conf"

// Addresses implements Wire.
func (kernel) Addresses(n protocol.Network) (at []netip.Addr, err error) {
	card, err := cardOf(n.MAC)
	if err != nil {
		return nil, err
	}
	for _, text := range n.Addresses {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		// Nobody else has the address: the pools see to that. So it need not be asked for before it is used.
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(card, a); err != nil {
			return nil, fmt.Errorf("give %s the address %s: %w", card.Attrs().Name, text, err)
		}
		at = append(at, p.Addr())
	}
	return at, nil
}

// Routes implements Wire. A gateway need not be in a subnet of the card.
func (kernel) Routes(n protocol.Network) error {
	card, err := cardOf(n.MAC)
	if err != nil {
		return err
	}
	var failed []error
	for _, gateway := range []string{n.Gateway4, n.Gateway6} {
		if gateway == "" {
			continue
		}
		through, err := netip.ParseAddr(gateway)
		if err != nil {
			return err
		}
		failed = append(failed, lead(card, through, sourceOf(n, through)))
	}
	return errors.Join(append(failed, os.WriteFile(names, []byte(resolv(n.DNS)), 0o644))...)
}

// lead sends everything through a gateway, with the address that the service has. What the boot server's route says comes after it.
func lead(card netlink.Link, through, source netip.Addr) error {
	all := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	if through.Is6() {
		all = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	r := &netlink.Route{
		LinkIndex: card.Attrs().Index, Dst: all, Gw: through.AsSlice(), Flags: int(netlink.FLAG_ONLINK), Priority: 10,
	}
	if source.IsValid() {
		r.Src = source.AsSlice()
	}
	if err := netlink.RouteReplace(r); err != nil {
		return fmt.Errorf("lead through %s: %w", through, err)
	}
	return nil
}

// sourceOf is the first address of the service in the gateway's family.
func sourceOf(n protocol.Network, through netip.Addr) (a netip.Addr) {
	for _, text := range n.Addresses {
		if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Is4() == through.Is4() {
			return p.Addr()
		}
	}
	return a
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func resolv(servers []string) string {
	var b strings.Builder
	for _, s := range servers {
		b.WriteString("nameserver " + s + "\n")
	}
	return b.String()
}

// cardOf finds the card with a permanent address; "" is the only one that has a link.
func cardOf(mac string) (netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	links = slices.DeleteFunc(links, func(l netlink.Link) bool { return l.Attrs().EncapType != "ether" })
	if mac == "" {
		links = slices.DeleteFunc(links, func(l netlink.Link) bool { return l.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 })
		if len(links) != 1 {
			return nil, fmt.Errorf("%d network cards have a link, and it is not said which one is meant", len(links))
		}
		return links[0], nil
	}
	for _, l := range links {
		if a := l.Attrs(); strings.EqualFold(a.PermHWAddr.String(), mac) || strings.EqualFold(a.HardwareAddr.String(), mac) {
			return l, netlink.LinkSetUp(l)
		}
	}
	return nil, fmt.Errorf("no network card has the address %s", mac)
}
