package netboot

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Modes of an interface.
const (
	modeDHCP  = "dhcp"  // this controller gives the addresses of the network
	modeProxy = "proxy" // another server does; only what to boot is told beside it (proxyDHCP)
)

// Interface is a network interface that machines boot from.
type Interface struct {
	Name        string
	Mode        string
	First, Last netip.Addr // dhcp: the addresses that are given
	Gateway     netip.Addr // dhcp: zero tells none
	DNS         []netip.Addr
}

var interfaceName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$`)

const form = "give IFACE=dhcp:FIRST-LAST[,gateway=ADDRESS][,dns=ADDRESS] or IFACE=proxy"

// ParseInterface reads "eth1=dhcp:10.77.0.100-10.77.0.200,gateway=10.77.0.1,dns=10.77.0.1" or "eth1=proxy". Errors: invalid.
func ParseInterface(text string) (Interface, error) {
	name, what, _ := strings.Cut(text, "=")
	mode, rest, _ := strings.Cut(what, ":")
	i := Interface{Name: name, Mode: mode}
	switch {
	case !interfaceName.MatchString(name):
		return i, fault.Invalid("%.40q names no network interface; %s", name, form)
	case mode == modeProxy && rest == "":
		return i, nil
	case mode != modeDHCP:
		return i, fault.Invalid("%.80q is no way to serve interface %s; %s", what, name, form)
	}
	parts := strings.Split(rest, ",")
	first, last, _ := strings.Cut(parts[0], "-")
	var err error
	if i.First, err = address(first); err != nil {
		return i, err
	}
	if i.Last, err = address(last); err != nil {
		return i, err
	}
	if i.Last.Less(i.First) {
		return i, fault.Invalid("the range of interface %s ends at %s, before it begins", name, i.Last)
	}
	for _, p := range parts[1:] {
		if err := i.option(p); err != nil {
			return i, err
		}
	}
	return i, nil
}

func (i *Interface) option(text string) error {
	key, value, _ := strings.Cut(text, "=")
	a, err := address(value)
	switch {
	case key != "gateway" && key != "dns":
		return fault.Invalid("%.40q is no setting of an interface; %s", key, form)
	case err != nil:
		return err
	case key == "dns":
		i.DNS = append(i.DNS, a)
	case i.Gateway.IsValid():
		return fault.Invalid("interface %s has two gateways", i.Name)
	default:
		i.Gateway = a
	}
	return nil
}

func address(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() {
		return a, fault.Invalid("%.40q is no IPv4 address of a machine; %s", text, form)
	}
	return a, nil
}

// ParseInterfaces reads several, each interface once. Errors: invalid.
func ParseInterfaces(texts []string) ([]Interface, error) {
	var list []Interface
	for _, text := range texts {
		i, err := ParseInterface(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(o Interface) bool { return o.Name == i.Name }) {
			return nil, fault.Invalid("interface %s is given twice", i.Name)
		}
		list = append(list, i)
	}
	return list, nil
}
