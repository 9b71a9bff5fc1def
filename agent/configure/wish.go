package configure

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Wish is what the written system is to be.
type Wish struct {
	Install     string // id of this installation: another one is a new system to cloud-init
	Image       string // for a person
	OSFamily    string // "linux", "windows"
	Hostname    string
	SSHKeys     []string
	Network     *protocol.Network // nil: ask by DHCP
	UserData    string            // for cloud-init, as the customer wrote it
	Controllers []string          // host:port
	MAC         string            // of the interface that this machine reaches its controllers by
}

// mac is the interface that is configured, in small letters; "" when nobody knows one.
func (w Wish) mac() string {
	mac := w.MAC
	if w.Network != nil {
		mac = cmp.Or(w.Network.MAC, mac)
	}
	return strings.ToLower(mac)
}

// route is a way to everywhere.
type route struct {
	gateway netip.Addr
	onLink  bool // the gateway is outside of every subnet
}

// routes are the gateways of the network.
func (w Wish) routes() []route {
	var list []route
	if w.Network == nil {
		return nil
	}
	for _, text := range []string{w.Network.Gateway4, w.Network.Gateway6} {
		gateway, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		inside := gateway.IsLinkLocalUnicast() || slices.ContainsFunc(w.addresses(), func(p netip.Prefix) bool { return p.Contains(gateway) })
		list = append(list, route{gateway, !inside})
	}
	return list
}

func (r route) everywhere() string {
	if r.gateway.Is4() {
		return "0.0.0.0/0"
	}
	return "::/0"
}

// addresses were validated with the command.
func (w Wish) addresses() []netip.Prefix {
	var list []netip.Prefix
	if w.Network == nil {
		return nil
	}
	for _, text := range w.Network.Addresses {
		if p, err := netip.ParsePrefix(text); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func (w Wish) dns() []string {
	if w.Network == nil {
		return nil
	}
	return w.Network.DNS
}

// short is the host name up to the first dot.
func (w Wish) short() string {
	name, _, _ := strings.Cut(w.Hostname, ".")
	return name
}

// keys are the SSH keys, one a line.
func (w Wish) keys() []string {
	var list []string
	for _, k := range w.SSHKeys {
		if k = strings.TrimSpace(strings.Map(plain, k)); k != "" {
			list = append(list, k)
		}
	}
	return list
}

// file is one to be written.
type file struct {
	name string
	mode uint32
	text string
}

// yaml is JSON, which is YAML too: no text of a customer can end a string early.
func yaml(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // maps of strings
	}
	return b.String()
}

type object map[string]any

// seed is what cloud-init reads (data source NoCloud). The customer's user data stands alone; ours is vendor data, which user
// data overrules.
func (w Wish) seed() []file {
	const dir = "var/lib/cloud/seed/nocloud/"
	user := w.UserData
	if user == "" {
		user = "#cloud-config\n{}\n"
	}
	vendor := object{"disable_root": false, "ssh_pwauth": false, "manage_etc_hosts": "localhost"}
	if w.Hostname != "" {
		vendor["hostname"], vendor["fqdn"], vendor["preserve_hostname"] = w.short(), w.Hostname, false
	}
	if keys := w.keys(); len(keys) > 0 {
		vendor["ssh_authorized_keys"] = keys
		vendor["users"] = []any{"default", object{"name": "root", "ssh_authorized_keys": keys}}
	}
	meta := object{"instance-id": w.Install, "dsmode": "local"}
	if w.Hostname != "" {
		meta["local-hostname"] = w.Hostname
	}
	return []file{
		{dir + "meta-data", 0o600, yaml(meta)},
		{dir + "user-data", 0o600, user},
		{dir + "vendor-data", 0o600, "#cloud-config\n" + yaml(vendor)},
		{dir + "network-config", 0o600, yaml(w.netplan())},
		{"etc/cloud/cloud.cfg.d/99-steelyard.cfg", 0o644, "# The system was written by Steelyard; there is no other data source.\ndatasource_list: [NoCloud, None]\n"},
	}
}

// netplan is the network in cloud-init's version 2.
func (w Wish) netplan() object {
	nic := object{}
	if w.Network == nil {
		nic["match"], nic["dhcp4"], nic["dhcp6"] = w.match(), true, false
		return object{"version": 2, "ethernets": object{"uplink": nic}}
	}
	var routes []object
	for _, r := range w.routes() {
		one := object{"to": r.everywhere(), "via": r.gateway.String()}
		if r.onLink {
			one["on-link"] = true
		}
		routes = append(routes, one)
	}
	nic["addresses"], nic["dhcp4"], nic["dhcp6"] = w.Network.Addresses, false, false
	if len(routes) > 0 {
		nic["routes"] = routes
	}
	if len(w.dns()) > 0 {
		nic["nameservers"] = object{"addresses": w.dns()}
	}
	return w.netplanLayers(nic)
}

// match finds the card in cloud-init's version 2.
func (w Wish) match() object {
	if mac := w.mac(); mac != "" {
		return object{"macaddress": mac}
	}
	return object{"name": "e*"}
}

// networkdMatch finds the card for systemd-networkd.
func (w Wish) networkdMatch() string {
	if mac := w.mac(); mac != "" {
		return fmt.Sprintf("[Match]\nPermanentMACAddress=%s\n", mac)
	}
	return "[Match]\nType=ether\n"
}

// networkd is the network for systemd-networkd.
func (w Wish) networkd() []file {
	var b strings.Builder
	b.WriteString("# Written by Steelyard when the system was installed.\n")
	if w.layers() {
		fmt.Fprintf(&b, "[Match]\nName=%s\n", w.top())
	} else {
		b.WriteString(w.networkdMatch())
	}
	b.WriteString("\n[Network]\n")
	if w.Network == nil {
		b.WriteString("DHCP=yes\n")
	}
	for _, p := range w.addresses() {
		fmt.Fprintf(&b, "Address=%s\n", p)
	}
	for _, d := range w.dns() {
		fmt.Fprintf(&b, "DNS=%s\n", d)
	}
	for _, r := range w.routes() {
		fmt.Fprintf(&b, "\n[Route]\nGateway=%s\n", r.gateway)
		if r.onLink {
			b.WriteString("GatewayOnLink=yes\n")
		}
	}
	return append(w.networkdLayers(), file{"etc/systemd/network/10-steelyard.network", 0o644, b.String()})
}

// interfaces is the network for ifupdown, whose patterns find an interface by its address.
func (w Wish) interfaces() (list []file) {
	var b strings.Builder
	b.WriteString("# Written by Steelyard when the system was installed.\nauto lo\niface lo inet loopback\n\n")
	name, before := "uplink", ""
	if w.layers() {
		name, before = w.top(), "    pre-up /"+ifupdownProgram+"\n"
		fmt.Fprintf(&b, "auto %s\n", name)
		list = w.ifupdownLayers()
	} else if mac := w.mac(); mac != "" {
		fmt.Fprintf(&b, "auto /mac/%s=uplink\n", mac)
	} else {
		b.WriteString("auto /e*=uplink\n")
	}
	if w.Network == nil {
		b.WriteString("iface uplink inet dhcp\n")
	}
	for _, p := range w.addresses() {
		family := map[bool]string{true: "inet", false: "inet6"}[p.Addr().Is4()]
		fmt.Fprintf(&b, "iface %s %s static\n    address %s\n%s", name, family, p, before)
		before = "" // once
		for _, r := range w.routes() {
			if r.gateway.Is4() != p.Addr().Is4() || slices.IndexFunc(w.addresses(), func(o netip.Prefix) bool { return o.Addr().Is4() == p.Addr().Is4() }) != slices.Index(w.addresses(), p) {
				continue // of each family, the first address brings the way out
			}
			version := map[bool]string{true: "-4", false: "-6"}[r.gateway.Is4()]
			onLink := map[bool]string{true: " onlink"}[r.onLink]
			fmt.Fprintf(&b, "    up ip %s route replace default via %s dev $IFACE%s\n", version, r.gateway, onLink)
		}
	}
	return append(list, file{"etc/network/interfaces", 0o644, b.String()})
}

// keyfile is the network for NetworkManager.
func (w Wish) keyfile() []file {
	var b strings.Builder
	b.WriteString("# Written by Steelyard when the system was installed.\n" + w.keyfileTop())
	for _, v4 := range []bool{true, false} {
		w.keyfileOf(&b, v4)
	}
	return append(w.keyfileLayers(), file{"etc/NetworkManager/system-connections/uplink.nmconnection", 0o600, b.String()})
}

func (w Wish) keyfileOf(b *strings.Builder, v4 bool) {
	fmt.Fprintf(b, "\n[%s]\n", map[bool]string{true: "ipv4", false: "ipv6"}[v4])
	n := 0
	for _, p := range w.addresses() {
		if p.Addr().Is4() == v4 {
			n++
			fmt.Fprintf(b, "address%d=%s\n", n, p)
		}
	}
	if n == 0 {
		b.WriteString("method=auto\n")
		return
	}
	b.WriteString("method=manual\n")
	for _, r := range w.routes() {
		if r.gateway.Is4() == v4 {
			fmt.Fprintf(b, "gateway=%s\n", r.gateway)
		}
	}
	var dns []string
	for _, d := range w.dns() {
		if a, err := netip.ParseAddr(d); err == nil && a.Is4() == v4 {
			dns = append(dns, d)
		}
	}
	if len(dns) > 0 {
		fmt.Fprintf(b, "dns=%s;\n", strings.Join(dns, ";"))
	}
}

// hosts gives the name an address, so that it is known when the network is not.
func (w Wish) hosts(old string) file {
	var b strings.Builder
	for line := range strings.Lines(old) {
		if fields := strings.Fields(line); len(fields) == 0 || fields[0] != "127.0.1.1" {
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	if b.Len() == 0 {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	}
	names := w.Hostname
	if short := w.short(); short != w.Hostname {
		names += " " + short
	}
	fmt.Fprintf(&b, "127.0.1.1\t%s\n", names)
	return file{"etc/hosts", 0o644, b.String()}
}

// uplink is the hardware address of the interface by which this machine reaches the network: the first one that is up and has an
// address.
func uplink() string {
	list, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagRunning == 0 || len(i.HardwareAddr) != 6 {
			continue
		}
		if addresses, err := i.Addrs(); err == nil && len(addresses) > 0 {
			return i.HardwareAddr.String()
		}
	}
	return ""
}
