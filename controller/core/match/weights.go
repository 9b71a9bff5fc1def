package match

import "github.com/steelyard/steelyard/pkg/fault"

// MaxWeight is the largest weight in points. It keeps every possible distance
// far below 2³².
const MaxWeight = 1000

// Weights is what one part of rework costs, in points; a point is about one
// minute of a technician's work. All are per part: per module, disk, port, card
// and processor. Start from [DefaultWeights] and change what differs.
type Weights struct {
	CPUAdd    int `json:"cpu_add"`
	CPURemove int `json:"cpu_remove"`
	CPUSwap   int `json:"cpu_swap"`

	DIMMAdd    int `json:"dimm_add"`
	DIMMRemove int `json:"dimm_remove"`
	DIMMSwap   int `json:"dimm_swap"`
	DIMMType   int `json:"dimm_type"` // on top, per module of a generation (DDR3, DDR4, …) that the server has none of

	DiskAdd    int `json:"disk_add"`
	DiskRemove int `json:"disk_remove"` // 0: more disks than ordered are left in
	DiskSwap   int `json:"disk_swap"`
	DiskMedium int `json:"disk_medium"` // on top, per disk of a medium (NVMe, SSD, …) that the server has none of

	NICAdd    int `json:"nic_add"`
	NICRemove int `json:"nic_remove"` // 0: more ports than ordered are left in
	NICSwap   int `json:"nic_swap"`

	GPUAdd    int `json:"gpu_add"`
	GPURemove int `json:"gpu_remove"` // 0: more cards than ordered are left in
	GPUSwap   int `json:"gpu_swap"`
}

// DefaultWeights are the published weights; docs/matching.md explains them.
//
//	part   add  remove  swap  on top
//	cpu     30      15    35
//	dimm     4       2     5  +60 per module of another generation
//	disk     3       2     4  +10 per disk of a medium the server has none of
//	nic      8       0    10  (ports on the board stay)
//	gpu     15       8    20
func DefaultWeights() Weights {
	return Weights{
		CPUAdd: 30, CPURemove: 15, CPUSwap: 35,
		DIMMAdd: 4, DIMMRemove: 2, DIMMSwap: 5, DIMMType: 60,
		DiskAdd: 3, DiskRemove: 2, DiskSwap: 4, DiskMedium: 10,
		NICAdd: 8, NICRemove: 0, NICSwap: 10,
		GPUAdd: 15, GPURemove: 8, GPUSwap: 20,
	}
}

// Validate refuses weights that would break a promise: an addition or a swap
// that costs nothing would make an unfinished server look exact. It reports
// every wrong field (rule X13) as one invalid fault, below the given path.
func (w Weights) Validate(path string) error {
	var check fault.Check
	w.check(&check, path)
	return check.Err("the weights are not usable")
}

func (w Weights) check(check *fault.Check, path string) {
	for _, l := range w.limits() {
		check.Require(l.least <= l.value && l.value <= MaxWeight, join(path, l.name),
			"is %d; give whole points from %d to %d", l.value, l.least, MaxWeight)
	}
}

type limit struct {
	name         string
	value, least int
}

func (w Weights) limits() []limit {
	return []limit{
		{"cpu_add", w.CPUAdd, 1},
		{"cpu_remove", w.CPURemove, 1},
		{"cpu_swap", w.CPUSwap, 1},
		{"dimm_add", w.DIMMAdd, 1},
		{"dimm_remove", w.DIMMRemove, 1},
		{"dimm_swap", w.DIMMSwap, 1},
		{"dimm_type", w.DIMMType, 0},
		{"disk_add", w.DiskAdd, 1},
		{"disk_remove", w.DiskRemove, 0},
		{"disk_swap", w.DiskSwap, 1},
		{"disk_medium", w.DiskMedium, 0},
		{"nic_add", w.NICAdd, 1},
		{"nic_remove", w.NICRemove, 0},
		{"nic_swap", w.NICSwap, 1},
		{"gpu_add", w.GPUAdd, 1},
		{"gpu_remove", w.GPURemove, 0},
		{"gpu_swap", w.GPUSwap, 1},
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
