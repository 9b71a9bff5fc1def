package diagnose

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parts() hardware.Inventory {
	return hardware.Inventory{
		Simulated: true,
		CPUs:      []hardware.CPU{{Model: "Xeon", Cores: 8, Threads: 16}},
		Disks: []hardware.Disk{
			{Name: "sda", Type: hardware.DiskSATA, Serial: "Fa", SizeBytes: 480_103_981_056, SMART: &hardware.SMART{Passed: true, WearPercent: 3}},
			{Name: "sdb", Serial: "Fb", SizeBytes: 64 << 20},
		},
		NICs: []hardware.NIC{{Name: "eth0", PermanentMAC: "02:00:00:00:00:01", Link: true, SpeedMbps: 10_000, MaxMbps: 10_000}, {Name: "eth1"}},
	}
}

func run(t *testing.T, change func(*fake.Machine, *hardware.Inventory)) *protocol.Diagnosis {
	t.Helper()
	return runProfile(t, Quick, change)
}

func runProfile(t *testing.T, p Profile, change func(*fake.Machine, *hardware.Inventory)) *protocol.Diagnosis {
	t.Helper()
	inv := parts()
	m := fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
	if change != nil {
		change(m, &inv)
	}
	out, err := Run(t.Context(), m, p, func(uint64, uint64, string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func find(t *testing.T, d *protocol.Diagnosis, name string) protocol.Check {
	t.Helper()
	for _, c := range d.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, d.Checks)
	return protocol.Check{}
}

func TestB46_AHealthyMachinePassesEveryCheck(t *testing.T) {
	d := run(t, nil)
	for _, name := range []string{
		"cpu", "memory", "memory errors", "machine checks", "disk sda read", "disk sda random", "disk sda surface", "disk sda smart",
		"disk sda temperature", "disk sdb read", "disk sdb random", "disk sdb surface", "disk sdb smart", "nic eth0 link", "nic eth0 gateway",
		"nic eth1 link", "temperature", "fans", "bmc", "bmc sensors",
	} {
		if c := find(t, d, name); c.Verdict != protocol.VerdictOK {
			t.Errorf("%+v", c)
		}
	}
	if len(d.Inventory.Disks) != 2 || d.Profile != "quick" || d.EndedAt.Before(d.StartedAt) {
		t.Errorf("%+v", d)
	}
}

func TestB46_EveryFaultIsFoundWithValueAndLimit(t *testing.T) {
	eio := func(op fake.Op, _, _ int64) error {
		if op == fake.OpRead {
			return syscall.EIO
		}
		return nil
	}
	sick := func(change func(before bool, d *driver.Drive)) func(*fake.Machine, *hardware.Inventory) {
		return func(m *fake.Machine, _ *hardware.Inventory) {
			var looks atomic.Int32
			m.Sick = func(ref protocol.DiskRef, d *driver.Drive) {
				if ref.Serial == "Fa" {
					change(looks.Add(1) == 1, d)
				}
			}
		}
	}
	n := func(v uint64) *uint64 { return &v }
	feel := func(change func(first bool, s *driver.Sensors)) func(*fake.Machine, *hardware.Inventory) {
		return func(m *fake.Machine, _ *hardware.Inventory) {
			looks := 0
			m.Feel = func(s *driver.Sensors) { looks++; change(looks == 1, s) }
		}
	}
	count := func(after driver.Counters) func(*fake.Machine, *hardware.Inventory) {
		return func(m *fake.Machine, _ *hardware.Inventory) {
			looks := 0
			m.Count = func() map[string]driver.Counters {
				if looks++; looks == 1 {
					return map[string]driver.Counters{"eth0": {Frames: 100, Errors: 40, Damaged: 30, Excused: 20, Dropped: 10, Changes: 4}} // before the test: not held against it
				}
				return map[string]driver.Counters{"eth0": {
					Frames: 100 + after.Frames, Errors: 40 + after.Errors, Damaged: 30 + after.Damaged, Excused: 20 + after.Excused, Dropped: 10 + after.Dropped, Changes: 4 + after.Changes,
				}}
			}
		}
	}
	for _, c := range []struct {
		change  func(*fake.Machine, *hardware.Inventory)
		check   string
		verdict string
	}{
		{func(m *fake.Machine, _ *hardware.Inventory) { m.BadCPU = true }, "cpu", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.BadMemory = true }, "memory", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Hot = true }, "temperature", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Disk(0).Fault = eio }, "disk sda read", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Disk(0).Fault = eio }, "disk sda random", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) {
			m.Disk(0).Fault = func(_ fake.Op, off, _ int64) error {
				if off > 1<<30 {
					return syscall.EIO
				}
				return nil
			}
		}, "disk sda surface", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Disk(1).BytesPerSec = 8e6 }, "disk sdb read", "warning"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Disk(0).BytesPerSec = 100e6 }, "disk sda read", "warning"}, // an SSD
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.Passed = false }, "disk sda smart", "error"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.PendingSectors = 2 }, "disk sda smart", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.PendingSectors = 200 }, "disk sda smart", "error"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.WearPercent = 95 }, "disk sda smart", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.WearPercent = 101 }, "disk sda smart", "error"},
		{sick(func(_ bool, d *driver.Drive) { d.Health.Failing = []string{"its medium is read-only"} }), "disk sda smart", "error"},
		{sick(func(_ bool, d *driver.Drive) { d.Health.Spare, d.Health.SpareLimit = 14, 10 }), "disk sda smart", "warning"},
		{sick(func(before bool, d *driver.Drive) {
			if !before {
				d.Health.CRCErrors = n(3)
			} else {
				d.Health.CRCErrors = n(2)
			}
		}), "disk sda smart", "warning"},
		{sick(func(before bool, d *driver.Drive) {
			if !before {
				d.Health.Uncorrectable = n(1)
			}
		}), "disk sda smart", "error"},
		{sick(func(_ bool, d *driver.Drive) { d.Health.Reported = n(1) }), "disk sda smart", "warning"},
		{sick(func(_ bool, d *driver.Drive) {
			d.Health.Tests = []smart.Test{{Kind: "Short", Result: "Aborted by host"}, {Kind: "Short", Result: "Completed: read failure", Failed: true}}
		}), "disk sda smart", "error"},
		{sick(func(_ bool, d *driver.Drive) { d.Health.Celsius = 81 }), "disk sda temperature", "warning"},
		{sick(func(_ bool, d *driver.Drive) {
			d.Health.Celsius, d.Health.WarmCelsius, d.Health.HotCelsius = 66, 60, 65
		}), "disk sda temperature", "error"},
		{sick(func(_ bool, d *driver.Drive) {
			d.Link = driver.Link{Now: "PCIe 8.0 GT/s x1", Best: "PCIe 8.0 GT/s x4", NowRate: 985, BestRate: 3938}
		}), "disk sda link", "warning"},
		{feel(func(first bool, s *driver.Sensors) { s.Uncorrected = 1; s.DIMMs[0].Uncorrected = 1 }), "memory errors", "error"},
		{feel(func(first bool, s *driver.Sensors) {
			if !first {
				s.Corrected, s.DIMMs[0].Corrected = 1, 1
			}
		}), "memory errors", "error"},
		{feel(func(first bool, s *driver.Sensors) { s.Corrected, s.DIMMs[0].Corrected = 1, 1 }), "memory errors", "warning"},
		{feel(func(first bool, s *driver.Sensors) {
			if !first {
				s.MachineChecks = 1
			}
		}), "machine checks", "error"},
		{feel(func(first bool, s *driver.Sensors) { s.MachineChecks = 1 }), "machine checks", "warning"},
		{feel(func(first bool, s *driver.Sensors) { s.Fans[0].RPM = 200 }), "fans", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.NICs[0].SpeedMbps = 1000 }, "nic eth0 link", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.NICs[0].Link = false }, "network", "error"},
		{count(driver.Counters{Frames: 900, Damaged: 2, Errors: 2}), "nic eth0 errors", "warning"},
		{count(driver.Counters{Frames: 900, Errors: 1}), "nic eth0 errors", "warning"},
		{count(driver.Counters{Frames: 900, Errors: 8, Excused: 7}), "nic eth0 errors", "warning"},
		{count(driver.Counters{Frames: 900, Damaged: 1, Errors: 1, Excused: 7}), "nic eth0 errors", "warning"}, // a driver that does not count what was missed as errors
		{count(driver.Counters{Frames: 9_000_000, Damaged: 91, Errors: 91}), "nic eth0 errors", "warning"},
		{count(driver.Counters{Frames: 900, Errors: 7, Excused: 7}), "nic eth0 errors", "ok"}, // short frames
		{count(driver.Counters{Frames: 900, Dropped: 50}), "nic eth0 errors", "ok"},
		{count(driver.Counters{Frames: 9_000_000, Damaged: 90, Errors: 90}), "nic eth0 errors", "ok"},
		{count(driver.Counters{Changes: 2}), "nic eth0 errors", "warning"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Lost = 2 }, "nic eth0 gateway", "warning"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.BadBMC = errors.New("no answer in time") }, "bmc", "warning"},
		{func(m *fake.Machine, _ *hardware.Inventory) {
			m.Chassis = []bmc.Sensor{{Name: "Fan 3", Value: 300, Unit: "rpm", State: bmc.StateWarning}}
		}, "bmc sensors", "warning"},
		{func(m *fake.Machine, _ *hardware.Inventory) {
			m.Chassis = []bmc.Sensor{{Name: "PSU 2", Unit: "V", State: bmc.StateCritical}, {Name: "Fan 3", Value: 300, Unit: "rpm", State: bmc.StateWarning}}
		}, "bmc sensors", "error"},
	} {
		got := find(t, run(t, c.change), c.check)
		if got.Verdict != c.verdict || got.Value == "" && got.Detail == "" || got.Limit == "" {
			t.Errorf("%+v, not %s", got, c.verdict)
		}
	}
}

// TestB46_WhatCannotBeMeasuredIsNotHeldAgainstTheMachine: each of these is ok, and Detail says why there is no value.
func TestB46_WhatCannotBeMeasuredIsNotHeldAgainstTheMachine(t *testing.T) {
	for check, change := range map[string]func(*fake.Machine, *hardware.Inventory){
		"disk sda smart": func(m *fake.Machine, _ *hardware.Inventory) {
			m.Sick = func(_ protocol.DiskRef, d *driver.Drive) { d.Health, d.Silent = nil, smart.ErrSilent.Error() }
		},
		"memory errors": func(m *fake.Machine, _ *hardware.Inventory) { m.Feel = func(s *driver.Sensors) { s.ECC = false } },
		"temperature": func(m *fake.Machine, _ *hardware.Inventory) {
			m.Feel = func(s *driver.Sensors) { s.Temperatures = nil }
		},
		"nic eth0 gateway": func(m *fake.Machine, _ *hardware.Inventory) { m.Lost = 1000 },
	} {
		if c := find(t, run(t, change), check); c.Verdict != protocol.VerdictOK || !strings.Contains(c.Detail, "not tested: ") {
			t.Errorf("%+v", c)
		}
	}
	old := find(t, run(t, func(m *fake.Machine, _ *hardware.Inventory) {
		m.Sick = func(_ protocol.DiskRef, d *driver.Drive) {
			if d.Health != nil {
				n := uint64(40)
				d.Health.CRCErrors = &n
			}
		}
	}), "disk sda smart")
	if old.Verdict != protocol.VerdictOK || !strings.Contains(old.Detail, "40 damaged transfers") {
		t.Errorf("a cable that was bad once: %+v", old)
	}
	none := find(t, run(t, func(m *fake.Machine, _ *hardware.Inventory) { m.BadBMC = driver.ErrUnsupported }), "bmc")
	if none.Verdict != protocol.VerdictOK {
		t.Errorf("%+v", none)
	}
}

// TestB46_LimitsFollowTheClass of a drive.
func TestB46_LimitsFollowTheClass(t *testing.T) {
	hdd := func(rpm int) driver.Drive { return driver.Drive{Kind: driver.KindHDD, Health: &smart.Health{RPM: rpm}} }
	at := func(kind string, rate float64) driver.Drive {
		return driver.Drive{Kind: kind, Link: driver.Link{NowRate: rate}}
	}
	for _, c := range []struct {
		drive      driver.Drive
		rate, iops float64
	}{
		{driver.Drive{Kind: driver.KindHDD}, 40, 25},
		{hdd(5400), 40, 25},
		{hdd(7200), 60, 40},
		{hdd(15000), 80, 60},
		{at(driver.KindSSD, 600), 240, 1000},
		{at(driver.KindSSD, 300), 120, 1000},
		{at(driver.KindSSD, 0), 200, 1000},
		{at(driver.KindSSD, 1200), 240, 1000},
		{at(driver.KindNVMe, 3938), 984.5, 2000},
		{at(driver.KindNVMe, 15754), 2000, 2000},
		{at(driver.KindNVMe, 0), 400, 2000},
		{driver.Drive{Kind: driver.KindVirtual}, 10, 0},
	} {
		if l := limitsOf(c.drive); l.rate != c.rate || l.iops != c.iops {
			t.Errorf("%+v: %+v", c.drive, l)
		}
	}
}

// TestB46_SamplesAreSpreadOverTheWholeDisk also when the time is over after a part of them.
func TestB46_SamplesAreSpreadOverTheWholeDisk(t *testing.T) {
	for _, size := range []int64{2 * samplePiece, 8 << 20, 480_103_981_056} {
		const n = 64
		var seen [n]int
		taken := 0
		for at := range places(size, n) {
			if at < 0 || at%driver.Block != 0 || at+samplePiece > size {
				t.Fatalf("a sample at %d of %d", at, size)
			}
			seen[at*n/size]++
			if taken++; taken == n/4 && size > 1<<30 {
				for part := 0; part < n; part += 8 {
					if seen[part]+seen[part+1]+seen[part+2] == 0 {
						t.Errorf("after a quarter of the samples none is near part %d: %v", part, seen)
					}
				}
			}
		}
		if taken != n {
			t.Errorf("%d samples of %d", taken, n)
		}
	}
}

// TestB46_ASlowDiskIsMeasuredAgainAlone: a disk that was slow only because others were read at the same time is not.
func TestB46_ASlowDiskIsMeasuredAgainAlone(t *testing.T) {
	var reads atomic.Int64
	d := run(t, func(m *fake.Machine, _ *hardware.Inventory) {
		m.Disk(1).Change(func(k *fake.Disk) {
			k.BytesPerSec = 8e6
			k.Fault = func(op fake.Op, off, _ int64) error {
				if off == 0 && op == fake.OpRead && reads.Add(1) == 2 {
					go k.Change(func(k *fake.Disk) { k.BytesPerSec = 0 })
				}
				return nil
			}
		})
	})
	if c := find(t, d, "disk sdb read"); reads.Load() < 2 || c.Verdict == protocol.VerdictError {
		t.Errorf("%d times, %+v", reads.Load(), c)
	}
	seen := 0
	for _, c := range d.Checks {
		if c.Name == "disk sdb read" {
			seen++
		}
	}
	if seen != 1 {
		t.Errorf("the speed is told %d times", seen)
	}
}

func TestB46_DrivesTestThemselvesInTheStandardProfile(t *testing.T) {
	p := Quick
	p.SelfTest = true
	if c := find(t, runProfile(t, p, nil), "disk sda self-test"); c.Verdict != protocol.VerdictOK || c.Value != "Completed without error" {
		t.Errorf("%+v", c)
	}
	bad := find(t, runProfile(t, p, func(m *fake.Machine, _ *hardware.Inventory) { m.BadTest = true }), "disk sda self-test")
	if bad.Verdict != protocol.VerdictError || bad.Value != "Completed: read failure" {
		t.Errorf("%+v", bad)
	}
	if !Standard.SelfTest || Quick.SelfTest {
		t.Error("the profiles changed")
	}
}

// TestB46_BurnIn loads everything for as long as it was told, and finds a disk that fails only then.
func TestB46_BurnIn(t *testing.T) {
	p, err := ProfileOf("burn-in:2h")
	if err != nil || p.Load != 2*time.Hour || p.Name != "burn-in" {
		t.Fatalf("%+v %v", p, err)
	}
	p, p.Load = Quick, time.Minute
	synctest.Test(t, func(t *testing.T) {
		var total atomic.Uint64
		inv := parts()
		m := fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
		m.Pace = 1
		for i := range 2 {
			m.Disk(i).BytesPerSec = 250e6
		}
		start := time.Now()
		m.Disk(1).Fault = func(fake.Op, int64, int64) error {
			if time.Since(start) > 40*time.Second {
				return syscall.EIO
			}
			return nil
		}
		d, err := Run(t.Context(), m, p, func(done, of uint64, unit, _ string) {
			if unit == "seconds" {
				total.Store(of)
				if done > of {
					t.Errorf("%d of %d seconds", done, of)
				}
			}
		})
		if err != nil || total.Load() != 60 {
			t.Fatalf("%v, %d seconds", err, total.Load())
		}
		if took := d.EndedAt.Sub(d.StartedAt); took < time.Minute || took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		for name, want := range map[string]string{"cpu load": "ok", "memory load": "ok", "disk sda load": "ok", "disk sdb load": "error"} {
			if c := find(t, d, name); c.Verdict != want {
				t.Errorf("%+v", c)
			}
		}
	})
}

func TestB46_ABurnInIsInterruptedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Quick
		p.Load = 8 * time.Hour
		inv := parts()
		m := fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
		m.Pace = 1
		for i := range 2 {
			m.Disk(i).BytesPerSec = 250e6
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		_, err := Run(ctx, m, p, func(uint64, uint64, string, string) {})
		if !fault.Is(err, fault.KindUnavailable) || time.Since(start) > 31*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestProgressIsToldAgain while the processors are worked for a minute, so that a listener who missed it hears it.
func TestProgressIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fake.New(parts, fake.NewPages())
		m.Pace = 1
		p := Quick
		p.CPU = time.Minute
		var told atomic.Int32
		if _, err := Run(t.Context(), m, p, func(_, _ uint64, _, note string) {
			if note == "testing processors" {
				told.Add(1)
			}
		}); err != nil || told.Load() < 20 {
			t.Errorf("%v, told %d times", err, told.Load())
		}
	})
}

// TestB46_FiguresAreComparable: each has a name and a unit, and parts are named for good.
func TestB46_FiguresAreComparable(t *testing.T) {
	d := run(t, nil)
	for name, want := range map[string]string{"disk sda smart": "Fa", "disk sda read": "Fa", "nic eth0 link": "02:00:00:00:00:01"} {
		if c := find(t, d, name); c.Part != want || len(c.Figures) == 0 {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range d.Checks {
		for _, f := range c.Figures {
			if f.Name == "" || f.Unit == "" {
				t.Errorf("%s: %+v", c.Name, f)
			}
		}
	}
	before := len(d.Checks)
	d.Clean()
	if len(d.Checks) != before {
		t.Error("cleaning took checks away")
	}
}

func TestB46_ADiskThatVanishesIsAnErrorNotACrash(t *testing.T) {
	d := run(t, func(m *fake.Machine, _ *hardware.Inventory) {
		m.Disk(1).Fault = func(fake.Op, int64, int64) error { return syscall.ENODEV }
	})
	if c := find(t, d, "disk sdb read"); c.Verdict != protocol.VerdictError || !strings.Contains(c.Detail, "no such device") {
		t.Errorf("%+v", c)
	}
}

func TestDiagnosticsStopWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := fake.New(parts, fake.NewPages())
	if d, err := Run(ctx, m, Quick, func(uint64, uint64, string, string) {}); d != nil || !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("%v %v", d, err)
	}
}

func TestProfiles(t *testing.T) {
	for name, want := range map[string]string{"": "quick", "quick": "quick", "standard": "standard", "burn-in": "burn-in", "burn-in:72h": "burn-in"} {
		if p, err := ProfileOf(name); err != nil || p.Name != want {
			t.Errorf("%q: %+v %v", name, p, err)
		}
	}
	for _, name := range []string{"burn", "burn-in:", "burn-in:90m", "burn-in:73h", "burn-in:-1h", "quick:2h"} {
		if _, err := ProfileOf(name); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestB46_ThisMachine runs the real thing on the machine of the test, with a file for a disk.
func TestB46_ThisMachine(t *testing.T) {
	s, err := linux.OpenSandbox(0, t.TempDir()+"/disk:8MiB")
	if err != nil {
		t.Fatal(err)
	}
	m := linux.New(linux.Options{
		Sandbox:   []*linux.SandboxDisk{s},
		Inventory: func(context.Context) hardware.Inventory { return hardware.Inventory{Schema: 1} },
	})
	short := Quick
	short.CPU, short.Memory, short.MemoryBytes = 50*time.Millisecond, 100*time.Millisecond, 8<<20
	d, err := Run(t.Context(), m, short, func(uint64, uint64, string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu", "memory", "disk sandbox-0 surface", "disk sandbox-0 random"} {
		if c := find(t, d, name); c.Verdict != protocol.VerdictOK {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range d.Checks {
		t.Logf("%+v", c)
	}
}

// TestB46_ASimulatedDiskIsAsFastAsItIs, whatever else the machine that simulates it has to do: fleets in memory are judged by their hardware.
func TestB46_ASimulatedDiskIsAsFastAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := run(t, func(m *fake.Machine, _ *hardware.Inventory) {
			m.Disk(0).BytesPerSec = 500e6
			m.Disk(0).Fault = func(fake.Op, int64, int64) error { time.Sleep(2 * time.Second); return nil } // it has a lot to do
		})
		if c := find(t, d, "disk sda read"); c.Verdict != protocol.VerdictOK || !strings.HasPrefix(c.Value, "500 MB/s") {
			t.Errorf("%+v", c)
		}
		for _, name := range []string{"disk sda random", "disk sda surface"} {
			if c := find(t, d, name); c.Verdict != protocol.VerdictOK {
				t.Errorf("%+v", c)
			}
		}
	})
}
