package match

import (
	"cmp"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// The five attributes that have a cost.
const (
	kindCPU = iota
	kindDIMM
	kindDisk
	kindNIC
	kindGPU
	kinds
)

// group is a number of equal parts of any kind. The name is the generation of a
// DIMM, the medium of a disk, the model of a GPU; the size is bytes or Mbit/s.
// In a wish "" and 0 mean "any", in a server they mean "not seen".
type group struct {
	count int
	name  string
	size  uint64
}

// groupsOf appends the parts of one kind in canonical form (sorted by size and
// name, equal groups merged, no empty ones, at most maxParts in all) to buf.
func groupsOf(buf []group, kind int, c *hardware.Configuration) []group {
	switch kind {
	case kindDIMM:
		for _, g := range c.DIMMs {
			buf = append(buf, group{g.Count, g.Type, g.SizeBytes})
		}
	case kindDisk:
		for _, g := range c.Disks {
			buf = append(buf, group{g.Count, g.Medium, g.SizeBytes})
		}
	case kindNIC:
		for _, g := range c.NICs {
			buf = append(buf, group{g.Count, "", uint64(max(g.SpeedMbps, 0))})
		}
	case kindGPU:
		for _, g := range c.GPUs {
			buf = append(buf, group{g.Count, g.Model, 0})
		}
	}
	return canonical(buf)
}

func canonical(gs []group) []group {
	out := gs[:0]
	for _, g := range gs {
		if g.count > 0 {
			out = append(out, g)
		}
	}
	insertionSort(out)
	return bounded(merged(out))
}

// insertionSort is for a handful of groups that usually are in order already; it
// allocates nothing.
func insertionSort(gs []group) {
	for i := 1; i < len(gs); i++ {
		for j := i; j > 0 && compareParts(gs[j], gs[j-1]) < 0; j-- {
			gs[j], gs[j-1] = gs[j-1], gs[j]
		}
	}
}

func merged(gs []group) []group {
	n := 0
	for _, g := range gs {
		g.count, g.size = min(g.count, maxParts), min(g.size, maxBytes)
		if n > 0 && compareParts(gs[n-1], g) == 0 {
			gs[n-1].count += g.count
			continue
		}
		gs[n] = g
		n++
	}
	return gs[:n]
}

func bounded(gs []group) []group {
	room := maxParts
	for i := range gs {
		gs[i].count = min(gs[i].count, room)
		if room -= gs[i].count; room == 0 {
			return gs[:i+1]
		}
	}
	return gs
}

// compareParts orders by size, then by name without regard to ASCII case.
func compareParts(a, b group) int {
	if a.size != b.size {
		return cmp.Compare(a.size, b.size)
	}
	return compareFold(a.name, b.name)
}

func compareFold(a, b string) int {
	if a == b {
		return 0
	}
	for i := range min(len(a), len(b)) {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

func equalFold(a, b string) bool {
	return a == b || len(a) == len(b) && compareFold(a, b) == 0
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// fits says whether a part that is there is one that is wanted.
func fits(want, have group) bool {
	return (want.size == 0 || want.size == have.size) && (want.name == "" || equalFold(want.name, have.name))
}

func countOf(gs []group) int {
	n := 0
	for _, g := range gs {
		n += g.count
	}
	return n
}

func bytesOf(gs []group) uint64 {
	var n uint64
	for _, g := range gs {
		n += uint64(g.count) * g.size
	}
	return n
}

// open says whether a wished group leaves something to choose, so that several
// different parts may fit it. Ports have no name and cards no size.
func open(kind int, g group) bool {
	switch kind {
	case kindNIC:
		return g.size == 0
	case kindGPU:
		return g.name == ""
	default:
		return g.name == "" || g.size == 0
	}
}
