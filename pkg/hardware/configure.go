package hardware

import (
	"cmp"
	"slices"
	"strings"
)

// Configuration folds an inventory into what is sold: models without trademark
// noise, nominal disk sizes, ports by their best speed. Disks that nobody sells
// (USB, removable, read-only, of no size) are left out. The result is normalised.
func (inv *Inventory) Configuration() Configuration {
	c := Configuration{
		Arch:        inv.arch(),
		CPUModel:    cpuModel(inv.CPUs),
		Sockets:     len(inv.CPUs),
		MemoryBytes: inv.Memory.installed(),
	}
	for _, cpu := range inv.CPUs {
		c.Cores += cpu.Cores
	}
	for _, d := range inv.Memory.DIMMs {
		c.DIMMs = append(c.DIMMs, DIMMGroup{Count: 1, SizeBytes: d.SizeBytes, Type: d.Type})
	}
	for _, d := range inv.Disks {
		if d.sold() {
			c.Disks = append(c.Disks, DiskGroup{Count: 1, Medium: d.medium(), SizeBytes: d.nominal()})
		}
	}
	for _, n := range inv.NICs {
		c.NICs = append(c.NICs, NICGroup{Count: 1, SpeedMbps: cmp.Or(n.MaxMbps, n.SpeedMbps)})
	}
	for _, g := range inv.GPUs {
		c.GPUs = append(c.GPUs, GPUGroup{Count: 1, Model: strings.TrimSpace(g.Vendor + " " + g.Model)})
	}
	return c.Normalise()
}

func (inv *Inventory) arch() string {
	if len(inv.CPUs) > 0 && inv.CPUs[0].Arch != "" {
		return inv.CPUs[0].Arch
	}
	return inv.OS.Arch
}

// cpuModel names the model of all sockets; mixed ones are joined, sorted.
func cpuModel(cpus []CPU) string {
	var models []string
	for _, cpu := range cpus {
		if m := FoldCPUModel(cpu.Model); m != "" {
			models = append(models, m)
		}
	}
	slices.Sort(models)
	return strings.Join(slices.Compact(models), " + ")
}

// installed is the sum of the modules, or an estimate from what is known.
func (m Memory) installed() uint64 {
	var sum uint64
	for _, d := range m.DIMMs {
		sum += d.SizeBytes
	}
	if sum > 0 {
		return sum
	}
	return installedFromKernel(cmp.Or(m.TotalBytes, m.KernelBytes))
}

func (d Disk) sold() bool {
	return d.Type != DiskUSB && !d.Removable && !d.ReadOnly && d.SizeBytes > 0
}

func (d Disk) medium() string {
	switch {
	case d.Type == DiskNVMe:
		return MediumNVMe
	case d.Type == DiskVirtual:
		return MediumVirtual
	case d.Rotational:
		return MediumHDD
	default:
		return MediumSSD
	}
}

func (d Disk) nominal() uint64 { return soldSize(d.medium(), d.SizeBytes) }

// soldSize keeps the whole GiB in which virtual disks are cut.
func soldSize(medium string, size uint64) uint64 {
	if medium == MediumVirtual && size%gibibyte == 0 {
		return size
	}
	return NominalSize(size)
}

// AsSold normalises a configuration that a person wrote: disks get the sizes under
// which inventories fold them, so that 447 GiB and 480103981056 bytes are both the
// 480 GB of the server that has them. What an inventory gave does not change.
func (c Configuration) AsSold() Configuration {
	c.Disks = slices.Clone(c.Disks)
	for i, g := range c.Disks {
		if g.SizeBytes > 0 {
			c.Disks[i].SizeBytes = soldSize(g.Medium, g.SizeBytes)
		}
	}
	return c.Normalise()
}

// Normalise sorts the groups and merges equal ones; groups that count nothing
// go. Two configurations of the same parts are then deeply equal. The receiver
// and its slices stay as they are.
func (c Configuration) Normalise() Configuration {
	c.DIMMs = merge(c.DIMMs, compareDIMMs, func(g *DIMMGroup) *int { return &g.Count })
	c.Disks = merge(c.Disks, compareDisks, func(g *DiskGroup) *int { return &g.Count })
	c.NICs = merge(c.NICs, compareNICs, func(g *NICGroup) *int { return &g.Count })
	c.GPUs = merge(c.GPUs, compareGPUs, func(g *GPUGroup) *int { return &g.Count })
	return c
}

// merge returns groups sorted by kind, one of each kind, or nil.
func merge[G any](groups []G, compare func(a, b G) int, count func(*G) *int) []G {
	if settled(groups, compare, count) {
		return groups[:len(groups):len(groups)]
	}
	var out []G
	for _, g := range slices.SortedStableFunc(slices.Values(groups), compare) {
		switch {
		case *count(&g) <= 0:
		case len(out) > 0 && compare(out[len(out)-1], g) == 0:
			*count(&out[len(out)-1]) += *count(&g)
		default:
			out = append(out, g)
		}
	}
	return out
}

// settled tells whether merge would change nothing.
func settled[G any](groups []G, compare func(a, b G) int, count func(*G) *int) bool {
	for i := range groups {
		if *count(&groups[i]) <= 0 || i > 0 && compare(groups[i-1], groups[i]) >= 0 {
			return false
		}
	}
	return len(groups) > 0
}

// Groups are sorted as people list them: the largest first.

func compareDIMMs(a, b DIMMGroup) int {
	return cmp.Or(cmp.Compare(b.SizeBytes, a.SizeBytes), cmp.Compare(a.Type, b.Type))
}

func compareDisks(a, b DiskGroup) int {
	return cmp.Or(cmp.Compare(a.Medium, b.Medium), cmp.Compare(b.SizeBytes, a.SizeBytes))
}

func compareNICs(a, b NICGroup) int { return cmp.Compare(b.SpeedMbps, a.SpeedMbps) }

func compareGPUs(a, b GPUGroup) int { return cmp.Compare(a.Model, b.Model) }
