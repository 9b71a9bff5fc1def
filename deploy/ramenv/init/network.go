package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	headStart = 20 * time.Second // for the card that was booted from
	lookAgain = 250 * time.Millisecond
	tellEvery = 15 * time.Second
	perTry    = 3 * time.Second
	tries     = 3
)

// card is a network card with a device behind it.
type card struct {
	Name, MAC string
	Carrier   bool
}

// cards lists them, and switches those on that are off.
func cards(sys string) []card {
	paths, _ := filepath.Glob(filepath.Join(sys, "class/net/*/device"))
	var list []card
	for _, p := range paths {
		link, err := netlink.LinkByName(filepath.Base(filepath.Dir(p)))
		if err != nil || link.Attrs().EncapType != "ether" {
			continue
		}
		if link.Attrs().Flags&net.FlagUp == 0 {
			_ = netlink.LinkSetUp(link)
		}
		list = append(list, card{
			Name: link.Attrs().Name, MAC: link.Attrs().HardwareAddr.String(),
			Carrier: link.Attrs().RawFlags&unix.IFF_LOWER_UP != 0,
		})
	}
	return list
}

func untagged() []card { return cards("/sys") }

// won is an address that a DHCP server gave.
type won struct {
	card  card
	lease *nclient4.Lease
}

// keepNetwork gets an address and keeps it; connected is called whenever there is one. It returns when it was told the
// address and has set it: nobody else gives that one away.
func keepNetwork(ctx context.Context, s *screen, w wish, connected func()) {
	if lo, err := netlink.LinkByName("lo"); err == nil {
		_ = netlink.LinkSetUp(lo)
	}
	port, mac := untagged, w.MAC
	if w.VLAN != 0 || w.Address.IsValid() {
		c, err := told(s, w)
		switch {
		case err != nil:
			s.say("Network: what the former system told of it cannot be used: %v. The network is asked instead.", err)
		case w.Address.IsValid():
			connected()
			return
		default:
			port, mac = func() []card { return tagged(c) }, ""
		}
	}
	keepLease(ctx, s, port, mac, connected)
}

// keepLease gets an address from a DHCP server on one of the ports and keeps it, and gets another one when that is lost. It never returns.
func keepLease(ctx context.Context, s *screen, ports func() []card, mac string, connected func()) {
	for {
		got := acquire(ctx, s, ports, mac)
		set := settingsOf(got.lease.ACK)
		if err := set.apply(got.card.Name); err != nil {
			s.say("Network: the address %v on %s cannot be set: %v", set.Address, got.card.Name, err)
			time.Sleep(tellEvery)
			continue
		}
		s.say("Network: %s (%s) has %s", got.card.Name, got.card.MAC, set)
		connected()
		why := holder{s, got.card.extend, func(now, before settings) error { return now.prolong(got.card.Name, before) }}.hold(ctx, got.lease)
		_ = set.remove(got.card.Name)
		s.say("Network: the address %v is lost: %v. A new one is asked for.", set.Address, why)
	}
}

// waitIPv6 waits until the kernel has made itself an address from what a router announces.
func waitIPv6(s *screen) {
	for {
		list, _ := netlink.AddrList(nil, netlink.FAMILY_V6)
		for _, a := range list {
			if a.IP.IsGlobalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
				s.say("Network: the routers here give this machine the address %v", a.IP)
				return
			}
		}
		time.Sleep(lookAgain)
	}
}

// acquire asks on the card that was booted from, later on all of them side by side. The first address counts.
func acquire(ctx context.Context, s *screen, ports func() []card, mac string) won {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	found := make(chan won)
	failed := make(chan error)
	asked := map[string]bool{}
	why := ""
	var told time.Time
	changes := make(chan netlink.LinkUpdate, 16)
	_ = netlink.LinkSubscribe(changes, ctx.Done()) // where the kernel does not tell, the clock does
	for began := time.Now(); ; {
		list := ports()
		for _, c := range chosen(list, mac, time.Since(began)) {
			if c.Carrier && !asked[c.Name] {
				asked[c.Name] = true
				asking.Go(func() { ask(ctx, c, found, failed) })
			}
		}
		if time.Since(began) > 8*time.Second && time.Since(told) > tellEvery {
			told = time.Now()
			s.say("Network: %s", waitingFor(list, asked, mac)+why)
		}
		select {
		case w := <-found:
			return w
		case err := <-failed:
			why = fmt.Sprintf(" (%v)", err)
		case _, more := <-changes:
			if !more {
				changes = nil
			}
		case <-time.After(lookAgain):
		}
	}
}

// chosen are the cards to ask on by now.
func chosen(list []card, mac string, since time.Duration) []card {
	booted := slices.IndexFunc(list, func(c card) bool { return c.MAC == mac })
	switch {
	case mac == "" || since > headStart:
		return list
	case booted < 0:
		return nil // its driver may still be at work
	}
	return list[booted : booted+1]
}

// waitingFor tells a technician what to look at.
func waitingFor(list []card, asked map[string]bool, mac string) string {
	if len(list) == 0 {
		return "no network card is seen. Its driver may need firmware that this environment does not have, or the card is switched off in the machine's set-up."
	}
	var waiting, dark []string
	known := mac == ""
	for _, c := range list {
		known = known || c.MAC == mac
		if asked[c.Name] {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", c.Name, c.MAC))
		} else if !c.Carrier {
			dark = append(dark, fmt.Sprintf("%s (%s)", c.Name, c.MAC))
		}
	}
	text := ""
	if len(waiting) > 0 {
		text = fmt.Sprintf("waiting for an address on %s: no DHCP server answers yet. Look at the switch port's VLAN and at the DHCP server.", strings.Join(waiting, ", "))
	}
	if len(dark) > 0 {
		text += fmt.Sprintf(" No cable or no link: %s.", strings.Join(dark, ", "))
	}
	if !known {
		text += fmt.Sprintf(" The card that was booted from (%s) is not seen.", mac)
	}
	return text
}

// ask asks on one card until somebody else has found an address.
func ask(ctx context.Context, c card, found chan<- won, failed chan<- error) {
	for ctx.Err() == nil {
		lease, err := request(ctx, c)
		if err == nil {
			select {
			case found <- won{c, lease}:
			case <-ctx.Done():
			}
			return
		}
		select {
		case failed <- fmt.Errorf("%s: %w", c.Name, err):
		case <-ctx.Done():
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func request(ctx context.Context, c card) (*nclient4.Lease, error) {
	client, err := nclient4.New(c.Name, nclient4.WithTimeout(perTry), nclient4.WithRetry(tries))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	lease, err := client.Request(ctx, asUs(c)...)
	if err == nil {
		err = usable(lease.ACK)
	}
	return lease, err
}

// asUs is how we call ourselves: as the firmware did, so that the machine keeps its address.
func asUs(c card) []dhcpv4.Modifier {
	mac, _ := net.ParseMAC(c.MAC)
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClientIdentifier(append([]byte{1}, mac...))),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("steelyard-ram")),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName,
			dhcpv4.OptionInterfaceMTU, dhcpv4.OptionClasslessStaticRoute),
	}
}

// writeNames tells the programs of the machine whom to ask for names.
func writeNames(path string, domain string, servers []net.IP) error {
	text := ""
	if domain != "" {
		text = "search " + domain + "\n"
	}
	for _, s := range servers {
		text += "nameserver " + s.String() + "\n"
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
