package fake

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Machine is a computer in memory. Set its fields before the first use; it is safe for
// concurrent use afterwards.
type Machine struct {
	Parts     func() hardware.Inventory // what Inventory answers
	BadCPU    bool                      // every round of arithmetic is wrong
	BadMemory bool
	Hot       bool              // one sensor is above its limit
	Hides     []string          // what Hidden answers
	Buses     map[string]string // of disks, by name
	Pace      float64           // how much of the time that tests ask for they take: 1 all of it, 0 none

	Boot   func() string           // what BootID answers; nil: always the same
	Switch func(reboot bool) error // what PowerOff and Reboot do; nil: nothing

	mu    sync.Mutex
	disks []*Disk
}

// New makes a machine with the disks of its inventory, empty, and their content in store.
func New(parts func() hardware.Inventory, store *Pages) *Machine {
	m := &Machine{Parts: parts}
	inv := parts()
	for _, d := range inv.Disks {
		disk := NewDisk(driver.Ref(d), store)
		disk.ReadOnly = d.ReadOnly
		m.disks = append(m.disks, disk)
	}
	return m
}

// Disk gives the i-th disk, for tests and faults.
func (m *Machine) Disk(i int) *Disk {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.disks[i]
}

// Add puts a disk into the machine.
func (m *Machine) Add(d *Disk) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disks = append(m.disks, d)
}

// All are the machine's disks.
func (m *Machine) All() []*Disk {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.disks)
}

// Inventory answers what Parts says.
func (m *Machine) Inventory(context.Context) hardware.Inventory { return m.Parts() }

// List names the disks that are plugged in.
func (m *Machine) List(context.Context) ([]protocol.DiskRef, error) {
	var list []protocol.DiskRef
	for _, d := range m.All() {
		d.Change(func(d *Disk) {
			if !d.Gone {
				list = append(list, d.Ref)
			}
		})
	}
	slices.SortFunc(list, func(a, b protocol.DiskRef) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Open opens a disk by name.
func (m *Machine) Open(_ context.Context, name string, mode driver.Mode) (driver.Disk, error) {
	for _, d := range m.All() {
		if d.Ref.Name == name {
			return d.begin(mode)
		}
	}
	return nil, fault.NotFound("there is no disk %s", name)
}

// Hidden answers what Hides says.
func (m *Machine) Hidden(ctx context.Context) ([]string, error) { return m.Hides, ctx.Err() }

// Bus answers what Buses says.
func (m *Machine) Bus(name string) string { return m.Buses[name] }

func (m *Machine) pace(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(float64(d) * m.Pace)):
		return nil
	}
}

// Stress pretends to work as long as Pace says.
func (m *Machine) Stress(ctx context.Context, d time.Duration) (driver.Rounds, error) {
	r := driver.Rounds{Done: uint64(d / time.Millisecond)}
	for _, c := range m.Parts().CPUs {
		r.CPUs += max(c.Threads, 1)
	}
	if m.BadCPU {
		r.Wrong, r.Detail = 1, "CPU 0 computed a wrong sum"
	}
	return r, m.pace(ctx, d)
}

// TestMemory pretends to test limit bytes.
func (m *Machine) TestMemory(ctx context.Context, limit uint64, d time.Duration) (driver.Tested, error) {
	t := driver.Tested{Bytes: limit, Passes: 4}
	if m.BadMemory {
		t.Wrong, t.Detail = 3, "a word read back differently at offset 4096"
	}
	return t, m.pace(ctx, d)
}

// Sensors are those of a machine in a cool room.
func (m *Machine) Sensors(context.Context) driver.Sensors {
	s := driver.Sensors{ECC: true, BMC: true, Temperatures: []driver.Temperature{{Name: "coretemp Package id 0", Celsius: 41, High: 85, Critical: 95}}}
	if m.Hot {
		s.Temperatures[0].Celsius = 97
	}
	return s
}

// BootID answers what Boot says.
func (m *Machine) BootID() string {
	if m.Boot == nil {
		return "fake"
	}
	return m.Boot()
}

// PowerOff does what Switch says.
func (m *Machine) PowerOff(ctx context.Context) error { return m.turn(ctx, false) }

// Reboot does what Switch says.
func (m *Machine) Reboot(ctx context.Context) error { return m.turn(ctx, true) }

func (m *Machine) turn(ctx context.Context, reboot bool) error {
	if err := ctx.Err(); err != nil || m.Switch == nil {
		return err
	}
	return m.Switch(reboot)
}
