package address

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Network is what a system on a server is handed: its addresses in the order given,
// the gateway of each family, and the resolvers of all their pools. nil when there are no
// addresses. pools holds the pool of each address by id. Refused where the pools are of several VLANs: a system is
// handed one interface.
func Network(held []Address, pools map[string]Pool, mac string, bond *protocol.Bond) (*protocol.Network, error) {
	if len(held) == 0 {
		return nil, nil
	}
	first := pools[held[0].Pool]
	n := &protocol.Network{MAC: mac, VLAN: first.VLAN, Bond: bond}
	for _, a := range held {
		p := pools[a.Pool]
		if p.VLAN != n.VLAN {
			return nil, fault.Refused("its addresses are of pool %s (%s) and pool %s (%s), and a system is handed one interface; release the addresses of one of them, or give both pools the same VLAN",
				first.Name, tagOf(first), p.Name, tagOf(p))
		}
		n.Addresses = append(n.Addresses, a.Address+"/"+strconv.Itoa(subnet(a, p)))
		gateway := &n.Gateway4
		if a.Family == IPv6 {
			gateway = &n.Gateway6
		}
		if *gateway == "" {
			*gateway = p.Gateway
		}
		for _, d := range p.DNS {
			if !slices.Contains(n.DNS, d) {
				n.DNS = append(n.DNS, d)
			}
		}
	}
	return n, nil
}

func tagOf(p Pool) string {
	if p.VLAN == 0 {
		return "untagged"
	}
	return "VLAN " + strconv.Itoa(p.VLAN)
}

// subnet is the length of the subnet of a's address: that of its pool for a single
// address, else its own.
func subnet(a Address, p Pool) int {
	own, err := netip.ParsePrefix(a.Prefix)
	if err != nil {
		return 0
	}
	whole, err := netip.ParsePrefix(p.Prefix)
	if err == nil && own.IsSingleIP() {
		return whole.Bits()
	}
	return own.Bits()
}
