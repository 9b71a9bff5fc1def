package protocol

import (
	"net"
	"net/netip"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Network is what an installed system is to use on its first interface. The step that
// configures the written system writes it.
type Network struct {
	MAC       string   `json:"mac,omitempty"` // permanent address of the interface; none: the only one that has a link
	Addresses []string `json:"addresses"`     // with the length of the subnet: "192.0.2.7/24", "2001:db8:0:7::1/64"
	Gateway4  string   `json:"gateway4,omitempty"`
	Gateway6  string   `json:"gateway6,omitempty"` // may be link-local, or on the link but outside of every subnet above
	DNS       []string `json:"dns,omitempty"`
}

// maxNetwork bounds the lists of a Network.
const maxNetwork = 64

// Validate finds everything that is wrong with a network; nil is one that says
// nothing. The fault is invalid.
func (n *Network) Validate() error {
	if n == nil {
		return nil
	}
	var c fault.Check
	if _, err := net.ParseMAC(n.MAC); n.MAC != "" && err != nil {
		c.Add("mac", "%.40q is not a hardware address", n.MAC)
	}
	c.Require(len(n.Addresses) > 0 && len(n.Addresses) <= maxNetwork, "addresses", "has %d entries; 1 to %d are taken", len(n.Addresses), maxNetwork)
	c.Require(len(n.DNS) <= maxNetwork, "dns", "has %d entries; %d are the most", len(n.DNS), maxNetwork)
	for _, text := range n.Addresses {
		p, err := netip.ParsePrefix(text)
		c.Require(err == nil && usable(p.Addr()), "addresses", "%.60q is not an address with the length of its subnet", text)
	}
	checkGateway(&c, "gateway4", n.Gateway4, true)
	checkGateway(&c, "gateway6", n.Gateway6, false)
	for _, text := range n.DNS {
		a, err := netip.ParseAddr(text)
		c.Require(err == nil && usable(a), "dns", "%.60q is not an address", text)
	}
	return c.Err("the network of the installed system cannot be used")
}

func checkGateway(c *fault.Check, field, text string, v4 bool) {
	a, err := netip.ParseAddr(text)
	c.Require(text == "" || err == nil && usable(a) && a.Is4() == v4, field, "%.60q is not an address of that family", text)
}

func usable(a netip.Addr) bool {
	return a.IsValid() && !a.Is4In6() && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast()
}
