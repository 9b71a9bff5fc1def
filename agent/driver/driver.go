package driver

import (
	"context"
	"errors"
	"io"
	"net/netip"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// ErrUnsupported is what a disk answers to a command that it does not have.
var ErrUnsupported = errors.New("the disk does not support this")

// Mode says what a disk is opened for.
type Mode int

// Modes of Open.
const (
	Read  Mode = iota // shared; works while the disk is in use
	Write             // exclusive; refused while the disk is mounted or held
)

// Disks are the disks of one machine that commands may name.
type Disks interface {
	// List names every disk that may be a target, sorted by name. Removable and USB
	// disks, and in a sandbox every disk that was not given to it, are left out.
	List(ctx context.Context) ([]protocol.DiskRef, error)
	// Open opens the disk that List called name. Write is refused (fault refused)
	// while the disk is mounted, swapped on, held by another device or read-only.
	Open(ctx context.Context, name string, mode Mode) (Disk, error)
}

// Disk is an open disk. Reads and writes go past every cache of the operating system.
// Offsets and lengths are multiples of [Block], but for the last piece of a disk whose
// size is none, and buffers come from [Buffer]. Methods may be called from several goroutines.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Identify asks the open device who it is, now.
	Identify(ctx context.Context) (protocol.DiskRef, error)
	// Discard tells the device that it may forget a range. What it reads afterwards is
	// not promised. ErrUnsupported where there is no such command.
	Discard(off, n int64) error
	// Sync returns when everything written is on the medium.
	Sync() error
}

// Zeroer is a Disk that can overwrite a range with zeros by itself, faster than by
// writing buffers. Only disks in memory do: on a real one the erase goes the way
// that data goes, so that the proof is about that way.
type Zeroer interface {
	Zero(off, n int64) error
}

// Power switches a machine. PowerOff and Reboot return when the machine was told; where all goes well it goes down soon
// after, and this process with it. They do nothing when ctx has ended.
type Power interface {
	// BootID changes with every start of the machine, and with nothing else where the machine has such a number.
	BootID() string
	PowerOff(ctx context.Context) error
	Reboot(ctx context.Context) error
}

// Director is a machine whose next start can be told what to start from.
type Director interface {
	// FromNetwork lets the next start, and only that one, be from the network. How it is done is for a person; refused where
	// the machine has no way.
	FromNetwork(ctx context.Context) (how string, err error)
}

// Jumper is a machine whose running system can start another kernel by itself, past its firmware (kexec).
type Jumper interface {
	// Prepare fetches a kernel into memory, compares it with its digests and tries whether the running kernel takes it. Nothing of it stays
	// in the kernel: that is left to jump, which ends what runs in good order and starts it. Faults of Prepare: refused where the machine
	// has no way or too little memory, unavailable when the files cannot be had.
	Prepare(ctx context.Context, k Kernel) (jump func(context.Context) error, err error)
	// Uplink is the network card behind an address of this machine, as another kernel has to be told of it.
	Uplink(local netip.Addr) (Uplink, error)
}

// Kernel is what a Jumper starts.
type Kernel struct {
	Image, Memory protocol.EntryFile
	CommandLine   string
	// Fetch writes the whole of one of the files. What it writes is not believed.
	Fetch func(ctx context.Context, f protocol.EntryFile, to io.Writer) error
}

// Uplink is how a card has its address.
type Uplink struct {
	MAC     string       // of the card itself: of a bond or bridge, that of the member in use
	Address netip.Prefix // zero where the network gives it (DHCP, router announcements)
	Gateway netip.Addr   // zero: none
	VLAN    int          // 0: untagged
}

// Inspector is a machine that says by itself what customers may have left on its system: one without a real system. known are the keys of
// what was there before any customer.
type Inspector interface {
	Inspect(ctx context.Context, known map[string]bool) (*protocol.Inspection, error)
}

// Machine is everything that commands are done to.
type Machine interface {
	Disks
	Power
	// Inventory reads the parts of the machine now.
	Inventory(ctx context.Context) hardware.Inventory
	Bench
	Senses
}
