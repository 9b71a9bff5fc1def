package matchtest

import (
	"math/rand/v2"
	"slices"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Exact returns n orders for exactly what some server of the fleet is.
func Exact(seed uint64, fleet []match.Server, n int) []match.Wish {
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([]match.Wish, n)
	for i := range out {
		s := fleet[r.IntN(len(fleet))]
		out[i] = match.Wish{Location: s.Location, Configuration: s.Configuration}
	}
	return out
}

// Close returns n orders for what nearly exists: complete configurations drawn
// like the fleet's own, of the locations and architectures of its servers.
func Close(seed uint64, fleet []match.Server, n int) []match.Wish {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([]match.Wish, n)
	for i := range out {
		c := configuration(r)
		c.Disks[0].Count++ // odd numbers of disks are in no fleet
		out[i] = match.Wish{Location: fleet[r.IntN(len(fleet))].Location, Configuration: c}
	}
	return out
}

// Mixed returns n orders of every sort: exact, close, with attributes left open,
// with a total of memory instead of modules, for any location, with other
// weights, for a server type.
func Mixed(seed uint64, fleet []match.Server, n int) []match.Wish {
	r := rand.New(rand.NewPCG(seed, 4))
	exact, near := Exact(seed, fleet, n), Close(seed, fleet, n)
	out := make([]match.Wish, n)
	for i := range out {
		out[i] = near[i]
		if r.IntN(3) == 0 {
			out[i] = exact[i]
		}
		out[i].Configuration = loosened(r, out[i].Configuration)
		if r.IntN(5) == 0 {
			out[i].Location = ""
		}
		if r.IntN(4) == 0 {
			w := Weights(r)
			out[i].Weights = &w
		}
		if s := fleet[r.IntN(len(fleet))]; s.ServerType != "" && r.IntN(4) == 0 {
			out[i].ServerType = s.ServerType
		}
	}
	return out
}

// loosened leaves some of the configuration open.
func loosened(r *rand.Rand, c hardware.Configuration) hardware.Configuration {
	if r.IntN(3) == 0 {
		c.Arch = ""
	}
	if r.IntN(3) == 0 {
		c.CPUModel = ""
	}
	if r.IntN(3) == 0 {
		c.Sockets = 0
	}
	if r.IntN(3) == 0 {
		c.Cores = 0
	}
	switch r.IntN(4) {
	case 0:
		c.DIMMs = nil
	case 1:
		c.MemoryBytes, c.DIMMs = 0, nil
	case 2:
		c.DIMMs, c.MemoryBytes = slices.Clone(c.DIMMs), 0
		c.DIMMs[0].Type = ""
	}
	return loosenedParts(r, c)
}

func loosenedParts(r *rand.Rand, c hardware.Configuration) hardware.Configuration {
	switch r.IntN(5) {
	case 0:
		c.Disks = nil
	case 1:
		c.Disks = slices.Clone(c.Disks)
		c.Disks[0].Medium = ""
	case 2:
		c.Disks = slices.Clone(c.Disks)
		c.Disks[len(c.Disks)-1].SizeBytes = 0
	}
	if r.IntN(2) == 0 {
		c.NICs = nil
	}
	if r.IntN(2) == 0 {
		c.GPUs = nil
	}
	return c
}

// Weights draws weights that are valid, some removals free.
func Weights(r *rand.Rand) match.Weights {
	part := func() (int, int, int) { return 1 + r.IntN(40), 1 + r.IntN(20), 1 + r.IntN(60) }
	var w match.Weights
	w.CPUAdd, w.CPURemove, w.CPUSwap = part()
	w.DIMMAdd, w.DIMMRemove, w.DIMMSwap = part()
	w.DiskAdd, w.DiskRemove, w.DiskSwap = part()
	w.NICAdd, w.NICRemove, w.NICSwap = part()
	w.GPUAdd, w.GPURemove, w.GPUSwap = part()
	w.DIMMType, w.DiskMedium = r.IntN(30), r.IntN(30)
	if r.IntN(2) == 0 {
		w.DiskRemove, w.NICRemove, w.GPURemove = 0, 0, 0
	}
	return w
}
