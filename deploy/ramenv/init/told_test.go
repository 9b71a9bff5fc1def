package main

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// TestB34_TheNetworkOfTheFormerSystemIsSet in a machine, for its kernel has VLANs: the words that an agent tells lead to the network by which it
// would tell the same words again.
func TestB34_TheNetworkOfTheFormerSystemIsSet(t *testing.T) {
	const one, two = "52:54:00:79:00:01", "52:54:00:79:00:02"
	if !qemu.Inside() {
		qemu.RunTest(t, qemu.Machine{Modules: []string{"8021q"}, NICs: []qemu.NIC{{MAC: one}, {MAC: two}}})
		return
	}
	namesFile = t.TempDir() + "/resolv.conf"
	s := &screen{}
	s.add(os.Stdout)
	m := linux.New(linux.Options{})
	for _, line := range []string{
		"steelyard.mac=" + two + " steelyard.address=2001:db8::7/64 steelyard.gateway=2001:db8::1 steelyard.vlan=40",
		"steelyard.mac=" + one + " steelyard.address=10.79.0.7/24 steelyard.gateway=10.79.0.1",
		"steelyard.mac=" + two + " steelyard.address=10.79.1.7/24 steelyard.gateway=10.79.1.1 steelyard.vlan=41",
	} {
		w, wrong := parse(line)
		c, err := told(s, w)
		if wrong != nil || err != nil || c.MAC != w.MAC {
			t.Fatalf("%s: %+v, %v, %v", line, c, wrong, err)
		}
		want := driver.Uplink{MAC: w.MAC, Address: w.Address, Gateway: w.Gateway, VLAN: w.VLAN}
		if got, err := m.Uplink(w.Address.Addr()); err != nil || got != want {
			t.Errorf("%s: an agent here would tell %+v, %v", line, got, err)
		}
	}
	if v, err := netlink.LinkByName("vlan40"); err != nil || v.(*netlink.Vlan).VlanId != 40 {
		t.Errorf("%+v %v", v, err)
	}

	// Only the VLAN is known: it is asked on.
	w, _ := parse("steelyard.mac=" + one + " steelyard.vlan=42")
	c, err := told(s, w)
	if err != nil || c.Name != "vlan42" || c.MAC != one {
		t.Fatalf("%+v %v", c, err)
	}
	if ports := tagged(c); len(ports) != 1 || ports[0].Name != "vlan42" || !ports[0].Carrier {
		t.Errorf("%+v", ports)
	}
	if _, err := m.Uplink(netip.MustParseAddr("10.79.2.7")); err == nil || !strings.Contains(err.Error(), "no network card") {
		t.Error(err)
	}
}
