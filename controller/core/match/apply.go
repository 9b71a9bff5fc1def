package match

import (
	"slices"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Apply is the configuration once the changes are done: an exact fit for the
// wish that they were made for. A part that goes but is not there is passed over,
// so applying a list to a server that was worked on meanwhile shows what remains.
func Apply(c hardware.Configuration, changes []Change) hardware.Configuration {
	for _, ch := range changes {
		if ch.Part == PartCPU {
			applyCPU(&c, ch)
		}
	}
	for kind := kindDIMM; kind < kinds; kind++ {
		applyParts(&c, kind, changes)
	}
	return c.Normalise()
}

func applyCPU(c *hardware.Configuration, ch Change) {
	switch ch.Action {
	case Add:
		c.Sockets += ch.Count
	case Remove:
		c.Sockets -= min(ch.Count, c.Sockets)
	}
	if ch.To != nil {
		c.CPUModel, c.Cores = ch.To.Model, ch.To.Cores
	}
}

func applyParts(c *hardware.Configuration, kind int, changes []Change) {
	gs := facetOf(nil, kind, c).groups
	touched := false
	for _, ch := range changes {
		if ch.Part != partNames[kind] {
			continue
		}
		touched = true
		if ch.From != nil && ch.Action != Add {
			gs = without(gs, ch.From.group(kind, ch.Count))
		}
		if ch.To != nil && ch.Action != Remove {
			gs = append(gs, ch.To.group(kind, ch.Count))
		}
	}
	if touched {
		setGroups(c, kind, canonical(gs))
	}
}

func without(gs []group, gone group) []group {
	out := slices.Clone(gs)
	for i := range out {
		if compareParts(out[i], gone) == 0 {
			n := min(out[i].count, gone.count)
			out[i].count -= n
			gone.count -= n
		}
	}
	return out
}

func setGroups(c *hardware.Configuration, kind int, gs []group) {
	switch kind {
	case kindDIMM:
		c.DIMMs, c.MemoryBytes = nil, bytesOf(gs)
		for _, g := range gs {
			c.DIMMs = append(c.DIMMs, hardware.DIMMGroup{Count: g.count, SizeBytes: g.size, Type: g.name})
		}
	case kindDisk:
		c.Disks = nil
		for _, g := range gs {
			c.Disks = append(c.Disks, hardware.DiskGroup{Count: g.count, Medium: g.name, SizeBytes: g.size})
		}
	case kindNIC:
		c.NICs = nil
		for _, g := range gs {
			c.NICs = append(c.NICs, hardware.NICGroup{Count: g.count, SpeedMbps: int(g.size)})
		}
	case kindGPU:
		c.GPUs = nil
		for _, g := range gs {
			c.GPUs = append(c.GPUs, hardware.GPUGroup{Count: g.count, Model: g.name})
		}
	}
}
