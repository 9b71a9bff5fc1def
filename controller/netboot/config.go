package netboot

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// files of iPXE, as Debian's package ipxe names them.
const (
	fileBIOS = "undionly.kpxe" // uses the card's own driver in the BIOS
	fileEFI  = "snponly.efi"   // uses the firmware's driver of the card it came by
)

// kinds of firmware, by DHCP option 93 (RFC 4578 and its registry): UEFI comes as 7 or 9, both are x86-64.
var kinds = []struct {
	arch int
	tag  string
}{{0, "bios"}, {7, "efi"}, {9, "efi"}, {16, "http"}}

// configuration of dnsmasq: what is not here it does not do. dir keeps its leases, ipxe holds the files that it hands out.
func configuration(places []place, dir, ipxe string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by the controller at each start; changes are lost.")
	line("port=0") // no DNS
	line("no-hosts\nno-resolv\nbind-interfaces\nexcept-interface=lo\npid-file=\nlog-facility=-")
	line("enable-tftp\ntftp-root=%s\ntftp-no-fail", ipxe)
	line("dhcp-leasefile=%s", filepath.Join(dir, "leases"))
	line("dhcp-userclass=set:ipxe,iPXE")
	for _, kind := range kinds {
		line("dhcp-match=set:%s,option:client-arch,%d", kind.tag, kind.arch)
	}
	if !slices.ContainsFunc(places, func(p place) bool { return p.Mode == modeProxy }) {
		line("dhcp-authoritative") // says no to addresses of other networks, which beside another server is not ours to say
	}
	for _, p := range places {
		line("\ninterface=%s", p.Name)
		if p.Mode == modeProxy {
			p.beside(line)
		} else {
			p.alone(line)
		}
	}
	return b.String()
}

// alone gives addresses, and what to boot with them.
func (p place) alone(line func(string, ...any)) {
	line("dhcp-range=set:%[1]s,%[2]s,%[3]s,%[4]s,1h", p.tag(), p.First, p.Last, p.netmask())
	gateway, dns := "", ""
	if p.Gateway.IsValid() {
		gateway = "," + p.Gateway.String()
	}
	for _, a := range p.DNS {
		dns += "," + a.String()
	}
	line("dhcp-option=tag:%s,option:router%s", p.tag(), gateway) // without a value: none, where dnsmasq would name itself
	line("dhcp-option=tag:%s,option:dns-server%s", p.tag(), dns)
	line("dhcp-option-force=tag:%s,tag:ipxe,encap:175,176,1b", p.tag()) // iPXE need not wait for a proxyDHCP server
	p.files(line)
	line("dhcp-boot=tag:%s,tag:!ipxe,tag:http,%s", p.tag(), strings.TrimSuffix(p.URL, pathScript)+pathEFI)
	line("dhcp-option-force=tag:%s,tag:!ipxe,tag:http,option:vendor-class,HTTPClient", p.tag())
}

// beside tells only what to boot: with the offer, and to UEFI, which asks once more, on port 4011 (a line pxe-service is also what lets
// dnsmasq answer as a proxy at all). Firmware of kind 16 (UEFI HTTP) asks no proxyDHCP server.
func (p place) beside(line func(string, ...any)) {
	line("dhcp-range=set:%s,%s,proxy,%s", p.tag(), p.Address.Masked().Addr(), p.netmask())
	p.files(line)
	line(`pxe-service=tag:%s,tag:!ipxe,7,"Steelyard",%s`, p.tag(), fileEFI)
}

// files are what the kinds of firmware load; iPXE goes on to the first script, whatever loaded it. An offer without the server's address
// is none to iPXE and to BIOSes, when it comes beside that of another server.
func (p place) files(line func(string, ...any)) {
	line("dhcp-boot=tag:%s,tag:ipxe,%s,,%s", p.tag(), p.URL, p.Address.Addr())
	line("dhcp-boot=tag:%s,tag:!ipxe,tag:bios,%s,,%s", p.tag(), fileBIOS, p.Address.Addr())
	line("dhcp-boot=tag:%s,tag:!ipxe,tag:efi,%s,,%s", p.tag(), fileEFI, p.Address.Addr())
}

func (p place) tag() string { return fmt.Sprintf("link%d", p.Index) }
