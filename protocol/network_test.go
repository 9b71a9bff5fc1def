package protocol

import (
	"errors"
	"slices"
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
	} {
		n := goodNetwork()
		spoil(&n)
		var f *fault.Fault
		if err := n.Validate(); !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
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
