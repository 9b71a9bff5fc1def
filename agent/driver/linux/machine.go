package linux

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Options say how the machine is read.
type Options struct {
	// Inventory reads the machine, slowly and completely.
	Inventory func(context.Context) hardware.Inventory
	// Disks reads the disks alone, anew each time. nil: those of Inventory. It is called by one
	// goroutine at a time; who asks meanwhile gets the first reading that began after the question.
	Disks func(context.Context) []hardware.Disk
	// Sandbox, when not nil, are the only disks there are; it may be empty.
	Sandbox []*SandboxDisk
	// Switch turns the computer off and on again; nil: it shares its computer with others and leaves it on.
	// In a sandbox there is none, whatever is given.
	Switch *Switch
}

// Machine is the computer that this process runs on.
type Machine struct {
	opt Options
	sys string // "/sys"
	dev string // "/dev"
	prc string // "/proc"
}

// New makes the machine and touches nothing.
func New(opt Options) *Machine {
	if opt.Disks == nil {
		opt.Disks = func(ctx context.Context) []hardware.Disk {
			inv := opt.Inventory(ctx)
			return inv.Disks
		}
	}
	opt.Disks = shared(opt.Disks)
	if opt.Sandbox != nil {
		opt.Switch = nil
	}
	return &Machine{opt: opt, sys: "/sys", dev: "/dev", prc: "/proc"}
}

// Inventory reads the machine; in a sandbox with the sandbox disks behind the real ones.
func (m *Machine) Inventory(ctx context.Context) hardware.Inventory {
	inv := m.opt.Inventory(ctx)
	inv.Disks = append(slices.Clip(inv.Disks), m.sandboxDisks()...)
	return inv
}

func (m *Machine) sandboxDisks() []hardware.Disk {
	var list []hardware.Disk
	for _, s := range m.opt.Sandbox {
		list = append(list, s.Inventory())
	}
	return list
}

func (m *Machine) sandboxed() bool { return m.opt.Sandbox != nil }

// List names the disks that commands may name.
func (m *Machine) List(ctx context.Context) ([]protocol.DiskRef, error) {
	disks := m.sandboxDisks()
	if !m.sandboxed() {
		disks = m.opt.Disks(ctx)
	}
	var list []protocol.DiskRef
	for _, d := range disks {
		if Target(d) {
			list = append(list, driver.Ref(d))
		}
	}
	slices.SortFunc(list, func(a, b protocol.DiskRef) int { return strings.Compare(a.Name, b.Name) })
	return list, ctx.Err()
}

// Target tells whether a disk of an inventory may be erased or installed on at all: it holds
// something and is no stick, card or medium that somebody put in.
func Target(d hardware.Disk) bool {
	return d.SizeBytes > 0 && d.Type != hardware.DiskUSB && !d.Removable
}

// Open opens a disk of List.
func (m *Machine) Open(_ context.Context, name string, mode driver.Mode) (driver.Disk, error) {
	if m.sandboxed() {
		for _, s := range m.opt.Sandbox {
			if s.name == name {
				return s.open(m, mode)
			}
		}
		return nil, fault.Refused("disk %s is none of the sandbox disks; the real disks of this machine are out of reach", name)
	}
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fault.Invalid("%q is not the name of a block device", name)
	}
	h, err := m.openBlock(filepath.Join(m.dev, name), name, mode, m.identity(name))
	if err != nil {
		return nil, err
	}
	return &drive{handle: h, machine: m, name: name}, nil
}

// identity asks sysfs and the drive again, by the kernel name that the open device has.
func (m *Machine) identity(name string) identify {
	return func(ctx context.Context, h *handle) (protocol.DiskRef, error) {
		if err := m.sameDevice(h, name); err != nil {
			return protocol.DiskRef{}, err
		}
		for _, d := range m.opt.Disks(ctx) {
			if d.Name == name {
				ref := driver.Ref(d)
				ref.SizeBytes = uint64(h.size)
				return ref, ctx.Err()
			}
		}
		return protocol.DiskRef{}, fault.NotFound("disk %s is gone", name)
	}
}

// shared lets those who ask at the same time have one reading, never one that began before
// they asked.
func shared(read func(context.Context) []hardware.Disk) func(context.Context) []hardware.Disk {
	turn := make(chan struct{}, 1)
	var began time.Time
	var last []hardware.Disk
	return func(ctx context.Context) []hardware.Disk {
		asked := time.Now()
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return nil
		}
		if began.Before(asked) {
			began = time.Now()
			last = read(ctx)
		}
		return slices.Clone(last)
	}
}
