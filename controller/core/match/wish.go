package match

import (
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Wish is what an order asks of a server. Zero values mean "any".
type Wish struct {
	Location      string                 `json:"location,omitempty"`    // external id of the data centre (rule B2); hard
	ServerType    string                 `json:"server_type,omitempty"` // set only by a module "by server type" (rule B9); hard
	Configuration hardware.Configuration `json:"configuration"`         // Arch is hard, the rest has a distance
	Weights       *Weights               `json:"weights,omitempty"`     // of the module; nil means [DefaultWeights]
}

// MaxGroups bounds the groups of one kind of part in a wish.
const MaxGroups = 32

// maxCores and maxBytes keep the arithmetic of a wish far from its limits.
const (
	maxCores = 1 << 20
	maxBytes = 1 << 50
)

// Normalise returns the wish as it is compared and stored: the processor's name
// folded, groups sorted and merged. Matching does not need it; people do, and it
// makes "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz" fit "Xeon E5-2650 v4".
func (w Wish) Normalise() Wish {
	w.Configuration = w.Configuration.Normalise()
	w.Configuration.CPUModel = hardware.FoldCPUModel(w.Configuration.CPUModel)
	return w
}

// Validate refuses a wish that no server could ever fit or that is beyond the
// limits of this package: negative numbers, more than 4,096 parts of a kind, a
// total of memory that its modules do not add up to, unusable weights. All wrong
// fields come at once (rule X13), each named below path.
func (w Wish) Validate(path string) error {
	var check fault.Check
	c := &w.Configuration
	at := func(name string) string { return join(path, "configuration."+name) }
	within := func(name string, n, most int) {
		check.Require(0 <= n && n <= most, at(name), "is %d; give 0 (any) to %d", n, most)
	}
	within("sockets", c.Sockets, maxParts)
	within("cores", c.Cores, maxCores)
	check.Require(c.MemoryBytes <= maxBytes, at("memory_bytes"), "is larger than any machine")
	check.Require(c.Sockets == 0 || c.Cores == 0 || c.Cores >= c.Sockets, at("cores"),
		"is %d for %d sockets; cores are of all sockets together", c.Cores, c.Sockets)
	w.checkGroups(&check, at)
	if w.Weights != nil {
		w.Weights.check(&check, join(path, "weights"))
	}
	return check.Err("the wish cannot be matched")
}

func (w Wish) checkGroups(check *fault.Check, at func(string) string) {
	c := &w.Configuration
	names := [kinds]string{kindDIMM: "dimms", kindDisk: "disks", kindNIC: "nics", kindGPU: "gpus"}
	counts := [kinds][]int{}
	for _, g := range c.DIMMs {
		counts[kindDIMM] = append(counts[kindDIMM], g.Count)
		check.Require(g.SizeBytes <= maxBytes, at("dimms"), "holds a module larger than any that exists")
	}
	for _, g := range c.Disks {
		counts[kindDisk] = append(counts[kindDisk], g.Count)
		check.Require(g.SizeBytes <= maxBytes, at("disks"), "holds a disk larger than any that exists")
	}
	for _, g := range c.NICs {
		counts[kindNIC] = append(counts[kindNIC], g.Count)
		check.Require(g.SpeedMbps >= 0, at("nics"), "holds a speed of %d Mbit/s; give 0 for any", g.SpeedMbps)
	}
	for _, g := range c.GPUs {
		counts[kindGPU] = append(counts[kindGPU], g.Count)
	}
	for kind := kindDIMM; kind < kinds; kind++ {
		checkCounts(check, at(names[kind]), counts[kind])
	}
	check.Require(memoryAddsUp(c), at("memory_bytes"), "differs from the sum of dimms; give one of the two")
}

func checkCounts(check *fault.Check, name string, counts []int) {
	check.Require(len(counts) <= MaxGroups, name, "has %d groups; %d are the most", len(counts), MaxGroups)
	sum := 0
	for _, n := range counts {
		if n < 1 || n > maxParts {
			check.Add(name, "holds a count of %d; give 1 to %d, or leave the group out", n, maxParts)
			return
		}
		sum += n
	}
	check.Require(sum <= maxParts, name, "counts %d parts; %d are the most", sum, maxParts)
}

// memoryAddsUp holds where only one of the two is given, or a module's size is
// open.
func memoryAddsUp(c *hardware.Configuration) bool {
	if c.MemoryBytes == 0 || len(c.DIMMs) == 0 {
		return true
	}
	var sum uint64
	for _, g := range c.DIMMs {
		if g.SizeBytes == 0 || g.Count < 1 || g.Count > maxParts || g.SizeBytes > maxBytes {
			return true
		}
		sum += uint64(g.Count) * g.SizeBytes
	}
	return sum == c.MemoryBytes
}
