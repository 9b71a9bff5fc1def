package diagnose

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func parts() hardware.Inventory {
	return hardware.Inventory{
		Simulated: true,
		CPUs:      []hardware.CPU{{Model: "Xeon", Cores: 8, Threads: 16}},
		Disks: []hardware.Disk{
			{Name: "sda", Serial: "Fa", SizeBytes: 480_103_981_056, SMART: &hardware.SMART{Passed: true, WearPercent: 3}},
			{Name: "sdb", Serial: "Fb", SizeBytes: 64 << 20},
		},
		NICs: []hardware.NIC{{Name: "eth0", Link: true, SpeedMbps: 10_000, MaxMbps: 10_000}, {Name: "eth1"}},
	}
}

func run(t *testing.T, change func(*fake.Machine, *hardware.Inventory)) *protocol.Diagnosis {
	t.Helper()
	inv := parts()
	m := fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
	if change != nil {
		change(m, &inv)
	}
	out, err := Run(t.Context(), m, Quick, func(uint64, uint64, string, string) {})
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
		"cpu", "memory", "memory errors", "disk sda read", "disk sda surface", "disk sda smart",
		"disk sdb read", "disk sdb surface", "nic eth0 link", "nic eth1 link", "temperature", "bmc",
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
	for _, c := range []struct {
		change  func(*fake.Machine, *hardware.Inventory)
		check   string
		verdict string
	}{
		{func(m *fake.Machine, _ *hardware.Inventory) { m.BadCPU = true }, "cpu", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.BadMemory = true }, "memory", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Hot = true }, "temperature", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Disk(0).Fault = eio }, "disk sda read", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) {
			m.Disk(0).Fault = func(_ fake.Op, off, _ int64) error {
				if off > 1<<30 {
					return syscall.EIO
				}
				return nil
			}
		}, "disk sda surface", "error"},
		{func(m *fake.Machine, _ *hardware.Inventory) { m.Disk(1).BytesPerSec = 20e6 }, "disk sdb read", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.Passed = false }, "disk sda smart", "error"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.PendingSectors = 2 }, "disk sda smart", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.Disks[0].SMART.WearPercent = 95 }, "disk sda smart", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.NICs[0].SpeedMbps = 1000 }, "nic eth0 link", "warning"},
		{func(_ *fake.Machine, i *hardware.Inventory) { i.NICs[0].Link = false }, "network", "error"},
	} {
		got := find(t, run(t, c.change), c.check)
		if got.Verdict != c.verdict || got.Value == "" && got.Detail == "" || got.Limit == "" {
			t.Errorf("%+v, not %s", got, c.verdict)
		}
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
	for name, want := range map[string]string{"": "quick", "quick": "quick", "standard": "standard"} {
		if p, err := ProfileOf(name); err != nil || p.Name != want {
			t.Errorf("%q: %+v %v", name, p, err)
		}
	}
	if _, err := ProfileOf("burn"); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("burn: %v", err)
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
	for _, name := range []string{"cpu", "memory", "disk sandbox-0 surface"} {
		if c := find(t, d, name); c.Verdict != protocol.VerdictOK {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range d.Checks {
		t.Logf("%+v", c)
	}
}
