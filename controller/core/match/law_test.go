package match_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/matchtest"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// pairs calls f with configurations and wishes of every sort.
func pairs(t *testing.T, n int, f func(s match.Server, w match.Wish)) {
	t.Helper()
	fleet := matchtest.Fleet(3, 200, 200)
	wishes := matchtest.Mixed(3, fleet, n)
	r := rand.New(rand.NewPCG(3, 3))
	for _, w := range wishes {
		f(fleet[r.IntN(len(fleet))], w)
	}
}

func TestB28a_PartsListAppliedGivesAnExactFit(t *testing.T) {
	compared := 0
	pairs(t, 4000, func(s match.Server, w match.Wish) {
		r, err := match.Compare(s, w)
		if err != nil {
			return // ruled out by architecture; there is no parts list for that
		}
		compared++
		after := s
		after.Configuration = match.Apply(s.Configuration, r.Changes)
		if !match.Fits(after, w) {
			again, _ := match.Compare(after, w)
			t.Fatalf("server %s\nwish   %+v\nparts  %s\nafter  %s\nmissing %s",
				s.Configuration, w, match.Parts(r.Changes), after.Configuration, match.Parts(again.Changes))
		}
	})
	if compared < 1000 {
		t.Fatalf("only %d pairs were compared", compared)
	}
}

func TestB28a_ExplanationAndPartsAddUpToTheDistance(t *testing.T) {
	pairs(t, 4000, func(s match.Server, w match.Wish) {
		r, err := match.Compare(s, w)
		if err != nil {
			return
		}
		var costs, parts, explained int
		for _, c := range r.Changes {
			costs += c.Cost
			parts += c.Count
		}
		for _, a := range r.Explanation {
			explained += a.Cost
		}
		if costs != r.Distance || explained != r.Distance || parts != r.Parts {
			t.Fatalf("distance %d, parts list %d, explanation %d; %d parts, listed %d\nserver %s\nwish %+v\nparts %s",
				r.Distance, costs, explained, r.Parts, parts, s.Configuration, w, match.Parts(r.Changes))
		}
		if r.Exact != (r.Distance == 0) || r.Exact != (len(r.Changes) == 0) {
			t.Fatalf("exact %v with distance %d and %d changes", r.Exact, r.Distance, len(r.Changes))
		}
	})
}

// A configuration is an exact fit for itself; with one part more or less, another
// processor or more memory it is not.
func TestB28a_ExactMeansDistanceZero(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, c := range matchtest.Configurations(r, 300) {
		w := match.Wish{Configuration: c}
		if !match.Fits(match.Server{Configuration: c}, w) {
			t.Fatalf("%s does not fit itself", c)
		}
		for name, other := range spoiled(c) {
			s := match.Server{Configuration: other}
			if got, err := match.Compare(s, w); err != nil || got.Exact || got.Distance == 0 || len(got.Changes) == 0 {
				t.Fatalf("%s: %s for %s: %+v, %v", name, other, c, got, err)
			}
		}
	}
}

func spoiled(c hardware.Configuration) map[string]hardware.Configuration {
	out := map[string]hardware.Configuration{}
	edit := func(name string, f func(c *hardware.Configuration)) {
		d := c
		d.DIMMs, d.Disks, d.NICs = slices.Clone(c.DIMMs), slices.Clone(c.Disks), slices.Clone(c.NICs)
		f(&d)
		out[name] = d
	}
	edit("other processor", func(c *hardware.Configuration) { c.CPUModel += "L" })
	edit("socket more", func(c *hardware.Configuration) { c.Cores += c.Cores / c.Sockets; c.Sockets++ })
	edit("module more", func(c *hardware.Configuration) { c.DIMMs[0].Count++ })
	edit("module larger", func(c *hardware.Configuration) { c.DIMMs[0].SizeBytes *= 2 })
	edit("other generation", func(c *hardware.Configuration) { c.DIMMs[0].Type = "DDR2" })
	edit("disk more", func(c *hardware.Configuration) { c.Disks[0].Count++ })
	edit("disk less", func(c *hardware.Configuration) { c.Disks[0].Count-- })
	edit("other medium", func(c *hardware.Configuration) { c.Disks[0].Medium = hardware.MediumVirtual })
	edit("port less", func(c *hardware.Configuration) { c.NICs[0].Count-- })
	edit("card more", func(c *hardware.Configuration) {
		c.GPUs = append(slices.Clone(c.GPUs), hardware.GPUGroup{Count: 1, Model: "Matrox"})
	})
	if len(c.GPUs) == 0 {
		delete(out, "card more") // no cards in a wish is "any"
	}
	return out
}

func TestB28a_MorePortsThanOrderedAreLeftIn(t *testing.T) {
	have := hardware.Configuration{NICs: []hardware.NICGroup{{Count: 2, SpeedMbps: 10000}, {Count: 4, SpeedMbps: 1000}}}
	want := match.Wish{Configuration: hardware.Configuration{NICs: []hardware.NICGroup{{Count: 2, SpeedMbps: 10000}}}}
	r, err := match.Compare(match.Server{Configuration: have}, want)
	if err != nil || !r.Exact || r.Surplus != 4 || len(r.Changes) != 0 {
		t.Fatalf("got %+v, %v", r, err)
	}
	strict := match.DefaultWeights()
	strict.NICRemove = 2
	want.Weights = &strict
	if r, _ = match.Compare(match.Server{Configuration: have}, want); r.Distance != 8 || match.Parts(r.Changes) != "remove 4 × 1 Gbit/s port" {
		t.Fatalf("got %d, %s", r.Distance, match.Parts(r.Changes))
	}
}

func TestB27_PartsListReadsLikeABuildTask(t *testing.T) {
	const gib, gb = 1 << 30, 1_000_000_000
	have := hardware.Configuration{
		Arch: "x86_64", CPUModel: "Xeon E5-2650 v4", Sockets: 2, Cores: 24,
		DIMMs: []hardware.DIMMGroup{{Count: 6, SizeBytes: 32 * gib, Type: "DDR4"}},
		Disks: []hardware.DiskGroup{{Count: 2, Medium: "ssd", SizeBytes: 480 * gb}, {Count: 1, Medium: "hdd", SizeBytes: 4000 * gb}},
	}
	want := match.Wish{Configuration: hardware.Configuration{
		DIMMs: []hardware.DIMMGroup{{Count: 8, SizeBytes: 32 * gib}},
		Disks: []hardware.DiskGroup{{Count: 2, Medium: "nvme", SizeBytes: 1920 * gb}},
		NICs:  []hardware.NICGroup{{Count: 2, SpeedMbps: 25000}},
		GPUs:  []hardware.GPUGroup{{Count: 1, Model: "NVIDIA L4"}},
	}}
	r, err := match.Compare(match.Server{ID: "a", Configuration: have}, want)
	if err != nil {
		t.Fatal(err)
	}
	const text = "add 2 × 32 GiB DDR4 DIMM, swap 2 × 480 GB SSD for 2 × 1.92 TB NVMe, remove 1 × 4 TB HDD, " +
		"add 2 × 25 Gbit/s port, add 1 × NVIDIA L4"
	if got := match.Parts(r.Changes); got != text {
		t.Errorf("got  %s\nwant %s", got, text)
	}
	if want := 2*4 + 2*(4+10) + 2 + 2*8 + 15; r.Distance != want {
		t.Errorf("distance %d, the published weights say %d", r.Distance, want)
	}
	cpus := match.Wish{Configuration: hardware.Configuration{CPUModel: "EPYC 7302P", Sockets: 1, Cores: 16}}
	r, _ = match.Compare(match.Server{Configuration: have}, cpus)
	if got := match.Parts(r.Changes); got != "swap 1 × Xeon E5-2650 v4 for 1 × EPYC 7302P (16 cores in all), remove 1 × Xeon E5-2650 v4" || r.Distance != 50 {
		t.Errorf("got %s, %d", got, r.Distance)
	}
}

func TestB28a_OrderOfGroupsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	pairs(t, 1000, func(s match.Server, w match.Wish) {
		a, errA := match.Compare(s, w)
		b, errB := match.Compare(shuffled(r, s), match.Wish{
			Location: w.Location, ServerType: w.ServerType, Weights: w.Weights,
			Configuration: shuffled(r, match.Server{Configuration: w.Configuration}).Configuration,
		})
		if (errA == nil) != (errB == nil) || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v, %v\nis not\n%+v, %v", a, errA, b, errB)
		}
	})
}

// shuffled lists the same parts one by one in another order.
func shuffled(r *rand.Rand, s match.Server) match.Server {
	c := s.Configuration
	var dimms []hardware.DIMMGroup
	for _, g := range c.DIMMs {
		for range g.Count {
			dimms = append(dimms, hardware.DIMMGroup{Count: 1, SizeBytes: g.SizeBytes, Type: g.Type})
		}
	}
	r.Shuffle(len(dimms), func(i, j int) { dimms[i], dimms[j] = dimms[j], dimms[i] })
	c.DIMMs, c.Disks, c.NICs = dimms, slices.Clone(c.Disks), slices.Clone(c.NICs)
	slices.Reverse(c.Disks)
	slices.Reverse(c.NICs)
	s.Configuration = c
	return s
}
