package configure

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"unicode/utf16"
)

// The config drive is a FAT16 file system of 16 MiB with clusters of 2 KiB: small enough for any disk, large enough for Windows to take it
// for FAT16.
const (
	driveBytes   = 16 * mib
	driveSector  = 512
	driveCluster = 4 * driveSector
	driveTable   = 32 * driveSector // of one of the two allocation tables
	driveRoot    = 512 * 32         // of the root directory
	driveData    = driveSector + 2*driveTable + driveRoot
	driveLabel   = "CONFIG-2   " // what cloudbase-init and cloud-init look for
)

// folder is a directory in memory: files are strings, folders are folders.
type folder map[string]any

// drive makes the file system. It panics for more than fits, which nothing that a command carries comes near.
func drive(root folder, serial uint32) []byte {
	d := &driveImage{b: make([]byte, driveBytes), next: 2}
	le := binary.LittleEndian
	copy(d.b, "\xEB\x3C\x90STEELYRD")
	le.PutUint16(d.b[11:], driveSector)
	d.b[13] = driveCluster / driveSector
	le.PutUint16(d.b[14:], 1)                      // reserved sectors
	d.b[16] = 2                                    // tables
	le.PutUint16(d.b[17:], driveRoot/32)           // entries of the root
	le.PutUint16(d.b[19:], driveBytes/driveSector) // sectors
	d.b[21] = 0xF8                                 // a fixed disk
	le.PutUint16(d.b[22:], driveTable/driveSector) // of a table
	copy(d.b[24:], []byte{32, 0, 64, 0})           // geometry that means nothing
	d.b[36], d.b[38] = 0x80, 0x29                  // a disk; serial, label and kind follow
	le.PutUint32(d.b[39:], serial)
	copy(d.b[43:], driveLabel+"FAT16   ")
	d.b[510], d.b[511] = 0x55, 0xAA
	d.link(0, 0xFFF8)
	d.link(1, 0xFFFF)
	label := make([]byte, 32)
	copy(label, driveLabel)
	label[11] = 0x08
	copy(d.b[driveSector+2*driveTable:driveData], append(label, d.entries(root, 0)...))
	copy(d.b[driveSector+driveTable:], d.b[driveSector:driveSector+driveTable])
	return d.b
}

type driveImage struct {
	b    []byte
	next uint16 // free cluster
}

func (d *driveImage) link(cluster, to uint16) {
	binary.LittleEndian.PutUint16(d.b[driveSector+2*int(cluster):], to)
}

// store puts bytes into clusters and returns the first; 0 for none.
func (d *driveImage) store(b []byte) uint16 {
	if len(b) == 0 {
		return 0
	}
	first := d.next
	count := uint16((len(b) + driveCluster - 1) / driveCluster)
	copy(d.b[driveData+int(first-2)*driveCluster:], b)
	for n := first; n < first+count-1; n++ {
		d.link(n, n+1)
	}
	d.link(first+count-1, 0xFFFF)
	d.next += count
	return first
}

// entries stores what is in a folder and makes its directory; here is where that will be.
func (d *driveImage) entries(f folder, here uint16) []byte {
	var list []byte
	for n, name := range sorted(f) {
		entry := make([]byte, 32)
		copy(entry, shortOf(n))
		var cluster uint16
		switch content := f[name].(type) {
		case string:
			entry[11] = 0x20
			binary.LittleEndian.PutUint32(entry[28:], uint32(len(content)))
			cluster = d.store([]byte(content))
		case folder:
			entry[11] = 0x10
			cluster = d.folder(content, here)
		}
		binary.LittleEndian.PutUint16(entry[26:], cluster)
		list = append(append(list, longName(name, entry[:11])...), entry...)
	}
	return list
}

// folder stores a directory of one cluster below another; 0 is the root.
func (d *driveImage) folder(f folder, parent uint16) uint16 {
	own := d.store(make([]byte, driveCluster))
	list := make([]byte, 64)
	copy(list, ".          \x10")
	copy(list[32:], "..         \x10")
	binary.LittleEndian.PutUint16(list[26:], own)
	binary.LittleEndian.PutUint16(list[32+26:], parent)
	copy(d.b[driveData+int(own-2)*driveCluster:][:driveCluster], append(list, d.entries(f, own)...))
	return own
}

// shortOf is a short name that stands for the n-th of a folder; everybody uses the long one.
func shortOf(n int) string { return "FILE" + string(rune('A'+n)) + "      " }

// longName makes the entries that hold the real name of the entry behind them.
func longName(name string, short []byte) []byte {
	var sum byte
	for _, c := range short {
		sum = sum>>1 | sum<<7
		sum += c
	}
	units := utf16.Encode([]rune(name))
	if len(units)%13 != 0 {
		units = append(units, 0)
	}
	for len(units)%13 != 0 {
		units = append(units, 0xFFFF)
	}
	var list []byte
	for part := len(units) / 13; part > 0; part-- {
		e := make([]byte, 32)
		e[0], e[11], e[13] = byte(part), 0x0F, sum
		if part == len(units)/13 {
			e[0] |= 0x40
		}
		for i, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
			binary.LittleEndian.PutUint16(e[at:], units[(part-1)*13+i])
		}
		list = append(list, e...)
	}
	return list
}

func sorted(f folder) []string {
	var names []string
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// configDrive is what cloudbase-init reads on Windows, in OpenStack's form.
func (w Wish) configDrive() folder {
	keys := object{}
	for i, k := range w.keys() {
		keys["key-"+string(rune('0'+i/10%10))+string(rune('0'+i%10))] = k
	}
	latest := folder{
		"meta_data.json":    yaml(object{"uuid": w.Install, "hostname": w.Hostname, "name": w.short(), "public_keys": keys}),
		"network_data.json": yaml(w.networkData()),
	}
	if w.UserData != "" {
		latest["user_data"] = w.UserData
	}
	return folder{"openstack": folder{"latest": latest}}
}

// networkData is the network in OpenStack's form.
func (w Wish) networkData() object {
	networks := []object{}
	links, top := w.links()
	for _, p := range w.addresses() {
		family, zero := "ipv6", "::"
		if p.Addr().Is4() {
			family, zero = "ipv4", "0.0.0.0"
		}
		routes := []object{}
		for _, r := range w.routes() {
			if r.gateway.Is4() == p.Addr().Is4() {
				routes = append(routes, object{"network": zero, "netmask": zero, "gateway": r.gateway.String()})
			}
		}
		networks = append(networks, object{"id": "network" + string(rune('0'+len(networks)%10)), "type": family, "link": top, "ip_address": p.Addr().String(), "netmask": mask(p), "routes": routes})
	}
	if w.Network == nil {
		networks = append(networks, object{"id": "network0", "type": "ipv4_dhcp", "link": top})
	}
	services := []object{}
	for _, d := range w.dns() {
		services = append(services, object{"type": "dns", "address": d})
	}
	return object{"links": links, "networks": networks, "services": services}
}

// mask is the length of a subnet as addresses are written.
func mask(p netip.Prefix) string {
	return net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String()
}
