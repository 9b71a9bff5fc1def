package main

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
)

// forever is a lease that does not end (RFC 2131: all bits set).
const forever = time.Duration(1<<32-1) * time.Second

// settings is what a DHCP answer means for a card.
type settings struct {
	Address *net.IPNet
	Length  time.Duration
	Router  net.IP // nil: none
	Routes  []route
	Names   []net.IP
	Domain  string
	MTU     int // 0: as it is
}

type route struct {
	To      *net.IPNet
	Through net.IP // nil: on the wire
}

// usable refuses an answer that would leave the card without a working address.
func usable(a *dhcpv4.DHCPv4) error {
	ip, mask := a.YourIPAddr.To4(), a.SubnetMask()
	ones, bits := mask.Size()
	switch {
	case ip == nil || !ip.IsGlobalUnicast():
		return fmt.Errorf("the DHCP server offers %v, which is no address of a machine", a.YourIPAddr)
	case mask != nil && (bits != 32 || ones == 0):
		return fmt.Errorf("the DHCP server offers the netmask %v, which is none", mask)
	case a.IPAddressLeaseTime(time.Hour) < 10*time.Second:
		return errors.New("the DHCP server offers an address for less than ten seconds")
	}
	return nil
}

var domainName = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}$`)

// settingsOf reads an answer that is usable. Without a netmask the class of the address tells it.
func settingsOf(a *dhcpv4.DHCPv4) settings {
	mask := a.SubnetMask()
	if mask == nil {
		mask = a.YourIPAddr.DefaultMask()
	}
	s := settings{
		Address: &net.IPNet{IP: a.YourIPAddr.To4(), Mask: mask}, Length: a.IPAddressLeaseTime(time.Hour), Names: a.DNS(),
	}
	if domainName.MatchString(a.DomainName()) {
		s.Domain = a.DomainName()
	}
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, a.Options); err == nil && mtu >= 576 {
		s.MTU = int(mtu)
	}
	// With classless routes the router is to be ignored (RFC 3442).
	for _, r := range a.ClasslessStaticRoute() {
		through := r.Router
		if through.IsUnspecified() {
			through = nil
		}
		s.Routes = append(s.Routes, route{r.Dest, through})
		if ones, _ := r.Dest.Mask.Size(); ones == 0 {
			s.Router = through
		}
	}
	if routers := a.Router(); len(s.Routes) == 0 && len(routers) > 0 && !routers[0].IsUnspecified() {
		s.Router = routers[0]
		s.Routes = []route{{&net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, routers[0]}}
	}
	return s
}

// String tells it to a technician.
func (s settings) String() string {
	text := s.Address.String()
	if s.Router != nil {
		text += fmt.Sprintf(", router %v", s.Router)
	} else {
		text += ", no router: only this network is reached"
	}
	for i, n := range s.Names {
		if i == 0 {
			text += ", names from " + n.String()
		} else {
			text += " and " + n.String()
		}
	}
	return text
}

// metric of every route: what the agent sets for a customer who repairs his system comes before it.
const metric = 1024

// namesFile is where programs look for whom to ask for names. A test has its own.
var namesFile = "/etc/resolv.conf"

// apply sets a card and says whom to ask for names.
func (s settings) apply(name string) error {
	return errors.Join(s.set(name), writeNames(namesFile, s.Domain, s.Names))
}

// prolong sets a card again. Whom to ask for names is left as it is, unless that is new: somebody may have chosen others.
func (s settings) prolong(name string, before settings) error {
	if s.Domain == before.Domain && slices.EqualFunc(s.Names, before.Names, net.IP.Equal) {
		return s.set(name)
	}
	return s.apply(name)
}

// set sets a card.
func (s settings) set(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if s.MTU != 0 && s.MTU != link.Attrs().MTU {
		_ = netlink.LinkSetMTU(link, s.MTU) // a card that cannot is still useful
	}
	addr := &netlink.Addr{IPNet: s.Address}
	if s.Length < forever {
		addr.ValidLft, addr.PreferedLft = int(s.Length.Seconds()), int(s.Length.Seconds())
	}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("set the address: %w", err)
	}
	var failed []error
	for _, r := range s.Routes {
		failed = append(failed, r.add(link))
	}
	return errors.Join(failed...)
}

func (r route) add(link netlink.Link) error {
	nr := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: r.To, Gw: r.Through, Priority: metric}
	if r.Through == nil {
		nr.Scope = netlink.SCOPE_LINK
	} else {
		nr.Flags = int(netlink.FLAG_ONLINK) // some networks have their router outside the netmask
	}
	if err := netlink.RouteReplace(nr); err != nil {
		return fmt.Errorf("set the route to %v: %w", r.To, err)
	}
	return nil
}

// remove takes the address away, and with it the routes.
func (s settings) remove(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.AddrDel(link, &netlink.Addr{IPNet: s.Address})
}
