package configure

import (
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Names that interfaces get in the written system.
const (
	bondName    = "bond0"
	bondMonitor = 100 // milliseconds between two looks at a member's link
)

// layers tells whether the addresses are on a bond or a VLAN instead of a card.
func (w Wish) layers() bool { return w.bond() != nil || w.vlan() != 0 }

func (w Wish) bond() *protocol.Bond {
	if w.Network == nil {
		return nil
	}
	return w.Network.Bond
}

func (w Wish) vlan() int {
	if w.Network == nil {
		return 0
	}
	return w.Network.VLAN
}

func (w Wish) vlanName() string { return fmt.Sprintf("vlan%d", w.vlan()) }

// members are the cards of the bond, in small letters.
func (w Wish) members() (macs []string) {
	if b := w.bond(); b != nil {
		for _, m := range b.Members {
			macs = append(macs, strings.ToLower(m))
		}
	}
	return macs
}

// top is the interface that has the addresses, where that is no card.
func (w Wish) top() string {
	if w.vlan() != 0 {
		return w.vlanName()
	}
	return bondName
}

// netplanLayers puts the settings of the addresses where they belong in cloud-init's version 2.
func (w Wish) netplanLayers(settings object) object {
	plan, link := object{"version": 2}, "uplink"
	cards, own := object{}, settings
	if w.vlan() != 0 {
		own = object{"dhcp4": false, "dhcp6": false}
	}
	if w.bond() == nil {
		own["match"] = w.match()
		cards["uplink"] = own
	} else {
		link = bondName
		var names []string
		for i, mac := range w.members() {
			name := fmt.Sprintf("member%d", i)
			names = append(names, name)
			cards[name] = object{"match": object{"macaddress": mac}, "dhcp4": false, "dhcp6": false}
		}
		own["interfaces"] = names
		own["parameters"] = object{"mode": w.bond().Mode, "mii-monitor-interval": bondMonitor}
		plan["bonds"] = object{bondName: own}
	}
	plan["ethernets"] = cards
	if w.vlan() != 0 {
		settings["id"], settings["link"] = w.vlan(), link
		plan["vlans"] = object{w.vlanName(): settings}
	}
	return plan
}

// networkdLayers are the files of systemd-networkd below the one with the addresses.
func (w Wish) networkdLayers() (list []file) {
	const dir, head = "etc/systemd/network/", "# Written by Steelyard when the system was installed.\n"
	add := func(name, format string, args ...any) {
		list = append(list, file{dir + name, 0o644, head + fmt.Sprintf(format, args...)})
	}
	over := ""
	if w.vlan() != 0 {
		over = "VLAN=" + w.vlanName() + "\nLinkLocalAddressing=no\n"
		add("10-steelyard-vlan.netdev", "[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%d\n", w.vlanName(), w.vlan())
	}
	if b := w.bond(); b != nil {
		add("10-steelyard-bond.netdev", "[NetDev]\nName=%s\nKind=bond\n\n[Bond]\nMode=%s\nMIIMonitorSec=%dms\n", bondName, b.Mode, bondMonitor)
		for i, mac := range w.members() {
			add(fmt.Sprintf("10-steelyard-member%d.network", i), "[Match]\nPermanentMACAddress=%s\n\n[Network]\nBond=%s\n", mac, bondName)
		}
		if over != "" {
			add("10-steelyard-bond.network", "[Match]\nName=%s\n\n[Network]\n%s", bondName, over)
		}
	} else if over != "" {
		add("10-steelyard-card.network", "%s\n[Network]\n%s", w.networkdMatch(), over)
	}
	return list
}

// ifupdownLayers is a program that ifupdown runs before the interface with the addresses comes up: what makes bonds and VLANs there is in
// packages that an image may lack, and ip is in all of them.
func (w Wish) ifupdownLayers() (list []file) {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Written by Steelyard when the system was installed.\nset -e\n" +
		"card() {\n    for d in /sys/class/net/*; do\n        [ -e \"$d/device\" ] || continue\n" +
		"        if grep -qi \"$1\" \"$d/address\" || ip -o link show \"${d##*/}\" | grep -qi \"permaddr $1\"; then echo \"${d##*/}\"; return; fi\n    done\n" +
		"    echo \"no card has the address $1\" >&2\n    return 1\n}\n")
	lower := "$(card " + w.mac() + ")"
	if bond := w.bond(); bond != nil {
		fmt.Fprintf(&b, "ip link add %s type bond mode %s miimon %d 2>/dev/null || :\n", bondName, bond.Mode, bondMonitor)
		for _, mac := range w.members() {
			fmt.Fprintf(&b, "i=$(card %s)\nip link set \"$i\" down\nip link set \"$i\" master %s\nip link set \"$i\" up\n", mac, bondName)
		}
		lower = bondName
	}
	fmt.Fprintf(&b, "l=%s\nip link set \"$l\" up\n", lower)
	if w.vlan() != 0 {
		fmt.Fprintf(&b, "ip link add link \"$l\" name %s type vlan id %d 2>/dev/null || :\nip link set %s up\n", w.vlanName(), w.vlan(), w.vlanName())
	}
	return []file{{ifupdownProgram, 0o755, b.String()}}
}

const ifupdownProgram = "etc/network/steelyard-uplink"

// keyfileLayers are the connections of NetworkManager below the one with the addresses.
func (w Wish) keyfileLayers() (list []file) {
	const dir, head = "etc/NetworkManager/system-connections/", "# Written by Steelyard when the system was installed.\n"
	if w.bond() == nil {
		return nil
	}
	for i, mac := range w.members() {
		list = append(list, file{fmt.Sprintf("%smember%d.nmconnection", dir, i), 0o600, head +
			fmt.Sprintf("[connection]\nid=member%d\ntype=ethernet\nmaster=%s\nslave-type=bond\nautoconnect-priority=999\n\n[ethernet]\nmac-address=%s\n", i, bondName, mac)})
	}
	if w.vlan() != 0 {
		list = append(list, file{dir + bondName + ".nmconnection", 0o600, head + w.keyfileBond() + "\n[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=disabled\n"})
	}
	return list
}

func (w Wish) keyfileBond() string {
	return fmt.Sprintf("[connection]\nid=%s\ntype=bond\ninterface-name=%s\nautoconnect-priority=999\n\n[bond]\nmode=%s\nmiimon=%d\n", bondName, bondName, w.bond().Mode, bondMonitor)
}

// keyfileTop is the head of the connection with the addresses.
func (w Wish) keyfileTop() string {
	card := ""
	if mac := w.mac(); mac != "" {
		card = "mac-address=" + mac + "\n"
	}
	switch {
	case w.vlan() != 0 && w.bond() != nil:
		return fmt.Sprintf("[connection]\nid=uplink\ntype=vlan\ninterface-name=%s\nautoconnect-priority=999\n\n[vlan]\nid=%d\nparent=%s\n", w.vlanName(), w.vlan(), bondName)
	case w.vlan() != 0:
		return fmt.Sprintf("[connection]\nid=uplink\ntype=vlan\ninterface-name=%s\nautoconnect-priority=999\n\n[vlan]\nid=%d\n\n[ethernet]\n%s", w.vlanName(), w.vlan(), card)
	case w.bond() != nil:
		return w.keyfileBond()
	}
	return "[connection]\nid=uplink\ntype=ethernet\nautoconnect-priority=999\n\n[ethernet]\n" + card
}

// links are the interfaces in OpenStack's form; the last one has the addresses.
func (w Wish) links() (list []object, top string) {
	top = "uplink"
	if b := w.bond(); b != nil {
		var names []string
		for i, mac := range w.members() {
			names = append(names, fmt.Sprintf("member%d", i))
			list = append(list, object{"id": names[i], "type": "phy", "ethernet_mac_address": mac})
		}
		top = bondName
		list = append(list, object{"id": top, "type": "bond", "bond_mode": b.Mode, "bond_miimon": bondMonitor, "bond_links": names, "ethernet_mac_address": w.members()[0]})
	} else {
		list = append(list, object{"id": top, "type": "phy", "ethernet_mac_address": w.mac()})
	}
	if w.vlan() != 0 {
		mac := w.mac()
		if len(w.members()) > 0 {
			mac = w.members()[0]
		}
		list = append(list, object{"id": w.vlanName(), "type": "vlan", "vlan_id": w.vlan(), "vlan_link": top, "vlan_mac_address": mac})
		top = w.vlanName()
	}
	return list, top
}
