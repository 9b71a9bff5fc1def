package collect

import (
	"net"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestLastingAddresses(t *testing.T) {
	address := func(cidr string, flags int) netlink.Addr {
		ip, prefix, err := net.ParseCIDR(cidr)
		check(t, err)
		return netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: prefix.Mask}, Flags: flags}
	}
	got := lasting([]netlink.Addr{
		address("2001:db8::5/64", unix.IFA_F_PERMANENT), address("192.0.2.7/24", 0), address("fe80::1/64", 0),
		address("2001:db8::bad/64", unix.IFA_F_TEMPORARY), address("2001:db8::01d/64", unix.IFA_F_DEPRECATED), address("192.0.2.7/24", 0),
		{},
	})
	if want := []string{"192.0.2.7/24", "2001:db8::5/64"}; !slices.Equal(got, want) {
		t.Errorf("kept %v; want %v", got, want)
	}
}

// TestKernelAnswersForPorts asks the real kernel about the one port that every
// machine has, and about one that none has.
func TestKernelAnswersForPorts(t *testing.T) {
	ports := []hardware.NIC{{Name: "lo"}}
	if err := askKernel(t.Context(), ports); err != nil || !slices.Contains(ports[0].Addresses, "127.0.0.1/8") {
		t.Errorf("addresses %v, error %v", ports[0].Addresses, err)
	}
	ports = []hardware.NIC{{Name: "no-such-port"}, {Name: "lo"}}
	if err := askKernel(t.Context(), ports); err == nil || len(ports[1].Addresses) == 0 {
		t.Errorf("error %v, addresses of the other port %v", err, ports[1].Addresses)
	}
}

func TestPortsAreTheInventorys(t *testing.T) {
	collector := New(Options{Root: machine(t, "rack-server")})
	if got := collector.Ports(); !slices.Equal(got, []string{"eno1", "eno2"}) {
		t.Errorf("ports %v", got)
	}
}
