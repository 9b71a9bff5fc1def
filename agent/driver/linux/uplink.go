package linux

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Uplink implements driver.Jumper.
func (m *Machine) Uplink(local netip.Addr) (driver.Uplink, error) {
	var u driver.Uplink
	link, address, err := holder(local)
	if err != nil {
		return u, err
	}
	if address.Flags&unix.IFA_F_PERMANENT != 0 {
		ones, _ := address.Mask.Size()
		u.Address = netip.PrefixFrom(local, ones)
		u.Gateway = m.router(link.Attrs().Name, local)
	}
	u.VLAN, u.MAC = m.below(link)
	return u, nil
}

// holder finds the interface that has an address.
func holder(local netip.Addr) (netlink.Link, *netlink.Addr, error) {
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fault.Unavailable("the kernel does not tell its addresses: %w", err)
	}
	i := slices.IndexFunc(list, func(a netlink.Addr) bool {
		at, ok := netip.AddrFromSlice(a.IP)
		return ok && at.Unmap() == local
	})
	if i < 0 {
		return nil, nil, fault.NotFound("no network card has the address %s", local)
	}
	link, err := netlink.LinkByIndex(list[i].LinkIndex)
	if err != nil {
		return nil, nil, fault.Unavailable("the kernel does not tell of the card with the address %s: %w", local, err)
	}
	return link, &list[i], nil
}

// router is the default gateway of the address's family on an interface; zero when there is none.
func (m *Machine) router(port string, local netip.Addr) netip.Addr {
	name, read := "net/route", gateway4
	if local.Is6() {
		name, read = "net/ipv6_route", gateway6
	}
	table, err := os.ReadFile(filepath.Join(m.prc, name))
	if err != nil {
		return netip.Addr{}
	}
	a, _ := read(table, port)
	return a
}

// maxLayers bounds how deep interfaces lie on others.
const maxLayers = 8

// below goes down from an interface to the card that carries it: through VLANs, bridges and bonds, whose member in use it takes.
func (m *Machine) below(link netlink.Link) (vlan int, mac string) {
	for range maxLayers {
		if v, ok := link.(*netlink.Vlan); ok {
			vlan = v.VlanId
		}
		next := m.member(link)
		if next == nil {
			break
		}
		link = next
	}
	attrs := link.Attrs()
	if hw := attrs.PermHWAddr; len(hw) == 6 {
		return vlan, strings.ToLower(hw.String())
	}
	return vlan, strings.ToLower(attrs.HardwareAddr.String())
}

// member is the interface right below; nil: it is a card.
func (m *Machine) member(link netlink.Link) netlink.Link {
	attrs := link.Attrs()
	if _, ok := link.(*netlink.Vlan); ok {
		return byIndex(attrs.ParentIndex)
	}
	dir := filepath.Join(m.sys, "class/net", attrs.Name)
	if text, err := os.ReadFile(filepath.Join(dir, "bonding/active_slave")); err == nil {
		names := strings.Fields(string(text))
		all, err := os.ReadFile(filepath.Join(dir, "bonding/slaves"))
		if err == nil {
			names = append(names, strings.Fields(string(all))...) // other modes have no active one
		}
		return firstOf(names)
	}
	ports, err := filepath.Glob(filepath.Join(dir, "brif/*"))
	if err != nil || len(ports) == 0 {
		return nil
	}
	var names []string
	for _, p := range ports {
		if _, err := os.Stat(filepath.Join(m.sys, "class/net", filepath.Base(p), "device")); err == nil {
			names = append(names, filepath.Base(p)) // not those of virtual machines
		}
	}
	return firstOf(names)
}

func firstOf(names []string) netlink.Link {
	for _, n := range names {
		if link, err := netlink.LinkByName(n); err == nil {
			return link
		}
	}
	return nil
}

func byIndex(index int) netlink.Link {
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return nil
	}
	return link
}
