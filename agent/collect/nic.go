package collect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// nics reads the Ethernet ports from /sys/class/net; the live kernel is asked for
// the rest.
func (c *Collector) nics(ctx context.Context) finding {
	names, err := c.tree.list("sys/class/net")
	if err != nil {
		return trouble("/sys/class/net", err)
	}
	permanent := c.bondedMACs()
	var found []hardware.NIC
	usb := 0
	for _, name := range names {
		n, kind := c.nic(name)
		switch kind {
		case portUSB:
			usb++
		case portReal:
			n.PermanentMAC = cmp.Or(permanent[name], n.PermanentMAC)
			found = append(found, n)
		}
	}
	f := finding{state: hardware.SectionOK}
	if c.tree.live() {
		if err := askKernel(ctx, found); err != nil {
			f.state, f.detail = hardware.SectionPartial, "addresses or link modes are missing: "+err.Error()
		}
	} else if len(found) > 0 {
		f.state, f.detail = hardware.SectionPartial, "read from a copy: addresses and supported speeds are not known"
	}
	if usb > 0 {
		f.detail = strings.TrimPrefix(fmt.Sprintf("%s; left out on USB (of a BMC, usually): %d", f.detail, usb), "; ")
	}
	if len(found) == 0 {
		f.state, f.detail = hardware.SectionAbsent, "there is no Ethernet port"
	}
	f.set = func(to *hardware.Inventory) { to.NICs = found }
	return f
}

type portKind int

const (
	portNone portKind = iota // a bridge, a bond, a tunnel, a container's end, a virtual function
	portReal
	portUSB // BMCs offer one, with the same MAC on every machine of a series
)

// nic reads one interface.
func (c *Collector) nic(name string) (hardware.NIC, portKind) {
	dir := "sys/class/net/" + name + "/"
	where, err := c.tree.real("sys/class/net/" + name)
	kind := c.tree.text(dir + "type")
	switch {
	case err != nil, name == "lo", strings.Contains(where, "/virtual/"), kind != "" && kind != "1": // ARPHRD_ETHER
		return hardware.NIC{}, portNone
	case strings.Contains(where, "/usb"):
		return hardware.NIC{}, portUSB
	case c.tree.exists(dir + "device/physfn"):
		return hardware.NIC{}, portNone
	case !strings.HasPrefix(where, "sys/devices/") && !c.tree.exists(dir+"device"):
		return hardware.NIC{}, portNone
	}
	n := hardware.NIC{
		Name:       name,
		MAC:        mac(c.tree.text(dir + "address")),
		Driver:     c.tree.base(dir + "device/driver"),
		PCIAddress: lastPCI(where),
		SpeedMbps:  int(min(c.tree.number(dir+"speed"), 1<<24)),
		Link:       c.tree.text(dir+"carrier") == "1",
		Addresses:  []string{},
	}
	if n.Driver == "" && n.PCIAddress != "" {
		n.Driver = c.tree.base("sys/bus/pci/devices/" + n.PCIAddress + "/driver")
	}
	if !n.Link {
		n.SpeedMbps = 0
	}
	if c.tree.text(dir+"addr_assign_type") == "0" { // NET_ADDR_PERM: the current one is burnt in
		n.PermanentMAC = n.MAC
	}
	return n, portReal
}

// Ports names the Ethernet ports that the inventory lists: those to listen on for
// LLDP.
func (c *Collector) Ports() []string {
	names, err := c.tree.list("sys/class/net")
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, kind := c.nic(name)
		return kind != portReal
	})
}

// mac returns an Ethernet address in lower case; none for zeros and other kinds.
func mac(s string) string {
	s = strings.ToLower(s)
	if len(s) != 17 || strings.Trim(s, "0:") == "" || strings.Trim(s, "f:") == "" || strings.Trim(s, "0123456789abcdef:") != "" {
		return ""
	}
	return s
}

// bondedMACs reads what bonds remember of their ports' own addresses.
func (c *Collector) bondedMACs() map[string]string {
	macs := map[string]string{}
	bonds, _ := c.tree.list("proc/net/bonding")
	for _, bond := range bonds {
		port := ""
		for line := range strings.Lines(c.tree.text("proc/net/bonding/" + bond)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "Slave Interface":
				port = value
			case "Permanent HW addr":
				macs[port] = mac(value)
			}
		}
	}
	return macs
}

// lldp joins what a listener heard.
func (c *Collector) lldp(ports []hardware.NIC) reader {
	names := make([]string, len(ports))
	for i, n := range ports {
		names[i] = n.Name
	}
	return func(context.Context) finding {
		if c.options.Neighbour == nil || !c.tree.live() {
			return finding{state: hardware.SectionAbsent, detail: "nobody listens for LLDP here"}
		}
		heard := map[string]hardware.Neighbour{}
		for _, name := range names {
			if n, ok := c.options.Neighbour(name); ok {
				heard[name] = n
			}
		}
		f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) {
			for i := range to.NICs {
				if n, ok := heard[to.NICs[i].Name]; ok {
					to.NICs[i].LLDP = &n
				}
			}
		}}
		if missing := slices.DeleteFunc(names, func(name string) bool { _, ok := heard[name]; return ok }); len(missing) > 0 {
			f.state, f.detail = hardware.SectionPartial, "no neighbour was heard on "+strings.Join(missing, ", ")
		}
		return f
	}
}
