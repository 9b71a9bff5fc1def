package collect

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/net"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestSampleOfAFixture(t *testing.T) {
	s, err := NewSampler(machine(t, "rack-server"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := hardware.Sample{
		Disks:      []hardware.DiskIO{{Name: "gone", BusyMs: 9}, {Name: "gone2"}, {Name: "gone3"}, {Name: "gone4"}},
		Interfaces: []hardware.Interface{{Name: "old", RxErrs: 7}},
	}
	if err := s.Sample(&got); err != nil {
		t.Fatal(err)
	}
	want := hardware.Sample{
		UptimeSec: 350735, Load1: 0.2, Load5: 1.18, Load15: 12.05,
		CPUUserMs: (10132153 + 290696) * 10, CPUSystemMs: (3084719 + 11 + 25195) * 10, CPUIdleMs: 46828483 * 10, CPUIOWaitMs: 16683 * 10,
		MemTotal: 131914204 << 10, MemAvail: 127003012 << 10, SwapTotal: 999420 << 10, SwapFree: 999164 << 10,
		Disks: []hardware.DiskIO{
			{Name: "nvme0n1", ReadBytes: 787768 * 512, WriteBytes: 694542 * 512, ReadOps: 21860, WriteOps: 8466, BusyMs: 14192},
			{Name: "sda", ReadBytes: 70 * 512, WriteBytes: 22 * 512, ReadOps: 7, WriteOps: 2, BusyMs: 14},
			{Name: "sdb"},
		},
		Interfaces: []hardware.Interface{
			{Name: "eno1", RxBytes: 18446744073709551615, RxPkts: 22701, RxErrs: 1, TxBytes: 2056109, TxPkts: 18133, TxErrs: 2},
			{Name: "bond0", RxBytes: 5, RxPkts: 1, TxBytes: 6, TxPkts: 1},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(hardware.Sample{}, "At"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
	if got.At.IsZero() {
		t.Error("the sample has no time")
	}
}

func TestSamplerWithoutAnythingIsRefused(t *testing.T) {
	if _, err := NewSampler(t.TempDir()); err == nil {
		t.Error("an empty directory was taken for a machine")
	}
}

func TestSampleGoesOnWithoutAFile(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc", "loadavg"), []byte("1.25 2 3.5 1/2 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := NewSampler(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got hardware.Sample
	if err := s.Sample(&got); err != nil || got.Load1 != 1.25 || got.Load5 != 2 || got.Load15 != 3.5 || got.MemTotal != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWholeDisk(t *testing.T) {
	for name, want := range map[string]bool{
		"sda": true, "sda1": false, "sdaa": true, "sdaa12": false, "vda": true, "vdb2": false, "xvda": true, "xvda1": false,
		"nvme0n1": true, "nvme0n1p1": false, "nvme0c0n1": false, "nvme10n2": true, "mmcblk0": true, "mmcblk0p1": false,
		"mmcblk0boot0": false, "loop0": false, "dm-0": false, "md0": false, "sr0": false, "zram0": false, "ram0": false, "": false, "sd": false,
	} {
		if got := wholeDisk([]byte(name)); got != want {
			t.Errorf("wholeDisk(%q) = %v", name, got)
		}
	}
}

// live returns a sampler of this machine and a first sample.
func live(t testing.TB) (*Sampler, *hardware.Sample) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the kernel's files are Linux's")
	}
	s, err := NewSampler("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	sample := &hardware.Sample{}
	if err := s.Sample(sample); err != nil {
		t.Fatal(err)
	}
	return s, sample
}

func TestSamplerAllocatesNothing(t *testing.T) {
	s, sample := live(t)
	got := testing.AllocsPerRun(50, func() {
		if err := s.Sample(sample); err != nil {
			t.Fatal(err)
		}
	})
	if got > 2 {
		t.Errorf("%v allocations for each sample; want none", got)
	}
}

// twin reads the same figures through gopsutil.
func twin(t testing.TB) hardware.Sample {
	t.Helper()
	var s hardware.Sample
	times, err := cpu.Times(false)
	check(t, err)
	ms := func(seconds float64) uint64 { return uint64(seconds*1000 + 0.5) }
	s.CPUUserMs, s.CPUSystemMs = ms(times[0].User+times[0].Nice), ms(times[0].System+times[0].Irq+times[0].Softirq)
	s.CPUIdleMs, s.CPUIOWaitMs = ms(times[0].Idle), ms(times[0].Iowait)
	memory, err := mem.VirtualMemory()
	check(t, err)
	s.MemTotal, s.MemAvail = memory.Total, memory.Available
	s.SwapTotal, s.SwapFree = memory.SwapTotal, memory.SwapFree
	average, err := load.Avg()
	check(t, err)
	s.Load1, s.Load5, s.Load15 = average.Load1, average.Load5, average.Load15
	disks, err := disk.IOCounters()
	check(t, err)
	for name, d := range disks {
		if wholeDisk([]byte(name)) {
			s.Disks = append(s.Disks, hardware.DiskIO{Name: name, ReadBytes: d.ReadBytes, WriteBytes: d.WriteBytes, ReadOps: d.ReadCount, WriteOps: d.WriteCount, BusyMs: d.IoTime})
		}
	}
	counters, err := net.IOCounters(true)
	check(t, err)
	for _, c := range counters {
		if c.Name != "lo" && (len(c.Name) < 4 || c.Name[:4] != "veth") {
			s.Interfaces = append(s.Interfaces, hardware.Interface{Name: c.Name, RxBytes: c.BytesRecv, TxBytes: c.BytesSent, RxPkts: c.PacketsRecv, TxPkts: c.PacketsSent, RxErrs: c.Errin, TxErrs: c.Errout})
		}
	}
	partitions, err := disk.Partitions(false)
	check(t, err)
	for _, p := range partitions {
		if u, err := disk.Usage(p.Mountpoint); err == nil {
			s.FS = append(s.FS, hardware.Filesystem{Mount: p.Mountpoint, Type: p.Fstype, Device: p.Device, TotalBytes: u.Total, FreeBytes: u.Free, Inodes: u.InodesTotal, InodesFree: u.InodesFree})
		}
	}
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSamplerAgreesWithGopsutil takes a sample before and one after gopsutil's:
// counters lie between them, the rest is close.
func TestSamplerAgreesWithGopsutil(t *testing.T) {
	s, before := live(t)
	middle := twin(t)
	after := &hardware.Sample{}
	check(t, s.Sample(after))

	between := func(what string, low, n, high uint64) {
		t.Helper()
		if n < low || n > high {
			t.Errorf("%s: gopsutil reads %d, we %d before and %d after", what, n, low, high)
		}
	}
	near := func(what string, ours, theirs, slack uint64) {
		t.Helper()
		if max(ours, theirs)-min(ours, theirs) > slack {
			t.Errorf("%s: gopsutil reads %d, we %d", what, theirs, ours)
		}
	}
	between("user", before.CPUUserMs, middle.CPUUserMs, after.CPUUserMs)
	between("system", before.CPUSystemMs, middle.CPUSystemMs, after.CPUSystemMs)
	near("idle", before.CPUIdleMs, middle.CPUIdleMs, after.CPUIdleMs-before.CPUIdleMs+1000)
	near("memory", before.MemTotal, middle.MemTotal, 0)
	near("available", before.MemAvail, middle.MemAvail, 2<<30)
	near("swap", before.SwapTotal, middle.SwapTotal, 0)
	near("load", uint64(before.Load15*100), uint64(middle.Load15*100), 20)
	disks := map[string]hardware.DiskIO{}
	for _, d := range middle.Disks {
		disks[d.Name] = d
	}
	for i, d := range before.Disks {
		between(d.Name+" read", d.ReadBytes, disks[d.Name].ReadBytes, after.Disks[i].ReadBytes)
		between(d.Name+" written", d.WriteBytes, disks[d.Name].WriteBytes, after.Disks[i].WriteBytes)
	}
	ports := map[string]hardware.Interface{}
	for _, p := range middle.Interfaces {
		ports[p.Name] = p
	}
	for i, p := range before.Interfaces {
		between(p.Name+" received", p.RxBytes, ports[p.Name].RxBytes, after.Interfaces[i].RxBytes)
		between(p.Name+" sent", p.TxBytes, ports[p.Name].TxBytes, after.Interfaces[i].TxBytes)
	}
	if len(before.Disks) != len(disks) || len(before.Interfaces) != len(ports) {
		t.Errorf("%d disks and %d ports; gopsutil sees %d and %d", len(before.Disks), len(before.Interfaces), len(disks), len(ports))
	}
	mounted := map[string]hardware.Filesystem{}
	for _, f := range middle.FS {
		mounted[f.Mount] = f
	}
	for _, f := range before.FS {
		near(f.Mount+" size", f.TotalBytes, mounted[f.Mount].TotalBytes, 0)
		near(f.Mount+" free", f.FreeBytes, mounted[f.Mount].FreeBytes, 8<<30)
	}
}

func BenchmarkSample(b *testing.B) {
	s, sample := live(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sample(sample); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSampleGopsutil(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		twin(b)
	}
}

func FuzzSample(f *testing.F) {
	root := machine(f, "rack-server")
	for i, name := range sourceNames {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, data)
	}
	f.Add(fileDisks, []byte("8 0 sda\n\n \t\n8 1"))
	f.Fuzz(func(t *testing.T, source int, data []byte) {
		to := hardware.Sample{Disks: []hardware.DiskIO{{Name: "sda"}}}
		parse(source, data, &to)
		if len(to.Disks) > maxListed || len(to.Interfaces) > maxListed {
			t.Fatalf("%d disks, %d interfaces", len(to.Disks), len(to.Interfaces))
		}
	})
}
