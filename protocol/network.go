package protocol

import (
	"net"
	"net/netip"
	"slices"
	"strings"

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
	VLAN      int      `json:"vlan,omitempty"` // tag of all the addresses; 0: untagged
	Bond      *Bond    `json:"bond,omitempty"` // in place of the one interface
}

// Bond are interfaces that are one to the network.
type Bond struct {
	Mode    string   `json:"mode"`    // one of BondModes
	Members []string `json:"members"` // permanent addresses, at least two
}

// BondModes are those of Linux (kernel document networking/bonding).
var BondModes = []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}

// MaxVLAN is the highest tag of a VLAN (IEEE 802.1Q); 0 and 4095 have another meaning.
const MaxVLAN = 4094

// CheckBond records what is wrong with a bond, under the names that its mode and members have in the request.
func CheckBond(c *fault.Check, b Bond, mode, members string) {
	c.Require(slices.Contains(BondModes, b.Mode), mode, "is %.40q; use %s", b.Mode, strings.Join(BondModes, ", "))
	c.Require(len(b.Members) >= 2 && len(b.Members) <= maxMembers, members, "has %d entries; a bond has 2 to %d", len(b.Members), maxMembers)
	seen := map[string]bool{}
	for _, text := range b.Members {
		mac, err := net.ParseMAC(text)
		if err != nil || len(mac) != 6 {
			c.Add(members, "%.40q is not a hardware address", text)
			continue
		}
		c.Require(!seen[mac.String()], members, "names %s twice", mac)
		seen[mac.String()] = true
	}
}

// maxNetwork bounds the lists of a Network.
const maxNetwork = 64

// maxMembers bounds a bond.
const maxMembers = 16

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
	c.Require(n.VLAN >= 0 && n.VLAN <= MaxVLAN, "vlan", "is %d; use 1 to %d, or 0 for untagged", n.VLAN, MaxVLAN)
	if n.Bond != nil {
		CheckBond(&c, *n.Bond, "bond.mode", "bond.members")
	}
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
