package match

import (
	"math/rand/v2"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// cheapest tries every way to give each wanted part one that is there, or a new
// one, and removes the rest. It knows nothing of groups, flows or bounds.
func cheapest(want, have []group, u units) score {
	wanted, there := single(want), single(have)
	used := make([]bool, len(there))
	var try func(j int) score
	try = func(j int) score {
		if j == len(wanted) {
			var s score
			for i := range there {
				if !used[i] {
					s += u.remove
				}
			}
			return s
		}
		w := wanted[j]
		extra := score(0)
		if foreignTo(w, there) {
			extra = u.foreign
		}
		best := u.add + extra + try(j+1)
		for i, h := range there {
			if used[i] {
				continue
			}
			cost := u.swap + extra
			if (w.name == "" || w.name == h.name) && (w.size == 0 || w.size == h.size) {
				cost = 0
			}
			used[i] = true
			best = min(best, cost+try(j+1))
			used[i] = false
		}
		return best
	}
	return try(0)
}

func single(gs []group) []group {
	var out []group
	for _, g := range gs {
		for range g.count {
			out = append(out, group{1, g.name, g.size})
		}
	}
	return out
}

func foreignTo(w group, there []group) bool {
	known, same := false, false
	for _, h := range there {
		known = known || h.name != ""
		same = same || h.name == w.name
	}
	return w.name != "" && known && !same
}

func someGroups(r *rand.Rand, most int, open bool) []group {
	names, sizes := []string{"a", "b", "c", ""}, []uint64{1, 2, 3, 0}
	if !open {
		sizes = sizes[:3]
	}
	var gs []group
	for range r.IntN(4) {
		n := 1 + r.IntN(2)
		if most -= n; most < 0 {
			break
		}
		gs = append(gs, group{n, names[r.IntN(4)], sizes[r.IntN(len(sizes))]})
	}
	return canonical(gs)
}

func someUnits(r *rand.Rand) units {
	return newUnits(1+r.IntN(9), r.IntN(6), 1+r.IntN(14), r.IntN(2)*r.IntN(9))
}

func TestB28a_MultisetsAreMatchedOptimally(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	wilds := 0
	for i := range 6000 {
		want, have, u := someGroups(r, 6, true), someGroups(r, 6, false), someUnits(r)
		if len(want) == 0 {
			continue
		}
		wild := false
		for _, g := range want {
			wild = wild || open(kindDisk, g)
		}
		if wild {
			wilds++
		}
		if got, best := partsScore(want, have, wild, u), cheapest(want, have, u); got != best {
			t.Fatalf("round %d: want %v have %v units %+v: got %+v, the best of all permutations is %+v",
				i, want, have, u, got.public(), best.public())
		}
	}
	if wilds < 1000 {
		t.Fatalf("only %d rounds had open parts", wilds)
	}
}

// Two wishes compete for the same part: the greedy choice of the open one would
// leave the strict one without.
func TestB28a_AnOpenPartDoesNotStealTheOnlyFit(t *testing.T) {
	u := newUnits(3, 2, 4, 0)
	want := canonical([]group{{1, "", 2}, {1, "a", 0}})
	have := canonical([]group{{1, "a", 2}, {1, "a", 1}})
	if s := partsScore(want, have, true, u); s != 0 {
		t.Fatalf("distance %d; (any, 2) takes the second, (a, any) the first", s.public().Distance)
	}
}

// cheapestCPU tries every final state with up to eight processors, of the present
// model or of a new one. As documented, a swap with an open number keeps it.
func cheapestCPU(want, have cpu, u units) score {
	best := ruledOut
	for n := 1; n <= 8; n++ {
		if want.sockets > 0 && n != want.sockets {
			continue
		}
		changed := score(max(n-have.sockets, 0))*u.add + score(max(have.sockets-n, 0))*u.remove
		if want.sockets == 0 && want.cores == 0 {
			changed += points(0, 0, n)
		}
		sameModel := want.model == "" || want.model == have.model
		sameCores := want.cores == 0 || n*(have.cores/have.sockets) == want.cores
		free := want.sockets == 0 && want.cores == 0
		if sameModel && sameCores && (!free || n == have.sockets) {
			best = min(best, changed)
		}
		if want.sockets > 0 || n == have.sockets {
			best = min(best, changed+score(min(n, have.sockets))*u.swap)
		}
	}
	return best
}

func TestB28a_ProcessorsAreChangedOptimally(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 5000 {
		u := newUnits(1+r.IntN(40), 1+r.IntN(20), 1+r.IntN(50), 0)
		have := cpu{"x", []string{"a", "b"}[r.IntN(2)], 1 + r.IntN(4), 0}
		have.cores = have.sockets * (1 + r.IntN(3))
		want := cpu{"", []string{"", "a", "c"}[r.IntN(3)], r.IntN(5), r.IntN(9)}
		if got, best := planCPU(want, have, u).score, cheapestCPU(want, have, u); got != best {
			t.Fatalf("want %+v have %+v: got %+v, best is %+v", want, have, got.public(), best.public())
		}
	}
}

// plausible lists every multiset of modules that docs/matching.md allows as the
// outcome of reaching a total.
func plausible(want uint64, have []group) [][]group {
	var out [][]group
	offer := func(gs []group) {
		if gs = canonical(gs); bytesOf(gs) == want {
			out = append(out, gs)
		}
	}
	offer(append([]group(nil), have...))
	for i, g := range have {
		for n := 1; n <= 64; n++ {
			offer(append(append([]group(nil), have...), group{n, g.name, g.size}))
		}
		for n := 1; n <= g.count; n++ {
			less := append([]group(nil), have...)
			less[i].count -= n
			offer(append([]group(nil), less...))
			sizes := []uint64{g.size * 2, g.size * 4, g.size / 2, g.size / 4}
			for _, h := range have {
				sizes = append(sizes, h.size)
			}
			for _, z := range sizes {
				if z > 0 {
					offer(append(append([]group(nil), less...), group{n, g.name, z}))
				}
			}
		}
	}
	sizes := append([]uint64(nil), moduleSizes[:]...)
	for _, g := range have {
		sizes = append(sizes, g.size)
	}
	for _, z := range sizes {
		for n := 1; n <= 1024; n++ {
			if want < bytesOf(have) || n >= countOf(have) {
				offer([]group{{n, typeOf(have), z}})
			}
		}
	}
	return out
}

func TestB28a_ATotalOfMemoryIsReachedByTheCheapestPlausibleModules(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	sizes := []uint64{8 * gib, 16 * gib, 32 * gib}
	for range 400 {
		var have []group
		for range 1 + r.IntN(2) {
			have = append(have, group{1 + r.IntN(8), "DDR4", sizes[r.IntN(3)]})
		}
		have = canonical(have)
		want := uint64(1+r.IntN(48)) * 8 * gib
		u := newUnits(1+r.IntN(9), 1+r.IntN(6), 1+r.IntN(14), 0)
		plan := planTotal(want, memory{groups: have}, u)
		best := ruledOut
		for _, after := range plausible(want, have) {
			best = min(best, partsScore(after, have, false, u))
		}
		if plan.score != best {
			t.Fatalf("%d GiB from %v: %+v costs %+v, the best is %+v", want/gib, have, plan, plan.score.public(), best.public())
		}
		if plan.score > 0 && bytesOf(plan.after(have)) != want {
			t.Fatalf("%d GiB from %v: %+v gives %d", want/gib, have, plan, bytesOf(plan.after(have)))
		}
	}
}

func TestB28a_MemoryNobodySawIsOneModule(t *testing.T) {
	c := hardware.Configuration{Arch: "x86_64", MemoryBytes: 62 * gib}
	r, err := Compare(Server{ID: "vm", Configuration: c}, Wish{Configuration: hardware.Configuration{MemoryBytes: 64 * gib}})
	if err != nil || r.Distance == 0 || len(r.Changes) != 1 || r.Changes[0].Text != "swap 1 × 62 GiB DIMM for 1 × 64 GiB DIMM" {
		t.Fatalf("got %+v, %v", r, err)
	}
	odd := Wish{Configuration: hardware.Configuration{MemoryBytes: 3<<30 + 5}}
	if !Fits(Server{Configuration: Apply(c, mustCompare(t, c, odd).Changes)}, odd) {
		t.Fatal("an odd total cannot be reached")
	}
}

func mustCompare(t *testing.T, c hardware.Configuration, w Wish) Result {
	t.Helper()
	r, err := Compare(Server{Configuration: c}, w)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
