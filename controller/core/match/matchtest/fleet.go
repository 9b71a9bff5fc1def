package matchtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/hardware"
)

const (
	gib = 1 << 30
	gb  = 1_000_000_000
)

// What servers of the last generations are built of.
var (
	processors = []struct {
		arch, model string
		cores       int // each
		memory      string
	}{
		{"x86_64", "Xeon E5-2620 v3", 6, "DDR4"},
		{"x86_64", "Xeon E5-2650 v4", 12, "DDR4"},
		{"x86_64", "Xeon E5-2670", 8, "DDR3"},
		{"x86_64", "Xeon X5650", 6, "DDR3"},
		{"x86_64", "Xeon Silver 4114", 10, "DDR4"},
		{"x86_64", "Xeon Silver 4210", 10, "DDR4"},
		{"x86_64", "Xeon Gold 6130", 16, "DDR4"},
		{"x86_64", "Xeon Gold 6230", 20, "DDR4"},
		{"x86_64", "Xeon Gold 6338", 32, "DDR4"},
		{"x86_64", "Xeon Gold 6430", 32, "DDR5"},
		{"x86_64", "Xeon E-2136", 6, "DDR4"},
		{"x86_64", "Xeon E-2288G", 8, "DDR4"},
		{"x86_64", "EPYC 7302P", 16, "DDR4"},
		{"x86_64", "EPYC 7402P", 24, "DDR4"},
		{"x86_64", "EPYC 7543", 32, "DDR4"},
		{"x86_64", "EPYC 9354", 32, "DDR5"},
		{"x86_64", "Ryzen 9 5950X", 16, "DDR4"},
		{"x86_64", "Ryzen 9 7950X", 16, "DDR5"},
		{"aarch64", "Altra Q80-30", 80, "DDR4"},
		{"aarch64", "Neoverse-N1", 64, "DDR4"},
	}
	modules = []uint64{8 * gib, 16 * gib, 16 * gib, 32 * gib, 32 * gib, 64 * gib}
	drives  = []hardware.DiskGroup{
		{Medium: hardware.MediumSSD, SizeBytes: 240 * gb},
		{Medium: hardware.MediumSSD, SizeBytes: 480 * gb},
		{Medium: hardware.MediumSSD, SizeBytes: 960 * gb},
		{Medium: hardware.MediumNVMe, SizeBytes: 960 * gb},
		{Medium: hardware.MediumNVMe, SizeBytes: 1920 * gb},
		{Medium: hardware.MediumNVMe, SizeBytes: 3840 * gb},
		{Medium: hardware.MediumHDD, SizeBytes: 4000 * gb},
		{Medium: hardware.MediumHDD, SizeBytes: 16000 * gb},
	}
	cards = []string{"NVIDIA A100", "NVIDIA L4", "NVIDIA H100"}
)

// epoch is the first moment at which a server of a fleet became free: 1 January
// 2026 in Unix nanoseconds.
const epoch = 1_767_225_600_000_000_000

// Fleet returns n available servers of exactly the given number of different
// configurations (of n, if that is less), all in the location "ams". Popular
// configurations have more servers than rare ones, as in real fleets.
func Fleet(seed uint64, n, classes int) []match.Server {
	r := rand.New(rand.NewPCG(seed, 1))
	configurations := Configurations(r, min(n, classes))
	servers := make([]match.Server, n)
	for i := range servers {
		class := i // one of each first
		if i >= len(configurations) {
			class = min(r.IntN(len(configurations)), r.IntN(len(configurations)))
		}
		servers[i] = match.Server{
			ID:            fmt.Sprintf("srv-%07d", i),
			Location:      "ams",
			FreeSince:     epoch + int64(r.IntN(90*24*3600))*1_000_000_000,
			Configuration: configurations[class],
		}
	}
	r.Shuffle(n, func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
	return servers
}

// Spread moves the servers round robin into the locations, in place.
func Spread(servers []match.Server, locations ...string) {
	for i := range servers {
		servers[i].Location = locations[i%len(locations)]
	}
}

// Configurations draws n different configurations.
func Configurations(r *rand.Rand, n int) []hardware.Configuration {
	seen := map[string]bool{}
	var out []hardware.Configuration
	for len(out) < n {
		c := configuration(r)
		if key := c.Key(); !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

func configuration(r *rand.Rand) hardware.Configuration {
	p := processors[r.IntN(len(processors))]
	sockets := 1 + r.IntN(2)
	c := hardware.Configuration{Arch: p.arch, CPUModel: p.model, Sockets: sockets, Cores: sockets * p.cores}
	for range 1 + r.IntN(8)/7 { // seldom a mixture
		c.DIMMs = append(c.DIMMs, hardware.DIMMGroup{
			Count: sockets << r.IntN(4), SizeBytes: modules[r.IntN(len(modules))], Type: p.memory,
		})
	}
	for range 1 + r.IntN(2) {
		d := drives[r.IntN(len(drives))]
		d.Count = 1 << r.IntN(4)
		c.Disks = append(c.Disks, d)
	}
	c.NICs = []hardware.NICGroup{{Count: 2 + 2*r.IntN(2), SpeedMbps: 1000}}
	if r.IntN(2) == 0 {
		c.NICs = append(c.NICs, hardware.NICGroup{Count: 2, SpeedMbps: []int{10000, 25000}[r.IntN(2)]})
	}
	if r.IntN(12) == 0 {
		c.GPUs = []hardware.GPUGroup{{Count: 1 << r.IntN(4), Model: cards[r.IntN(len(cards))]}}
	}
	c = c.Normalise()
	for _, g := range c.DIMMs {
		c.MemoryBytes += uint64(g.Count) * g.SizeBytes
	}
	return c
}
