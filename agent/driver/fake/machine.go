package fake

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/pkg/bmc"
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
	BadTest   bool              // drives fail their self-tests
	BadBMC    error             // what asking the management controller gives
	Chassis   []bmc.Sensor      // of the management controller; a good one when empty
	Lost      int               // echo requests that the gateway does not answer
	Hides     []string          // what Hidden answers
	Buses     map[string]string // of disks, by name
	Pace      float64           // how much of the time that tests ask for they take: 1 all of it, 0 none

	Feel  func(*driver.Sensors)                        // changes what the sensors say; nil: nothing
	Sick  func(disk protocol.DiskRef, d *driver.Drive) // changes what a drive says; nil: nothing
	Count func() map[string]driver.Counters            // of the network ports; nil: none

	Boot   func() string           // what BootID answers; nil: always the same
	Switch func(reboot bool) error // what PowerOff and Reboot do; nil: nothing

	mu    sync.Mutex
	disks []*Disk
	found map[string][]protocol.Found // what customers left, by kind
	blind map[string]string           // kinds that cannot be looked at, and why
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
func (m *Machine) TestMemory(ctx context.Context, limit uint64, d time.Duration, _ int, report func(pass int, done, total uint64)) (driver.Tested, error) {
	size := min(limit, max(m.Parts().Memory.TotalBytes, 1<<30))
	t := driver.Tested{Bytes: size, Of: size, Passes: 1}
	if m.BadMemory {
		t.Wrong, t.Detail = 3, "a word read back differently at offset 4096"
	}
	err := m.pace(ctx, d)
	report(1, size, size)
	return t, err
}

// Sensors are those of a machine in a cool room.
func (m *Machine) Sensors(context.Context) driver.Sensors {
	s := driver.Sensors{
		ECC: true, BMC: true, Checked: true,
		Temperatures: []driver.Temperature{{Name: "coretemp Package id 0", Celsius: 41, High: 85, Critical: 95}},
		Fans:         []driver.Fan{{Name: "nct6775 fan1", RPM: 4200, Least: 600}},
		DIMMs:        []driver.DIMM{{Label: "CPU0_DIMM_A1"}},
	}
	if m.Hot {
		s.Temperatures[0].Celsius = 97
	}
	if m.Feel != nil {
		m.Feel(&s)
	}
	return s
}

// Drive tells of a disk what the inventory says.
func (m *Machine) Drive(_ context.Context, ref protocol.DiskRef) driver.Drive {
	d := driver.Drive{Kind: driver.KindVirtual, Silent: "the drive's own summary was not read"}
	for _, disk := range m.Parts().Disks {
		if driver.Same(driver.Ref(disk), ref) {
			d = drive(disk)
		}
	}
	if m.Sick != nil {
		m.Sick(ref, &d)
	}
	return d
}

func drive(disk hardware.Disk) driver.Drive {
	d := driver.Drive{Kind: driver.KindVirtual, Silent: "the drive's own summary was not read"}
	switch {
	case disk.Type == hardware.DiskNVMe:
		d.Kind = driver.KindNVMe
		d.Link = driver.Link{Now: "PCIe 8.0 GT/s x4", Best: "PCIe 8.0 GT/s x4", NowRate: 3938, BestRate: 3938}
	case disk.Type != hardware.DiskSATA && disk.Type != hardware.DiskSAS:
	case disk.Rotational:
		d.Kind = driver.KindHDD
	default:
		d.Kind = driver.KindSSD
	}
	if s := disk.SMART; s != nil {
		hours := s.PowerOnDays * 24
		d.Health = &smart.Health{
			Passed: s.Passed, Wear: s.WearPercent, Spare: -1, SpareLimit: -1, Celsius: 34, Rotates: disk.Rotational,
			Reallocated: &s.ReallocatedSectors, Pending: &s.PendingSectors, MediaErrors: &s.MediaErrors, Hours: &hours,
		}
	}
	return d
}

// SelfTest passes at once, unless BadTest.
func (m *Machine) SelfTest(ctx context.Context, _ protocol.DiskRef, report func(int)) (smart.Test, error) {
	if m.BadTest {
		return smart.Test{Kind: "Short", Result: "Completed: read failure", Failed: true}, ctx.Err()
	}
	report(90)
	return smart.Test{Kind: "Short", Result: "Completed without error"}, ctx.Err()
}

// Gateway answers all requests, but the first Lost of them.
func (m *Machine) Gateway(ctx context.Context, _ string, count int) (driver.Echo, error) {
	return driver.Echo{Gateway: "192.0.2.1", Sent: count, Received: max(count-m.Lost, 0), Median: 300 * time.Microsecond, Worst: 2 * time.Millisecond}, ctx.Err()
}

// Counters are what Count says, else none.
func (m *Machine) Counters(context.Context) map[string]driver.Counters {
	if m.Count == nil {
		return nil
	}
	return m.Count()
}

// BMC answers, unless BadBMC.
func (m *Machine) BMC(context.Context) (driver.BMC, error) {
	if m.BadBMC != nil {
		return driver.BMC{}, m.BadBMC
	}
	sensors := m.Chassis
	if sensors == nil {
		sensors = []bmc.Sensor{{Name: "Inlet", Value: 24, Unit: "°C", State: bmc.StateOK}, {Name: "PSU 1", Value: 231, Unit: "V", State: bmc.StateOK}}
	}
	return driver.BMC{Firmware: "2.81", IPMI: "2.0", Manufacturer: 10876, Sensors: sensors}, nil
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
