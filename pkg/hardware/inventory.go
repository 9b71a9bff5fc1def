package hardware

import "time"

// Inventory is what an agent sees of its machine.
type Inventory struct {
	Schema         int       `json:"schema"` // version of this shape; 1
	Identity       Identity  `json:"identity"`
	System         System    `json:"system"`
	Board          Board     `json:"board"`
	Chassis        Chassis   `json:"chassis"`
	Firmware       Firmware  `json:"firmware"`
	CPUs           []CPU     `json:"cpus"`
	Memory         Memory    `json:"memory"`
	Disks          []Disk    `json:"disks"`
	NICs           []NIC     `json:"nics"`
	GPUs           []GPU     `json:"gpus"`
	PCI            []PCI     `json:"pci"`
	OS             OS        `json:"os"`
	Virtualization string    `json:"virtualization,omitempty"` // "kvm", "vmware", "docker", …; "" is bare metal or unknown
	Simulated      bool      `json:"simulated,omitempty"`      // fake drivers; shown as such everywhere
	Sections       []Section `json:"sections"`                 // how each collector fared, sorted by name
}

// How a collector fared.
const (
	SectionOK      = "ok"      // read
	SectionPartial = "partial" // some of it was read; Detail says what is missing
	SectionAbsent  = "absent"  // the machine has no such thing
	SectionFailed  = "failed"  // it has, but reading failed
	SectionDenied  = "denied"  // it has, but this user may not read it
)

// Section says how one collector fared.
type Section struct {
	Name   string `json:"name"`             // "smbios", "cpu", "memory", "disks", "nics", "pci", "lldp", "smart", "os", "virtualization"
	State  string `json:"state"`            // one of the Section… constants
	Detail string `json:"detail,omitempty"` // a sentence for a person
}

// Identity is what tells this machine from every other one (rule X1).
type Identity struct {
	UUID          string   `json:"uuid,omitempty"`          // SMBIOS type 1, lower case with dashes; "" when absent or a placeholder
	SystemSerial  string   `json:"system_serial,omitempty"` // "" when absent or a placeholder
	BoardSerial   string   `json:"board_serial,omitempty"`
	ChassisSerial string   `json:"chassis_serial,omitempty"`
	MACs          []string `json:"macs"`                 // permanent MACs of physical NICs, lower case, sorted
	MachineID     string   `json:"machine_id,omitempty"` // /etc/machine-id: names the installed system; a fallback only
}

// System is SMBIOS type 1.
type System struct {
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	SKU     string `json:"sku,omitempty"`
	Family  string `json:"family,omitempty"`
}

// Board is SMBIOS type 2.
type Board struct {
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
}

// Chassis is SMBIOS type 3.
type Chassis struct {
	Vendor   string `json:"vendor,omitempty"`
	Type     string `json:"type,omitempty"` // "Rack Mount Chassis", …
	AssetTag string `json:"asset_tag,omitempty"`
}

// Firmware is SMBIOS type 0 and how the machine booted.
type Firmware struct {
	Vendor   string `json:"vendor,omitempty"`
	Version  string `json:"version,omitempty"`
	Date     string `json:"date,omitempty"`      // as the vendor wrote it, usually mm/dd/yyyy
	BootMode string `json:"boot_mode,omitempty"` // "uefi" or "bios"
}

// CPU is one populated socket.
type CPU struct {
	Socket  string   `json:"socket"` // "CPU1", "P0", or the kernel's physical id
	Vendor  string   `json:"vendor,omitempty"`
	Model   string   `json:"model"` // as the processor names itself, spaces folded
	Arch    string   `json:"arch"`  // "x86_64", "aarch64", … (uname -m)
	Cores   int      `json:"cores"`
	Threads int      `json:"threads"`
	BaseMHz int      `json:"base_mhz,omitempty"`
	MaxMHz  int      `json:"max_mhz,omitempty"`
	Flags   []string `json:"flags,omitempty"` // sorted; only those that matter: virtualisation, crypto, vectors
}

// Memory is the installed memory.
type Memory struct {
	TotalBytes  uint64 `json:"total_bytes"`            // sum of the DIMMs, or what the kernel sees when SMBIOS tells nothing
	KernelBytes uint64 `json:"kernel_bytes,omitempty"` // MemTotal of /proc/meminfo: less than installed
	ECC         string `json:"ecc,omitempty"`          // "none", "single-bit", "multi-bit", "crc" (SMBIOS type 16)
	Slots       int    `json:"slots,omitempty"`        // sockets for DIMMs, populated or not
	DIMMs       []DIMM `json:"dimms"`
}

// DIMM is one populated SMBIOS type 17 device.
type DIMM struct {
	Slot       string `json:"slot"`
	SizeBytes  uint64 `json:"size_bytes"`
	Type       string `json:"type,omitempty"`        // "DDR3", "DDR4", "DDR5", …
	SpeedMTs   int    `json:"speed_mts,omitempty"`   // MT/s, rated
	FormFactor string `json:"form_factor,omitempty"` // "DIMM", "SODIMM", …
	Vendor     string `json:"vendor,omitempty"`
	Part       string `json:"part,omitempty"`
	Serial     string `json:"serial,omitempty"`
	Rank       int    `json:"rank,omitempty"`
}

// Disk types.
const (
	DiskNVMe    = "nvme"
	DiskSATA    = "sata"
	DiskSAS     = "sas"
	DiskVirtual = "virtual" // virtio, Xen, hypervisor disks, RAID volumes
	DiskUSB     = "usb"
	DiskUnknown = "unknown"
)

// Disk is one block device that can hold an operating system. Partitions, loop,
// RAM, optical and device-mapper devices are not listed.
type Disk struct {
	Name       string `json:"name"` // kernel name, "nvme0n1"; changes between boots, never an identity
	Type       string `json:"type"` // one of the Disk… constants
	Rotational bool   `json:"rotational"`
	Model      string `json:"model,omitempty"`
	Vendor     string `json:"vendor,omitempty"`
	Serial     string `json:"serial,omitempty"`
	WWN        string `json:"wwn,omitempty"` // as the kernel gives it: "naa.…", "eui.…"
	Firmware   string `json:"firmware,omitempty"`
	SizeBytes  uint64 `json:"size_bytes"`
	SectorSize int    `json:"sector_size,omitempty"` // logical, bytes
	Removable  bool   `json:"removable,omitempty"`
	ReadOnly   bool   `json:"read_only,omitempty"`
	SMART      *SMART `json:"smart,omitempty"` // nil when not read; Sections tells why
}

// SMART is the health summary of one disk, in coarse steps so that it does not
// change the inventory's digest all day.
type SMART struct {
	Passed             bool   `json:"passed"`
	WearPercent        int    `json:"wear_percent"`                  // NVMe "percentage used"; -1 unknown
	ReallocatedSectors uint64 `json:"reallocated_sectors,omitempty"` // ATA attribute 5, SCSI grown defects
	PendingSectors     uint64 `json:"pending_sectors,omitempty"`     // ATA attribute 197
	MediaErrors        uint64 `json:"media_errors,omitempty"`        // NVMe
	PowerOnDays        uint64 `json:"power_on_days,omitempty"`
}

// NIC is one Ethernet port. Bridges, bonds, VLANs, tunnels and container ends
// are not listed.
type NIC struct {
	Name         string     `json:"name"`
	PermanentMAC string     `json:"permanent_mac,omitempty"` // lower case; the burnt-in address, not the current one
	MAC          string     `json:"mac,omitempty"`           // current, lower case
	Driver       string     `json:"driver,omitempty"`
	Model        string     `json:"model,omitempty"` // from the PCI ids
	PCIAddress   string     `json:"pci_address,omitempty"`
	SpeedMbps    int        `json:"speed_mbps,omitempty"` // negotiated; 0 without link
	MaxMbps      int        `json:"max_mbps,omitempty"`   // best supported link mode; what is sold
	Link         bool       `json:"link"`
	Addresses    []string   `json:"addresses"` // CIDR notation, sorted
	LLDP         *Neighbour `json:"lldp,omitempty"`
}

// Neighbour is the switch port that an LLDP frame (IEEE 802.1AB) named.
type Neighbour struct {
	ChassisID       string `json:"chassis_id"`
	PortID          string `json:"port_id"`
	PortDescription string `json:"port_description,omitempty"`
	SystemName      string `json:"system_name,omitempty"`
	VLAN            int    `json:"vlan,omitempty"`
}

// GPU is a display or 3D controller (PCI class 03) other than the BMC's, or a
// processing accelerator (class 12).
type GPU struct {
	Vendor      string `json:"vendor"`
	Model       string `json:"model"`
	PCIAddress  string `json:"pci_address"`
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
}

// PCI is one device worth selling or repairing. Bridges and system devices are
// not listed.
type PCI struct {
	Address string `json:"address"`
	Class   string `json:"class"`  // "network", "storage", "display", "accelerator"
	Vendor  string `json:"vendor"` // name, or hexadecimal id when unknown
	Device  string `json:"device"`
	Driver  string `json:"driver,omitempty"`
}

// OS is the running system.
type OS struct {
	Name     string `json:"name,omitempty"` // PRETTY_NAME of os-release
	ID       string `json:"id,omitempty"`
	Version  string `json:"version,omitempty"`
	Kernel   string `json:"kernel,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	Arch     string `json:"arch,omitempty"`
}

// Sample is what moves all the time. It is kept in memory, never in etcd.
// Counters are cumulative since boot.
type Sample struct {
	At          time.Time    `json:"at"`
	UptimeSec   uint64       `json:"uptime_seconds"`
	Load1       float64      `json:"load1"`
	Load5       float64      `json:"load5"`
	Load15      float64      `json:"load15"`
	CPUUserMs   uint64       `json:"cpu_user_ms"` // all CPUs together
	CPUSystemMs uint64       `json:"cpu_system_ms"`
	CPUIdleMs   uint64       `json:"cpu_idle_ms"`
	CPUIOWaitMs uint64       `json:"cpu_iowait_ms"`
	MemTotal    uint64       `json:"mem_total_bytes"`
	MemAvail    uint64       `json:"mem_available_bytes"`
	SwapTotal   uint64       `json:"swap_total_bytes"`
	SwapFree    uint64       `json:"swap_free_bytes"`
	FS          []Filesystem `json:"filesystems"`
	Disks       []DiskIO     `json:"disks"`
	Interfaces  []Interface  `json:"interfaces"`
}

// Filesystem is one mounted file system that is backed by a disk.
type Filesystem struct {
	Mount      string `json:"mount"`
	Type       string `json:"type"`
	Device     string `json:"device"`
	TotalBytes uint64 `json:"total_bytes"`
	FreeBytes  uint64 `json:"free_bytes"`
	Inodes     uint64 `json:"inodes"`
	InodesFree uint64 `json:"inodes_free"`
}

// DiskIO counts one disk.
type DiskIO struct {
	Name       string `json:"name"`
	ReadBytes  uint64 `json:"read_bytes"`
	WriteBytes uint64 `json:"write_bytes"`
	ReadOps    uint64 `json:"read_ops"`
	WriteOps   uint64 `json:"write_ops"`
	BusyMs     uint64 `json:"busy_ms"`
}

// Interface counts one network interface.
type Interface struct {
	Name    string `json:"name"`
	RxBytes uint64 `json:"rx_bytes"`
	TxBytes uint64 `json:"tx_bytes"`
	RxPkts  uint64 `json:"rx_packets"`
	TxPkts  uint64 `json:"tx_packets"`
	RxErrs  uint64 `json:"rx_errors"`
	TxErrs  uint64 `json:"tx_errors"`
}
