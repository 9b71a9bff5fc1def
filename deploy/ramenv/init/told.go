package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cardWithin is how long the driver of a known card is waited for.
const cardWithin = time.Minute

// told sets the network as the system that started this one had it: the card, the VLAN on it, and the address if there is one. It
// worked seconds ago, so that it is tried before the network is asked.
func told(s *screen, w wish) (card, error) {
	c, err := cardOf(w.MAC)
	if err != nil {
		return c, err
	}
	if w.VLAN != 0 {
		if c, err = tag(c, w.VLAN); err != nil {
			return c, err
		}
	}
	if !w.Address.IsValid() {
		return c, nil
	}
	set := fixed(w.Address, w.Gateway)
	if err := set.apply(c.Name); err != nil {
		return c, err
	}
	s.say("Network: %s (%s) has %s, as the system had that started this one", c.Name, c.MAC, set)
	return c, nil
}

// cardOf waits until a card is there and has a link, but not for ever: without an address, for the first one with a link.
func cardOf(mac string) (card, error) {
	for began := time.Now(); ; time.Sleep(lookAgain) {
		for _, c := range untagged() {
			if c.Carrier && (mac == "" || c.MAC == mac) {
				return c, nil
			}
		}
		if time.Since(began) > cardWithin {
			return card{}, fmt.Errorf("the card %s is not seen or has no link", mac)
		}
	}
}

// tag makes the interface of a VLAN on a card.
func tag(c card, vlan int) (card, error) {
	parent, err := netlink.LinkByName(c.Name)
	if err != nil {
		return c, err
	}
	name := fmt.Sprintf("vlan%d", vlan)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, parent.Attrs().Index
	if err := netlink.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: vlan, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}); err != nil && !errors.Is(err, unix.EEXIST) {
		return c, fmt.Errorf("make VLAN %d on %s: %w", vlan, c.Name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return c, err
	}
	c.Name = name
	return c, netlink.LinkSetUp(link)
}

// tagged is what there is to ask on when there is a VLAN.
func tagged(c card) []card {
	link, err := netlink.LinkByName(c.Name)
	if err != nil {
		return nil
	}
	c.Carrier = link.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
	return []card{c}
}

// fixed are the settings of an address that does not end.
func fixed(address netip.Prefix, gateway netip.Addr) settings {
	bits := address.Addr().BitLen()
	s := settings{Address: &net.IPNet{IP: address.Addr().AsSlice(), Mask: net.CIDRMask(address.Bits(), bits)}, Length: forever}
	if gateway.IsValid() {
		s.Router = gateway.AsSlice()
		s.Routes = []route{{&net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}, s.Router}}
	}
	return s
}
