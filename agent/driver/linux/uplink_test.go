package linux

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

// alone runs work in a network of its own, which goes with it.
func alone(t *testing.T, work func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("a network namespace needs root")
		}
		t.Skip("a network namespace needs root")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = work()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// has gives an interface an address, for some seconds or for ever.
func has(name, address string, seconds int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	addr.ValidLft, addr.PreferedLft, addr.Flags = seconds, seconds, unix.IFA_F_NODAD
	return errors.Join(netlink.LinkSetUp(link), netlink.AddrReplace(link, addr))
}

// TestB34_TheCardBehindAnAddressIsFound: whatever lies between, the RAM environment is told the card itself, and the address only where it
// does not end.
func TestB34_TheCardBehindAnAddressIsFound(t *testing.T) {
	m := tree(t, map[string]string{
		"sys/class/net/bond7/bonding/active_slave": "eth7", "sys/class/net/bond7/bonding/slaves": "peer7 eth7",
		"sys/class/net/bond8/bonding/active_slave": "", "sys/class/net/bond8/bonding/slaves": "eth7 peer7",
		"sys/class/net/br7/brif/aaa7": "", "sys/class/net/br7/brif/eth7": "", "sys/class/net/eth7/device": "",
		"sys/class/net/br8/brif/aaa7": "",
	})
	m.prc = "/proc/thread-self"
	mac, own := "02:00:00:00:00:07", "02:00:00:00:00:08"
	alone(t, func() error {
		attrs := func(name, mac string) netlink.LinkAttrs {
			a := netlink.NewLinkAttrs()
			a.Name = name
			a.HardwareAddr, _ = net.ParseMAC(mac)
			return a
		}
		peer, _ := net.ParseMAC("02:00:00:00:00:09")
		made := []error{netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs("eth7", mac), PeerName: "peer7", PeerHardwareAddr: peer}), has("peer7", "192.0.2.1/32", 0)}
		for _, name := range []string{"bond7", "bond8", "br7", "br8"} {
			made = append(made, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs(name, own)}))
		}
		made = append(made, has("eth7", "10.9.0.7/24", 0), has("eth7", "10.9.0.8/24", 3600), has("eth7", "2001:db8::7/64", 0),
			has("bond7", "10.9.1.7/24", 0), has("bond8", "10.9.2.7/24", 0), has("br7", "10.9.3.7/24", 0), has("br8", "10.9.4.7/24", 0),
			netlink.RouteAdd(&netlink.Route{Gw: net.IPv4(10, 9, 0, 1)}), netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, Gw: net.ParseIP("2001:db8::1")}))
		if err := errors.Join(made...); err != nil {
			return err
		}
		for what, want := range map[string]struct {
			address string
			driver.Uplink
		}{
			"a card":                          {"10.9.0.7", driver.Uplink{MAC: mac, Address: netip.MustParsePrefix("10.9.0.7/24"), Gateway: netip.MustParseAddr("10.9.0.1")}},
			"a lease":                         {"10.9.0.8", driver.Uplink{MAC: mac}},
			"IPv6":                            {"2001:db8::7", driver.Uplink{MAC: mac, Address: netip.MustParsePrefix("2001:db8::7/64"), Gateway: netip.MustParseAddr("2001:db8::1")}},
			"a bond: the member in use":       {"10.9.1.7", driver.Uplink{MAC: mac, Address: netip.MustParsePrefix("10.9.1.7/24")}},
			"one that uses all: the first":    {"10.9.2.7", driver.Uplink{MAC: mac, Address: netip.MustParsePrefix("10.9.2.7/24")}},
			"a bridge: the port with a card":  {"10.9.3.7", driver.Uplink{MAC: mac, Address: netip.MustParsePrefix("10.9.3.7/24")}},
			"a bridge of machines: no card":   {"10.9.4.7", driver.Uplink{MAC: own, Address: netip.MustParsePrefix("10.9.4.7/24")}},
			"the other end of the same cable": {"192.0.2.1", driver.Uplink{MAC: peer.String(), Address: netip.MustParsePrefix("192.0.2.1/32")}},
		} {
			if got, err := m.Uplink(netip.MustParseAddr(want.address)); err != nil || got != want.Uplink {
				t.Errorf("%s: %+v %v, want %+v", what, got, err, want.Uplink)
			}
		}
		if _, err := m.Uplink(netip.MustParseAddr("10.9.9.9")); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("an address that nobody has: %v", err)
		}
		return nil
	})
}
