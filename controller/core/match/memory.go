package match

import "github.com/steelyard/steelyard/pkg/hardware"

const gib = 1 << 30

// moduleSizes are the modules that can be bought, for a machine that is filled
// anew.
var moduleSizes = [...]uint64{
	128 * gib, 96 * gib, 64 * gib, 48 * gib, 32 * gib, 24 * gib, 16 * gib, 8 * gib, 4 * gib, 2 * gib, 1 * gib,
}

// memory is the modules of a machine. Where SMBIOS tells nothing there is one
// opaque module of the whole size, so that distances still make sense.
type memory struct {
	groups []group
	opaque bool
}

func memoryOf(buf []group, c *hardware.Configuration) memory {
	if gs := groupsOf(buf, kindDIMM, c); len(gs) > 0 {
		return memory{groups: gs}
	}
	if c.MemoryBytes == 0 {
		return memory{groups: buf[:0]}
	}
	return memory{groups: append(buf[:0], group{count: 1, size: min(c.MemoryBytes, maxBytes)}), opaque: true}
}

// refit is one plausible way to reach a total: n modules of from leave, m modules
// of to come. An even refit makes all modules equal to "to", m of them in the end.
type refit struct {
	score score
	from  group
	to    group
	even  bool
}

// planTotal is the cheapest plausible way from the modules that are there to a
// total, in this order where the price is the same:
//
//   - add modules of a size that the machine has;
//   - remove modules of one size;
//   - swap modules of one size for ones of a size that the machine has, or of
//     double, fourfold, half or quarter size;
//   - fill the machine anew with equal modules, not fewer than before when the
//     memory grows, so that no channel goes empty.
func planTotal(want uint64, have memory, u units) refit {
	total := bytesOf(have.groups)
	best := refit{score: ruledOut}
	try := func(r refit) {
		if r.score < best.score {
			best = r
		}
	}
	if total == want {
		return refit{}
	}
	if !have.opaque {
		tryChange(want, total, have.groups, u, try)
	}
	tryEven(want, total, have, u, try)
	if best.score == ruledOut {
		try(even(have.groups, group{1, typeOf(have.groups), want}, u))
	}
	return best
}

// tryChange tries what touches only one line of the parts.
func tryChange(want, total uint64, have []group, u units, try func(refit)) {
	for _, g := range have {
		if n := exactly(want, total, g.size); n > 0 {
			try(refit{score: score(n) * u.add, to: group{n, g.name, g.size}})
		}
		if n := exactly(total, want, g.size); n > 0 && n <= g.count {
			try(refit{score: score(n) * u.remove, from: group{n, g.name, g.size}})
		}
	}
	for _, g := range have {
		for _, h := range have {
			trySwap(want, total, g, h.size, u, try)
		}
		for _, size := range [...]uint64{g.size * 2, g.size * 4, g.size / 2, g.size / 4} {
			trySwap(want, total, g, size, u, try)
		}
	}
}

func trySwap(want, total uint64, g group, size uint64, u units, try func(refit)) {
	var n int
	switch {
	case size > g.size:
		n = exactly(want, total, size-g.size)
	case size > 0 && size < g.size:
		n = exactly(total, want, g.size-size)
	}
	if n > 0 && n <= g.count {
		try(refit{
			score: score(n) * min(u.swap, u.add+u.remove),
			from:  group{n, g.name, g.size}, to: group{n, g.name, size},
		})
	}
}

// exactly is (more-less)/step where that is a whole number of parts, else 0.
func exactly(more, less, step uint64) int {
	if more <= less || step == 0 || (more-less)%step != 0 || (more-less)/step > maxParts {
		return 0
	}
	return int((more - less) / step)
}

func tryEven(want, total uint64, have memory, u units, try func(refit)) {
	least := 1
	if want > total && !have.opaque {
		least = countOf(have.groups)
	}
	name := typeOf(have.groups)
	attempt := func(size uint64) {
		if n := exactly(want, 0, size); n >= least && n > 0 {
			try(even(have.groups, group{n, name, size}, u))
		}
	}
	for _, g := range have.groups {
		attempt(g.size)
	}
	for _, size := range moduleSizes {
		attempt(size)
	}
}

func even(have []group, to group, u units) refit {
	stay := common([]group{to}, have)
	return refit{score: u.rework(to.count, countOf(have), stay), to: to, even: true}
}

// typeOf is the generation that most modules are of.
func typeOf(have []group) string {
	most := group{}
	for _, g := range have {
		if g.count > most.count && g.name != "" {
			most = g
		}
	}
	return most.name
}

// after is the modules once the refit is done.
func (r refit) after(have []group) []group {
	if r.even {
		return []group{r.to}
	}
	var out []group
	for _, g := range have {
		if r.from.count > 0 && compareParts(g, r.from) == 0 {
			g.count -= r.from.count
		}
		out = append(out, g)
	}
	return canonical(append(out, r.to))
}

// memoryScore is the cheapest rework of the memory. Modules, where they are
// given, decide; a total beside them only repeats their sum.
func memoryScore(want []group, wantTotal uint64, wild bool, have memory, u units) score {
	if len(want) == 0 && wantTotal > 0 {
		return planTotal(wantTotal, have, u).score
	}
	return partsScore(want, have.groups, wild, u)
}
