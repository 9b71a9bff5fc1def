package netboot

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// place is an interface with the address under which machines on it reach this controller.
type place struct {
	Interface
	Address netip.Prefix
	Index   int
	URL     string // of the first script
}

// locate finds an interface and its address: the one in whose network the range is, else its first. Errors: invalid.
func locate(i Interface) (place, error) {
	link, err := net.InterfaceByName(i.Name)
	if err != nil {
		return place{}, fault.Invalid("netboot: this machine has no network interface %q; it has %s", i.Name, names())
	}
	if link.Flags&net.FlagUp == 0 {
		return place{}, fault.Invalid("netboot: interface %s is down; run: ip link set %s up", i.Name, i.Name)
	}
	addrs, err := link.Addrs()
	if err != nil {
		return place{}, fault.Unavailable("netboot: read the addresses of interface %s: %w", i.Name, err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() {
			continue
		}
		if i.Mode == modeProxy || p.Contains(i.First) && p.Contains(i.Last) {
			return place{Interface: i, Address: p, Index: link.Index}, i.fits(p)
		}
	}
	if i.Mode == modeProxy {
		return place{}, fault.Invalid("netboot: interface %s has no IPv4 address; machines could not reach this controller there", i.Name)
	}
	return place{}, fault.Invalid("netboot: interface %s has no address in the network of %s to %s; give it one: ip address add %s/24 dev %s",
		i.Name, i.First, i.Last, i.First.Prev(), i.Name)
}

// fits refuses a range that would give away what is not to be given.
func (i Interface) fits(p netip.Prefix) error {
	if i.Mode == modeProxy {
		return nil
	}
	inside := func(a netip.Addr) bool { return !a.Less(i.First) && !i.Last.Less(a) }
	switch {
	case inside(p.Addr()):
		return fault.Invalid("netboot: the range of interface %s holds its own address %s", i.Name, p.Addr())
	case i.Gateway.IsValid() && inside(i.Gateway):
		return fault.Invalid("netboot: the range of interface %s holds the gateway %s", i.Name, i.Gateway)
	case i.Gateway.IsValid() && !p.Contains(i.Gateway):
		return fault.Invalid("netboot: the gateway %s is not in the network %s of interface %s", i.Gateway, p.Masked(), i.Name)
	}
	return nil
}

func names() string {
	links, err := net.Interfaces()
	if err != nil || len(links) == 0 {
		return "none"
	}
	var list []string
	for _, l := range links {
		list = append(list, l.Name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// netmask is that of the network, in dots.
func (p place) netmask() string { return net.IP(net.CIDRMask(p.Address.Bits(), 32)).String() }
