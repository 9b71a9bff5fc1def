package driver

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/protocol"
)

// Bench works the parts of a machine hard and compares what comes out with what must.
type Bench interface {
	// Stress works every processor for about d, checking each result, and tells how
	// many rounds were done and how many came out wrong.
	Stress(ctx context.Context, d time.Duration) (Rounds, error)
	// TestMemory writes patterns to at most limit bytes of free memory, reads them back and
	// stops after about d. One pass is every pattern over all of it; as many passes are made as d allows, at most passes
	// (0: no bound). report hears how far the present pass is.
	TestMemory(ctx context.Context, limit uint64, d time.Duration, passes int, report func(pass int, done, total uint64)) (Tested, error)
	// SelfTest lets a drive test itself (some minutes at most) and gives the entry in its log. smart.ErrNoTest and
	// smart.ErrSilent where it cannot.
	SelfTest(ctx context.Context, disk protocol.DiskRef, report func(percent int)) (smart.Test, error)
	// Gateway sends echo requests to the gateway of a port. ErrUnsupported where it has none.
	Gateway(ctx context.Context, port string, count int) (Echo, error)
}

// Senses tell what the machine measures about itself.
type Senses interface {
	// Sensors reads temperatures and error counters.
	Sensors(ctx context.Context) Sensors
	// Drive asks a disk how it is and what it is attached by. It never fails: what is not known is left out.
	Drive(ctx context.Context, disk protocol.DiskRef) Drive
	// Counters are those of the network ports, by name.
	Counters(ctx context.Context) map[string]Counters
	// BMC asks the management controller of this machine. ErrUnsupported where there is none.
	BMC(ctx context.Context) (BMC, error)
}

// Rounds is the outcome of a processor stress.
type Rounds struct {
	CPUs       int    // that took part
	Done       uint64 // rounds of arithmetic and hashing, all CPUs together
	Wrong      uint64 // rounds whose result differed
	Detail     string // which CPU was wrong first
	Throttled  uint64 // times that a processor slowed itself down for heat meanwhile
	SlowestMHz int    // lowest clock that was seen under load; 0 unknown
	BaseMHz    int    // clock that the processors promise under load; 0 unknown
}

// Tested is the outcome of a memory test.
type Tested struct {
	Bytes  uint64 // different bytes that were tested with every pattern
	Of     uint64 // that were to be tested
	Passes int    // whole passes
	Wrong  uint64 // words that read back differently
	Detail string // the first of them
}

// Sensors is what the machine measures about itself.
type Sensors struct {
	Temperatures  []Temperature
	Fans          []Fan
	Corrected     uint64 // memory errors that ECC corrected since boot
	Uncorrected   uint64
	ECC           bool   // somebody counts memory errors
	DIMMs         []DIMM // that have counters of their own
	MachineChecks uint64 // machine check exceptions since boot
	Deferred      uint64 // errors that the processors corrected or put off, since boot
	Checked       bool   // somebody counts them
	BMC           bool   // there is a management controller
}

// Temperature is one sensor.
type Temperature struct {
	Name     string
	Celsius  float64
	High     float64 // the sensor's own limit; 0: it has none
	Critical float64 // 0: it has none
}

// Fan is one fan.
type Fan struct {
	Name  string
	RPM   float64
	Least float64 // the sensor's own limit; 0: it has none
	Alarm bool    // the chip says that it fails
}

// DIMM is the error counters of one memory module.
type DIMM struct {
	Label                  string
	Corrected, Uncorrected uint64
}

// Timed is an open disk that has a clock of its own: a simulated one, whose speed must not depend on what else its machine has to do.
type Timed interface {
	// Worked is how long the disk was at work since it was made.
	Worked() time.Duration
}

// Kinds of drives, by which their speed is judged.
const (
	KindHDD     = "hdd"
	KindSSD     = "ssd" // SATA or SAS
	KindNVMe    = "nvme"
	KindVirtual = "virtual" // a hypervisor's or a RAID controller's volume, a file: nobody knows what it should do
)

// Drive is what is known of a disk beyond its name.
type Drive struct {
	Kind   string
	Health *smart.Health // nil: not read, Silent says why
	Silent string
	Link   Link
}

// Link is what a disk is attached by.
type Link struct {
	Now, Best         string  // for a person: "PCIe 8.0 GT/s x4", "SATA 6.0 Gbit/s"; "" unknown
	NowRate, BestRate float64 // payload in MB/s; 0 unknown
}

// Counters of a network port since boot, in frames. What counts as what is the kernel's: struct rtnl_link_stats64 in
// include/uapi/linux/if_link.h.
type Counters struct {
	Frames  uint64 // received and sent
	Errors  uint64 // received or sent with an error; the next two may be in it
	Damaged uint64 // received with a wrong checksum or torn: cable, optics, port
	Excused uint64 // of a wrong length, or more than the machine could take: neither cable nor card
	Dropped uint64 // in good order: nobody here wanted them
	Changes uint64 // of the link, which are not frames
}

// Echo is the outcome of echo requests to a gateway.
type Echo struct {
	Gateway        string
	Sent, Received int
	Median, Worst  time.Duration // of those that came back
}

// BMC is what a management controller says of itself.
type BMC struct {
	Firmware     string
	Manufacturer int      // IANA enterprise number
	IPMI         string   // version of the specification
	SelfTest     string   // "" passed or unknown; else what it found
	Addresses    []string // of its LAN ports (IPv4)
	MAC          string   // of the first of them
	Sensors      []bmc.Sensor
}
