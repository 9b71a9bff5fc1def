package hardware

// Configuration is a machine as it is sold and compared: counts and classes of
// parts, no serial numbers. Two servers of equal configuration are exchangeable.
//
// As a wish (in an order or a tariff) zero values mean "any": Arch "", CPUModel
// "", Sockets 0, Cores 0, MemoryBytes 0, no DIMMs, no Disks, no NICs, no GPUs.
// As the configuration of a server everything is filled in that was seen.
type Configuration struct {
	Arch        string      `json:"arch,omitempty"`         // "x86_64", "aarch64"
	CPUModel    string      `json:"cpu_model,omitempty"`    // folded: "Xeon E5-2650 v4"
	Sockets     int         `json:"sockets,omitempty"`      // populated
	Cores       int         `json:"cores,omitempty"`        // of all sockets together
	MemoryBytes uint64      `json:"memory_bytes,omitempty"` // installed, of all DIMMs together
	DIMMs       []DIMMGroup `json:"dimms,omitempty"`        // sorted; empty when SMBIOS tells nothing
	Disks       []DiskGroup `json:"disks,omitempty"`        // sorted
	NICs        []NICGroup  `json:"nics,omitempty"`         // sorted
	GPUs        []GPUGroup  `json:"gpus,omitempty"`         // sorted
}

// DIMMGroup is a number of equal memory modules.
type DIMMGroup struct {
	Count     int    `json:"count"`
	SizeBytes uint64 `json:"size_bytes"`
	Type      string `json:"type,omitempty"` // "DDR4"; "" any
}

// DiskGroup is a number of equal disks.
type DiskGroup struct {
	Count     int    `json:"count"`
	Medium    string `json:"medium"`     // one of the Medium… constants
	SizeBytes uint64 `json:"size_bytes"` // nominal (as sold), not to the sector
}

// NICGroup is a number of ports of equal best speed.
type NICGroup struct {
	Count     int `json:"count"`
	SpeedMbps int `json:"speed_mbps"`
}

// GPUGroup is a number of equal accelerators.
type GPUGroup struct {
	Count int    `json:"count"`
	Model string `json:"model"`
}

// Media of a DiskGroup.
const (
	MediumNVMe    = "nvme"
	MediumSSD     = "ssd" // SATA or SAS without rotation
	MediumHDD     = "hdd"
	MediumVirtual = "virtual"
)
