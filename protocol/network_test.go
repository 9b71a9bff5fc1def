package protocol

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func goodNetwork() Network {
	return Network{
		MAC: "02:00:00:00:00:01", Addresses: []string{"192.0.2.7/24", "2001:db8:0:7::1/64"},
		Gateway4: "192.0.2.1", Gateway6: "fe80::1", DNS: []string{"2001:db8::53", "192.0.2.53"},
	}
}

func TestB43_ANetworkThatCannotBeUsedIsRefused(t *testing.T) {
	var none *Network
	good := goodNetwork()
	if err := errors.Join(none.Validate(), good.Validate()); err != nil {
		t.Errorf("a good network is refused: %v", err)
	}
	for field, spoil := range map[string]func(*Network){
		"mac":       func(n *Network) { n.MAC = "eth0; reboot" },
		"addresses": func(n *Network) { n.Addresses = []string{"192.0.2.7"} },
		"dns":       func(n *Network) { n.DNS = []string{"::ffff:192.0.2.1"} },
		"gateway4":  func(n *Network) { n.Gateway4 = "fe80::1" },
		"gateway6":  func(n *Network) { n.Gateway6 = "fe80::1%eth0" },
		"vlan":      func(n *Network) { n.VLAN = 4095 },
		"bond.mode": func(n *Network) {
			n.Bond = &Bond{Mode: "lacp", Members: []string{"02:00:00:00:00:01", "02:00:00:00:00:02"}}
		},
	} {
		n := goodNetwork()
		spoil(&n)
		var f *fault.Fault
		if err := n.Validate(); !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for members, wrong := range map[string]int{
		"02:00:00:00:00:01 02:00:00:00:00:02": 0, "02:00:00:00:00:01": 1, "02:00:00:00:00:01 02-00-00-00-00-01": 1, "02:00:00:00:00:01 eth1": 1, "": 1,
		"02:00:00:00:00:01 02:00:00:00:00:02:03:04": 1,
	} {
		var c fault.Check
		CheckBond(&c, Bond{Mode: "802.3ad", Members: strings.Fields(members)}, "mode", "members")
		var f *fault.Fault
		if err := c.Err("no bond"); wrong == 0 && err != nil || wrong > 0 && (!errors.As(err, &f) || len(f.Fields) != wrong || f.Fields[0].Name != "members") {
			t.Errorf("%q: %v", members, err)
		}
	}
	empty := goodNetwork()
	empty.Addresses = nil
	many := goodNetwork()
	many.Addresses = slices.Repeat(many.Addresses, 40)
	if empty.Validate() == nil || many.Validate() == nil {
		t.Error("a network without addresses, or with very many, is accepted")
	}
}
