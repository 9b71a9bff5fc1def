package linux

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// tree writes files below a directory and gives a machine that reads them as its /sys, /proc and /dev.
func tree(t *testing.T, files map[string]string) *Machine {
	t.Helper()
	root := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := New(Options{Disks: func(context.Context) []hardware.Disk {
		return []hardware.Disk{{Name: "nvme0n1", Type: hardware.DiskNVMe}, {Name: "sda", Type: hardware.DiskSATA, Rotational: true}, {Name: "vda", Type: hardware.DiskVirtual}}
	}})
	m.sys, m.prc, m.dev = filepath.Join(root, "sys"), filepath.Join(root, "proc"), filepath.Join(root, "dev")
	return m
}

func TestB46_CountersOfModulesAreReadByTheirLabels(t *testing.T) {
	const mc = "sys/devices/system/edac/mc/mc0/"
	m := tree(t, map[string]string{
		mc + "ce_count": "7", mc + "ue_count": "1",
		mc + "dimm0/dimm_label": "CPU_SrcID#0_MC#0_Chan#0_DIMM#0", mc + "dimm0/dimm_ce_count": "7", mc + "dimm0/dimm_ue_count": "1",
		mc + "dimm3/dimm_label": "", mc + "dimm3/dimm_ce_count": "0", mc + "dimm3/dimm_ue_count": "0",
		"sys/devices/system/edac/mc/mc1/ce_count": "2", "sys/devices/system/edac/mc/mc1/ue_count": "0",
		"sys/devices/system/edac/mc/mc1/csrow0/ch0_dimm_label": "P1-DIMMA1", "sys/devices/system/edac/mc/mc1/csrow0/ch0_ce_count": "2",
		"proc/interrupts": "           CPU0       CPU1\n 0:  44   0  IO-APIC   2-edge  timer\nTHR:   1   2   Threshold APIC interrupts\nDFR: 0 4 Deferred Error APIC interrupts\nMCE:   0   1   Machine check exceptions\nMCP:   90  91   Machine check polls",
	})
	s := m.Sensors(t.Context())
	want := []driver.DIMM{{Label: "CPU_SrcID#0_MC#0_Chan#0_DIMM#0", Corrected: 7, Uncorrected: 1}, {Label: "dimm3"}, {Label: "P1-DIMMA1", Corrected: 2}}
	if !slices.Equal(s.DIMMs, want) || s.Corrected != 9 || s.Uncorrected != 1 || !s.ECC {
		t.Errorf("%+v", s)
	}
	if s.MachineChecks != 1 || s.Deferred != 7 || !s.Checked {
		t.Errorf("machine checks %+v", s)
	}
}

func TestB46_HeatAndFansAreReadWithTheirLimits(t *testing.T) {
	const chip = "sys/class/hwmon/hwmon2/"
	m := tree(t, map[string]string{
		chip + "name": "nct6775", chip + "fan1_input": "4100", chip + "fan1_min": "600", chip + "fan1_label": "FAN A",
		chip + "fan2_input": "0", chip + "fan3_input": "0", chip + "fan3_min": "600", chip + "fan3_alarm": "1",
		chip + "temp1_input": "41000", chip + "temp1_max": "85000", chip + "temp1_crit": "95000", chip + "temp2_input": "-128000",
		"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3", "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "4",
		"sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "1",
		"sys/devices/system/cpu/cpu0/cpufreq/base_frequency":                  "2400000", "sys/devices/system/cpu/cpu1/cpufreq/base_frequency": "2100000",
	})
	s := m.Sensors(t.Context())
	if len(s.Temperatures) != 1 || s.Temperatures[0] != (driver.Temperature{Name: "nct6775 temp1", Celsius: 41, High: 85, Critical: 95}) {
		t.Errorf("%+v", s.Temperatures)
	}
	if want := []driver.Fan{{Name: "nct6775 FAN A", RPM: 4100, Least: 600}, {Name: "nct6775 fan3", Least: 600, Alarm: true}}; !slices.Equal(s.Fans, want) {
		t.Errorf("%+v", s.Fans)
	}
	if m.throttled() != 8 || m.baseMHz() != 2100 {
		t.Errorf("throttled %d, base %d MHz", m.throttled(), m.baseMHz())
	}
}

func TestB46_WhatADriveIsAttachedByIsRead(t *testing.T) {
	const port = "sys/devices/pci0000:00/0000:00:01.1/"
	const pci = port + "0000:01:00.0/"
	files := map[string]string{
		pci + "current_link_speed": "8.0 GT/s PCIe", pci + "current_link_width": "2", pci + "max_link_speed": "16.0 GT/s PCIe", pci + "max_link_width": "4",
		pci + "nvme/nvme0/nvme0n1/size": "1",
	}
	look := func(max string) driver.Drive {
		files[port+"max_link_speed"], files[port+"max_link_width"] = max, "8"
		m := tree(t, files)
		link := func(name, to string) {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(m.sys, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(m.sys, "..", to), filepath.Join(m.sys, name)); err != nil {
				t.Fatal(err)
			}
		}
		link("block/nvme0n1", pci+"nvme/nvme0/nvme0n1")
		link("devices/pci0000:00/0000:00:01.1/0000:01:00.0/nvme/nvme0/nvme0n1/device", pci+"nvme/nvme0")
		link("devices/pci0000:00/0000:00:01.1/0000:01:00.0/nvme/nvme0/device", pci)
		return m.Drive(t.Context(), protocol.DiskRef{Name: "nvme0n1"})
	}
	d := look("16.0 GT/s PCIe")
	if d.Kind != driver.KindNVMe || d.Link.Now != "PCIe 8.0 GT/s x2" || d.Link.Best != "PCIe 16.0 GT/s x4" || int(d.Link.NowRate) != 1969 || int(d.Link.BestRate) != 7876 {
		t.Errorf("%+v", d)
	}
	if old := look("2.5 GT/s PCIe"); old.Link.Best != "PCIe 2.5 GT/s x8" || old.Link.BestRate != 2000 {
		t.Errorf("in an old slot %+v", old)
	}
	if silent := look("Unknown"); silent.Link.Now == "" || silent.Link.BestRate != 0 {
		t.Errorf("in a slot that does not tell %+v", silent)
	}
	if d.Health != nil || d.Silent == "" {
		t.Errorf("a drive that is not there told %+v, %q", d.Health, d.Silent)
	}
	for speed, want := range map[string]float64{"2.5 GT/s PCIe": 250, "5.0 GT/s": 500, "Unknown": 0, "": 0, "1e300 GT/s": 0} {
		if _, rate := pciLink(speed, "1"); rate != want {
			t.Errorf("%q: %v MB/s", speed, rate)
		}
	}
	m := tree(t, map[string]string{
		"sys/devices/pci0000:00/0000:00:17.0/ata3/link3/ata_link/link3/hw_sata_spd_limit": "3.0 Gbps",
		"sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sda/ro": "0",
	})
	if err := os.MkdirAll(filepath.Join(m.sys, "block"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sda", filepath.Join(m.sys, "block/sda")); err != nil {
		t.Fatal(err)
	}
	if l := m.link("sda", &smart.Health{LinkMbps: 3000, LinkBestMbps: 6000}); l.Now != "SATA 3.0 Gbit/s" || l.Best != "SATA 3.0 Gbit/s" || l.BestRate != 300 {
		t.Errorf("a fast drive on an old port: %+v", l)
	}
	if l := m.link("sdb", &smart.Health{LinkMbps: 3000, LinkBestMbps: 6000}); l.NowRate != 300 || l.BestRate != 0 {
		t.Errorf("on a port that does not tell: %+v", l)
	}
	for name, want := range map[string]string{"sda": driver.KindHDD, "vda": driver.KindVirtual, "sdz": driver.KindVirtual} {
		if got := m.kind(t.Context(), name); got != want {
			t.Errorf("%s is %s", name, got)
		}
	}
	hosted := tree(t, map[string]string{"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme hypervisor lahf_lm"})
	if got := hosted.kind(t.Context(), "nvme0n1"); got != driver.KindVirtual {
		t.Errorf("under a hypervisor an NVMe drive is judged as %s", got)
	}
}

func TestB46_OnlyTheRAMEnvironmentTakesAllMemory(t *testing.T) {
	m := tree(t, map[string]string{"proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable:   8388608 kB"})
	if got := m.mayTake(); got != 2<<30 {
		t.Errorf("%d bytes on an installed system", got)
	}
	m.opt.Switch = NewSwitch(protocol.EnvRAM)
	if got := m.mayTake(); got != 8<<30-512<<20-256<<20 {
		t.Errorf("%d bytes in the RAM environment", got)
	}
}

func TestB46_AnswersOfManagementControllersAreRead(t *testing.T) {
	b, err := deviceID([]byte{0x20, 0x81, 0x02, 0x51, 0x02, 0xBF, 0x7C, 0x2A, 0x00, 0x11, 0x08})
	if err != nil || b.Firmware != "2.51" || b.IPMI != "2.0" || b.Manufacturer != 10876 {
		t.Errorf("%+v %v", b, err)
	}
	if _, err := deviceID([]byte{1, 2}); err == nil {
		t.Error("half an answer was read")
	}
	if !lan(&b, []byte{0x11, 10, 1, 2, 3}) || !slices.Equal(b.Addresses, []string{"10.1.2.3"}) || lan(&b, []byte{0x11, 0, 0, 0, 0}) || lan(&b, []byte{0x11}) {
		t.Errorf("%+v", b)
	}
	for answer, want := range map[string]string{"\x55\x00": "", "\x56\x00": "", "": "", "\x57\x40": "0x40", "\x58\x07": "0x7"} {
		if got := selfTest([]byte(answer)); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%x: %q", answer, got)
		}
	}
	if _, err := tree(t, nil).BMC(t.Context()); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("a machine without one: %v", err)
	}
	if _, err := tree(t, map[string]string{"sys/class/ipmi/ipmi0/dev": "240:0"}).BMC(t.Context()); err == nil || errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("one without a device file: %v", err)
	}
}

func TestGatewaysAreReadFromTheKernelsTables(t *testing.T) {
	const four = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if a, ok := gateway4([]byte(four), "eth0"); !ok || a != netip.MustParseAddr("192.168.2.1") {
		t.Errorf("%v %v", a, ok)
	}
	if a, ok := gateway4([]byte(four), "eth1"); ok {
		t.Errorf("eth1 has %v", a)
	}
	const six = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
	if a, ok := gateway6([]byte(six), "eth0"); !ok || a != netip.MustParseAddr("fe80::1") {
		t.Errorf("%v %v", a, ok)
	}
}

func FuzzGateways(f *testing.F) {
	f.Add([]byte("eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"))
	f.Add([]byte("00 00 00 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n"))
	f.Fuzz(func(t *testing.T, table []byte) {
		gateway4(table, "eth0")
		gateway6(table, "eth0")
	})
}

func FuzzAnswersOfManagementControllers(f *testing.F) {
	f.Add([]byte{0x20, 0x81, 0x02, 0x51, 0x02, 0xBF, 0x7C, 0x2A, 0x00})
	f.Fuzz(func(t *testing.T, a []byte) {
		b, _ := deviceID(a)
		lan(&b, a)
		selfTest(a)
		_, _ = completed(netApp, getDeviceID, a)
	})
}

// inNamespace runs f on a thread in a network namespace of its own, with a port v0 (10.83.0.2) whose gateway is 10.83.0.1 in
// another one. The namespaces go with their threads and processes.
func inNamespace(t *testing.T, f func(t *testing.T, ip func(args ...string))) {
	t.Helper()
	if os.Getuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("network namespaces need root")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("a network namespace is needed; run as root: %v", err)
			return
		}
		run := func(args ...string) {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v: %s", args, err, out)
			}
		}
		peer := exec.Command("unshare", "--net", "sleep", "60")
		peer.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
		if err := peer.Start(); err != nil {
			t.Errorf("start the peer: %v", err)
			return
		}
		defer func() { _ = peer.Process.Kill(); _ = peer.Wait() }()
		inPeer := func(args ...string) {
			run(append([]string{"nsenter", "--net=/proc/" + itoa(uint32(peer.Process.Pid)) + "/ns/net"}, args...)...)
		}
		apart(t, peer.Process.Pid)
		run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
		run("ip", "link", "set", "v1", "netns", itoa(uint32(peer.Process.Pid)))
		run("ip", "addr", "add", "10.83.0.2/24", "dev", "v0")
		run("ip", "link", "set", "v0", "up")
		inPeer("ip", "addr", "add", "10.83.0.1/24", "dev", "v1")
		inPeer("ip", "link", "set", "v1", "up")
		run("ip", "route", "add", "default", "via", "10.83.0.1")
		f(t, inPeer)
	}()
	<-done
}

// apart waits until the process has its own namespace.
func apart(t *testing.T, pid int) {
	t.Helper()
	own, _ := os.Readlink("/proc/thread-self/ns/net")
	for range 500 {
		if other, err := os.Readlink(filepath.Join("/proc", itoa(uint32(pid)), "ns/net")); err == nil && other != own {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the peer has no namespace of its own")
}

// TestB46_TheGatewayIsAskedFromThePortItself over a real wire, whole and with losses.
func TestB46_TheGatewayIsAskedFromThePortItself(t *testing.T) {
	inNamespace(t, func(t *testing.T, inPeer func(...string)) {
		m := New(Options{})
		m.prc = "/proc/thread-self"
		// A busy machine may lose one echo: whether a port answers is asked here, not how busy this machine is.
		e, err := m.Gateway(t.Context(), "v0", 10)
		if err != nil || e.Gateway != "10.83.0.1" || e.Sent != 10 || e.Received < 9 || e.Median <= 0 || e.Worst < e.Median {
			t.Errorf("%+v %v", e, err)
		}
		if _, err := m.Gateway(t.Context(), "lo", 1); !errors.Is(err, driver.ErrUnsupported) {
			t.Errorf("a port without a gateway: %v", err)
		}
		inPeer("ip", "link", "set", "v1", "down")
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		if e, err := m.Gateway(ctx, "v0", 100); err == nil && e.Received > 0 || time.Since(start) > 20*time.Second {
			t.Errorf("a gateway that is gone: %+v %v", e, err)
		}
	})
}

// TestB46_FramesAreCountedAsTheKernelMeansThem: 12 of a wrong length are in the errors of the port as well, as with e1000e.
func TestB46_FramesAreCountedAsTheKernelMeansThem(t *testing.T) {
	const eth, stats = "sys/class/net/eth0/", "sys/class/net/eth0/statistics/"
	m := tree(t, map[string]string{
		eth + "device/vendor": "0x8086", eth + "carrier_changes": "2", stats + "rx_packets": "61520", stats + "tx_packets": "40634",
		stats + "rx_errors": "21", stats + "tx_errors": "1", stats + "rx_crc_errors": "5", stats + "rx_frame_errors": "4",
		stats + "rx_length_errors": "12", stats + "rx_over_errors": "30", stats + "rx_fifo_errors": "200", stats + "rx_missed_errors": "1000",
		stats + "rx_dropped": "7", stats + "tx_dropped": "1", "sys/class/net/lo/statistics/rx_errors": "9",
	})
	want := map[string]driver.Counters{"eth0": {Frames: 102154, Errors: 22, Damaged: 9, Excused: 1242, Dropped: 8, Changes: 2}}
	if got := m.Counters(t.Context()); !maps.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
