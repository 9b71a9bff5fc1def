package profile

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// batch is how many servers are bought at once: they are alike, but for one in odd, which
// somebody has built by hand.
const (
	batch = 8
	odd   = 16
)

// Generate invents the i-th server of a fleet.
func Generate(seed uint64, i int) hardware.Inventory {
	parts := rand.NewPCG(seed, uint64(i/batch))
	if rand.New(rand.NewPCG(^seed, uint64(i))).IntN(odd) == 0 {
		parts = rand.NewPCG(seed, 1<<40+uint64(i))
	}
	g := &generator{Rand: rand.New(parts), seed: seed, number: i}
	maker := pick(g, makers, func(m maker) int { return m.weight })
	model := pick(g, maker.models, func(m model) int { return m.weight })
	gen := generations[model.generation]
	inv := hardware.Inventory{
		Schema: 1, Simulated: true,
		System:   hardware.System{Vendor: maker.name, Product: model.product},
		Board:    hardware.Board{Vendor: maker.name, Product: model.board},
		Chassis:  hardware.Chassis{Vendor: maker.name, Type: "Rack Mount Chassis"},
		Firmware: g.firmware(maker, gen),
		CPUs:     g.cpus(model, gen),
		GPUs:     []hardware.GPU{},
		PCI:      []hardware.PCI{},
	}
	inv.Memory = g.memory(len(inv.CPUs), gen)
	inv.Disks = g.disks(gen)
	inv.NICs = g.nics(gen)
	inv.Identity = g.identity(inv.NICs)
	inv.OS = hardware.OS{
		Name: "Steelyard simulated system", ID: "steelyard", Version: "1", Kernel: "6.12.0-simulated",
		Hostname: fmt.Sprintf("sim-%05d", i), Arch: inv.CPUs[0].Arch,
	}
	inv.Sections = sections()
	return inv
}

func sections() []hardware.Section {
	var list []hardware.Section
	for _, name := range []string{"cpu", "disks", "lldp", "memory", "nics", "os", "pci", "smart", "smbios", "virtualization"} {
		list = append(list, hardware.Section{Name: name, State: hardware.SectionOK})
	}
	return list
}

type generator struct {
	*rand.Rand
	seed   uint64
	number int
}

// pick chooses by weight.
func pick[T any](g *generator, list []T, weight func(T) int) T {
	sum := 0
	for _, x := range list {
		sum += weight(x)
	}
	n := g.IntN(sum)
	for _, x := range list {
		if n -= weight(x); n < 0 {
			return x
		}
	}
	panic("profile: weights are not positive")
}

func one[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

// serial makes a text that no other serial of the fleet equals: what it is of, the number of
// the server, the number of the part, and a bit of noise from the seed.
func (g *generator) serial(prefix string, part int) string {
	noise := rand.New(rand.NewPCG(g.seed, 0x5e71a1)).Uint32()
	return strings.ToUpper(fmt.Sprintf("%s%04x%06x%02x", prefix, noise&0xffff, g.number, part))
}

// identity is unique by construction: the number of the server is in all of it.
func (g *generator) identity(nics []hardware.NIC) hardware.Identity {
	r := rand.New(rand.NewPCG(g.seed, ^uint64(g.number)))
	var u [16]byte
	for i := range u {
		u[i] = byte(r.Uint32())
	}
	u[10], u[11], u[12] = byte(g.seed), byte(g.seed>>8), byte(g.number>>24)
	u[13], u[14], u[15] = byte(g.number>>16), byte(g.number>>8), byte(g.number)
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // random (RFC 9562, version 4)
	h := hex.EncodeToString(u[:])
	id := hardware.Identity{
		UUID:          strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"),
		SystemSerial:  g.serial("SYS", 0),
		BoardSerial:   g.serial("BRD", 0),
		ChassisSerial: g.serial("CHS", 0),
		MACs:          []string{},
	}
	for _, n := range nics {
		id.MACs = append(id.MACs, n.PermanentMAC)
	}
	slices.Sort(id.MACs)
	return id
}

func (g *generator) firmware(m maker, gen generation) hardware.Firmware {
	mode := "uefi"
	if gen.year < 2014 {
		mode = "bios"
	}
	return hardware.Firmware{
		Vendor: m.firmware, Version: fmt.Sprintf("%d.%d", 1+g.IntN(3), g.IntN(12)),
		Date: fmt.Sprintf("%02d/%02d/%d", 1+g.IntN(12), 1+g.IntN(28), gen.year+g.IntN(3)), BootMode: mode,
	}
}

// cpus fills all sockets of three chassis in four, one of the others.
func (g *generator) cpus(m model, gen generation) []hardware.CPU {
	p := pick(g, gen.cpus, func(p processor) int { return p.weight })
	sockets := m.sockets
	if sockets > 1 && g.IntN(4) == 0 {
		sockets = 1
	}
	vendor := map[bool]string{true: "AuthenticAMD", false: "GenuineIntel"}[strings.HasPrefix(p.name, "AMD")]
	if p.arch == arm {
		vendor = "ARM"
	}
	var list []hardware.CPU
	for s := range sockets {
		list = append(list, hardware.CPU{
			Socket: fmt.Sprintf("CPU%d", s+1), Vendor: vendor, Model: p.name, Arch: p.arch,
			Cores: p.cores, Threads: p.threads, BaseMHz: p.base, MaxMHz: p.boost, Flags: flags(p.arch),
		})
	}
	return list
}

func flags(arch string) []string {
	if arch == arm {
		return []string{"aes", "sha2"}
	}
	return []string{"aes", "avx2", "vmx"}
}

// memory puts equal modules into a power of two of each socket's slots.
func (g *generator) memory(sockets int, gen generation) hardware.Memory {
	size := one(g, gen.dimmGiB)
	per := one(g, []int{2, 4, 4, gen.slots})
	vendor := one(g, dimmVendors)
	m := hardware.Memory{ECC: "multi-bit", Slots: gen.slots * sockets}
	for s := range sockets {
		for slot := range per {
			m.DIMMs = append(m.DIMMs, hardware.DIMM{
				Slot: fmt.Sprintf("P%d_DIMM%c1", s+1, 'A'+slot), SizeBytes: uint64(size) << 30, Type: gen.memory, SpeedMTs: gen.speed,
				FormFactor: "DIMM", Vendor: vendor, Part: fmt.Sprintf("%s-%dG-%d", gen.memory, size, gen.speed),
				Serial: g.serial("M", s*32+slot), Rank: 2,
			})
			m.TotalBytes += uint64(size) << 30
		}
	}
	m.KernelBytes = m.TotalBytes / 100 * 98
	return m
}

func (g *generator) disks(gen generation) []hardware.Disk {
	l := pick(g, gen.disks, func(l layout) int { return l.weight })
	var list []hardware.Disk
	for _, b := range l.groups {
		count := b.count + 2*g.IntN((b.of-b.count)/2+1)
		gb := one(g, b.gb)
		make := one(g, diskModels[b.kind])
		for range count {
			list = append(list, g.disk(b.kind, gb, make.vendor, make.model, len(list)))
		}
	}
	return list
}

// disk has the size that drives of so many GB have (IDEMA LBA1-03).
func (g *generator) disk(kind string, gb uint64, vendor, model string, n int) hardware.Disk {
	sectors := 97_696_368 + 1_953_504*(gb-50)
	d := hardware.Disk{
		Name: fmt.Sprintf("sd%c", 'a'+n), Type: hardware.DiskSATA, Vendor: vendor, Model: fmt.Sprintf(model, gb),
		Serial: g.serial("D", n), WWN: fmt.Sprintf("naa.5000%06x%04x%02x", g.number&0xffffff, g.seed&0xffff, n),
		Firmware: fmt.Sprintf("FW%02d", g.IntN(30)), SizeBytes: sectors * 512, SectorSize: 512,
		SMART: &hardware.SMART{Passed: true, WearPercent: -1, PowerOnDays: uint64(30 * (1 + g.IntN(60)))},
	}
	switch kind {
	case hdd:
		d.Rotational = true
	case sas:
		d.Type, d.Rotational = hardware.DiskSAS, true
	case ssd:
		d.SMART.WearPercent = g.IntN(40)
	case nvme:
		d.Type, d.Name, d.WWN = hardware.DiskNVMe, fmt.Sprintf("nvme%dn1", n), "eui."+d.WWN[4:]
		d.SMART.WearPercent = g.IntN(40)
	}
	return d
}

func (g *generator) nics(gen generation) []hardware.NIC {
	p := pick(g, gen.ports, func(p port) int { return p.weight })
	var list []hardware.NIC
	for n := range p.count {
		mac := fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", byte(g.seed), byte(g.number>>16), byte(g.number>>8), byte(g.number), n)
		nic := hardware.NIC{
			Name: fmt.Sprintf("eno%d", n+1), PermanentMAC: mac, MAC: mac, Driver: p.driver, Model: p.model,
			PCIAddress: fmt.Sprintf("0000:18:00.%d", n), MaxMbps: p.mbps, Addresses: []string{},
		}
		if n == 0 || p.count == 2 && g.IntN(2) == 0 {
			nic.Link, nic.SpeedMbps = true, p.mbps
		}
		if n == 0 {
			nic.Addresses = []string{fmt.Sprintf("10.%d.%d.%d/8", byte(g.number>>16), byte(g.number>>8), byte(g.number))}
			nic.LLDP = &hardware.Neighbour{
				ChassisID: fmt.Sprintf("02:ff:00:00:%02x:%02x", byte(g.number/48>>8), byte(g.number/48)), PortID: fmt.Sprintf("Ethernet%d", g.number%48+1),
				SystemName: fmt.Sprintf("leaf-%03d", g.number/48), VLAN: 100,
			}
		}
		list = append(list, nic)
	}
	return list
}
