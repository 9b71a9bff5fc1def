package match_test

import (
	"fmt"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// The worked example of docs/matching.md.
func Example() {
	const gib, gb = 1 << 30, 1_000_000_000
	server := func(id string, since int64, dimms int, disks ...hardware.DiskGroup) match.Server {
		return match.Server{ID: id, Location: "ams", FreeSince: since, Configuration: hardware.Configuration{
			Arch: "x86_64", CPUModel: "Xeon E5-2650 v4", Sockets: 2, Cores: 24, MemoryBytes: uint64(dimms) * 32 * gib,
			DIMMs: []hardware.DIMMGroup{{Count: dimms, SizeBytes: 32 * gib, Type: "DDR4"}},
			Disks: disks, NICs: []hardware.NICGroup{{Count: 4, SpeedMbps: 10000}},
		}}
	}
	c := match.NewCatalogue()
	servers := []match.Server{
		server("a", 1, 8, hardware.DiskGroup{Count: 4, Medium: hardware.MediumHDD, SizeBytes: 4000 * gb}),
		server("b", 2, 6, hardware.DiskGroup{Count: 2, Medium: hardware.MediumSSD, SizeBytes: 480 * gb}),
		server("c", 3, 4, hardware.DiskGroup{Count: 3, Medium: hardware.MediumNVMe, SizeBytes: 1920 * gb}),
	}
	wish := match.Wish{Location: "ams", Configuration: hardware.Configuration{
		CPUModel: "Xeon E5-2650 v4", MemoryBytes: 256 * gib,
		Disks: []hardware.DiskGroup{{Count: 2, Medium: hardware.MediumNVMe, SizeBytes: 1920 * gb}},
	}}
	for _, s := range servers {
		c.Put(s)
		each, _ := match.Compare(s, wish)
		fmt.Printf("%s: %d points\n", s.ID, each.Distance)
	}
	r, _ := c.Best(wish)
	fmt.Printf("%s, distance %d: %s\n", r.ServerID, r.Distance, match.Parts(r.Changes))
	for _, a := range r.Explanation {
		fmt.Printf("%-8s %2d  wanted %s, has %s\n", a.Name, a.Cost, a.Wanted, a.Has)
	}
	// Output:
	// a: 32 points
	// b: 36 points
	// c: 18 points
	// c, distance 18: add 4 × 32 GiB DDR4 DIMM, remove 1 × 1.92 TB NVMe
	// location  0  wanted ams, has ams
	// arch      0  wanted any, has x86_64
	// cpu       0  wanted Xeon E5-2650 v4, has 2 × Xeon E5-2650 v4 (24 cores)
	// memory   16  wanted 256 GiB in all, has 4 × 32 GiB DDR4 DIMM
	// disks     2  wanted 2 × 1.92 TB NVMe, has 3 × 1.92 TB NVMe
	// nics      0  wanted any, has 4 × 10 Gbit/s port
	// gpus      0  wanted any, has none
}
