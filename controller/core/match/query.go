package match

import "github.com/steelyard/steelyard/pkg/hardware"

// query is a wish made ready to be compared many times.
type query struct {
	cpu      cpu
	lists    [kinds][]group // canonical; nil at kindCPU
	wild     [kinds]bool    // a group leaves something open
	memTotal uint64         // only where no modules are wished
	units    [kinds]units
	buf      [kinds][8]group // room for lists, so that a usual wish allocates nothing
}

func (q *query) prepare(w *Wish) {
	q.units = publishedUnits
	if w.Weights != nil {
		q.units = w.Weights.units()
	}
	q.cpu = cpuOf(&w.Configuration)
	q.memTotal = 0
	for kind := kindDIMM; kind < kinds; kind++ {
		q.lists[kind] = groupsOf(q.buf[kind][:0], kind, &w.Configuration)
		q.wild[kind] = false
		for _, g := range q.lists[kind] {
			q.wild[kind] = q.wild[kind] || open(kind, g)
		}
	}
	if len(q.lists[kindDIMM]) == 0 {
		q.memTotal = min(w.Configuration.MemoryBytes, maxBytes)
	}
}

var publishedUnits = DefaultWeights().units()

// units clamps the weights, so that even unvalidated ones keep the promises.
func (w Weights) units() [kinds]units {
	at := func(least, v int) int { return min(max(v, least), MaxWeight) }
	return [kinds]units{
		kindCPU:  newUnits(at(1, w.CPUAdd), at(1, w.CPURemove), at(1, w.CPUSwap), 0),
		kindDIMM: newUnits(at(1, w.DIMMAdd), at(1, w.DIMMRemove), at(1, w.DIMMSwap), at(0, w.DIMMType)),
		kindDisk: newUnits(at(1, w.DiskAdd), at(0, w.DiskRemove), at(1, w.DiskSwap), at(0, w.DiskMedium)),
		kindNIC:  newUnits(at(1, w.NICAdd), at(0, w.NICRemove), at(1, w.NICSwap), 0),
		kindGPU:  newUnits(at(1, w.GPUAdd), at(0, w.GPURemove), at(1, w.GPUSwap), 0),
	}
}

// isOpen says that the wish leaves the attribute to chance.
func (q *query) isOpen(kind int) bool {
	switch kind {
	case kindCPU:
		return q.cpu == cpu{arch: q.cpu.arch}
	case kindDIMM:
		return len(q.lists[kind]) == 0 && q.memTotal == 0
	default:
		return len(q.lists[kind]) == 0
	}
}

// cost is the rework of one attribute.
func (q *query) cost(kind int, f *facet) score {
	switch kind {
	case kindCPU:
		return planCPU(q.cpu, f.cpu, q.units[kind]).score
	case kindDIMM:
		return memoryScore(q.lists[kind], q.memTotal, q.wild[kind], memory{f.groups, f.opaque}, q.units[kind])
	default:
		return partsScore(q.lists[kind], f.groups, q.wild[kind], q.units[kind])
	}
}

// facet is one attribute of a configuration: what the costs of a whole add up
// from. Servers of different configuration share most of their facets.
type facet struct {
	cpu    cpu     // kindCPU
	groups []group // the others, canonical
	opaque bool    // kindDIMM: one group stands for modules nobody saw
	hash   uint64
	refs   int // classes that have it
}

func facetOf(buf []group, kind int, c *hardware.Configuration) facet {
	var f facet
	switch kind {
	case kindCPU:
		f.cpu = cpuOf(c)
	case kindDIMM:
		m := memoryOf(buf, c)
		f.groups, f.opaque = m.groups, m.opaque
	default:
		f.groups = groupsOf(buf, kind, c)
	}
	f.hash = f.sum()
	return f
}

func (f *facet) equal(g *facet) bool {
	if f.opaque != g.opaque || len(f.groups) != len(g.groups) || !f.cpu.equal(g.cpu) {
		return false
	}
	for i, a := range f.groups {
		if a.count != g.groups[i].count || compareParts(a, g.groups[i]) != 0 {
			return false
		}
	}
	return true
}

// sum hashes everything that equal compares.
func (f *facet) sum() uint64 {
	h := hash(14695981039346656037)
	if f.cpu != (cpu{}) {
		h.text(f.cpu.arch)
		h.text(f.cpu.model)
		h.number(uint64(f.cpu.sockets)<<32 | uint64(f.cpu.cores))
	}
	for _, g := range f.groups {
		h.number(g.size ^ uint64(g.count)<<48)
		h.text(g.name)
	}
	return uint64(h)
}

// hash is in the manner of FNV-1a, a word at a time. It needs no more than to
// spread; who finds a hash compares the facets.
type hash uint64

// The shift brings high bits down again, which multiplication never does.
func (h *hash) number(n uint64) {
	*h = (*h ^ hash(n)) * 0x9e3779b97f4a7c15
	*h ^= *h >> 32
}

// text sets the bit that tells lower from upper case in letters.
func (h *hash) text(s string) {
	const small = 0x2020202020202020
	for ; len(s) >= 8; s = s[8:] {
		h.number((uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56) | small)
	}
	last := uint64(len(s))
	for i := range len(s) {
		last = last<<8 | uint64(s[i]|0x20)
	}
	h.number(last)
}
