package diagnosis

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/collect"
	"github.com/steelyard/steelyard/agent/diagnose"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
	machines "github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// machine is what an agent in the RAM environment works with.
func machine() *linux.Machine {
	all := collect.New(collect.Options{})
	return linux.New(linux.Options{
		Inventory: all.Inventory,
		Disks: func(ctx context.Context) []hardware.Disk {
			inv := all.Inventory(ctx)
			return inv.Disks
		},
		Switch: linux.NewSwitch(protocol.EnvRAM),
	})
}

// TestB46_DiagnosticsInAMachine with a good NVMe drive, a good hard disk that tests itself, a slow disk, one with a
// sector that cannot be read, and a management controller.
func TestB46_DiagnosticsInAMachine(t *testing.T) {
	if !qemu.Inside() {
		qemu.Need(t, "smartctl")
		slow := qemu.NewDisk(t, "virtio", "SLOW1", 64<<20)
		slow.Options = "throttling.bps-read=4194304"
		sata := qemu.NewDisk(t, "sata", "SA1", 64<<20)
		sata.Device = "rotation_rate=7200"
		qemu.RunTest(t, qemu.Machine{
			Memory:   512,
			Disks:    []qemu.Disk{sata, qemu.NewDisk(t, "nvme", "NV1", 64<<20), slow, qemu.NewDisk(t, "virtio", "BAD1", 64<<20).Failing("read", 70_000)},
			NICs:     []qemu.NIC{{MAC: "52:54:00:83:00:01"}},
			Extra:    []string{"-device", "ipmi-bmc-sim,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0"},
			Modules:  []string{"ipmi_si", "ipmi_devintf"},
			Programs: []string{"smartctl"},
		})
		return
	}
	t.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
	await(t, "/dev/ipmi0")
	p := diagnose.Quick
	p.SelfTest, p.Samples = true, 64
	d, err := diagnose.Run(t.Context(), machine(), p, func(uint64, uint64, string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // serial → kernel name
	for _, k := range d.Inventory.Disks {
		names[serial(k)] = k.Name
	}
	t.Log(names)
	got := map[string]protocol.Check{}
	for _, c := range d.Checks {
		t.Logf("%+v", c)
		got[c.Name] = c
	}
	for check, want := range map[string]string{
		"cpu": "ok", "memory": "ok", "bmc": "ok",
		"disk " + names["NV1"] + " read": "ok", "disk " + names["NV1"] + " surface": "ok", "disk " + names["NV1"] + " smart": "ok",
		"disk " + names["SA1"] + " read": "ok", "disk " + names["SA1"] + " smart": "ok", "disk " + names["SA1"] + " self-test": "ok",
		"disk " + names["SLOW1"] + " read": "warning", "disk " + names["BAD1"] + " read": "error",
	} {
		if c, ok := got[check]; !ok || c.Verdict != want {
			t.Errorf("%s: %+v, not %s", check, c, want)
		}
	}
	for check, want := range map[string]string{
		"bmc":                                   "IPMI 2.0",
		"disk " + names["NV1"] + " smart":       "wear 0 %",
		"disk " + names["SA1"] + " smart":       "0 reallocated",
		"disk " + names["SA1"] + " self-test":   "Completed without error",
		"disk " + names["SLOW1"] + " read":      "MB/s",
		"disk " + names["NV1"] + " temperature": "°C",
	} {
		if c := got[check]; !strings.Contains(c.Value, want) {
			t.Errorf("%s: %q does not tell %q", check, c.Value, want)
		}
	}
}

// TestB46_TheSensorsOfTheManagementControllerAreRead from inside: ipmi_sim is the controller of the machine.
func TestB46_TheSensorsOfTheManagementControllerAreRead(t *testing.T) {
	if !qemu.Inside() {
		qemu.Need(t, "ipmi_sim")
		const system = "127.0.83.1:9383"
		simulate(t, ipmisim.Options{Address: "127.0.83.1:6230", Username: "admin", Password: "secret", Model: "P1", Serial: "SN1", System: system})
		qemu.RunTest(t, qemu.Machine{
			Extra: []string{
				"-chardev", "socket,id=bmc,host=127.0.83.1,port=9383,reconnect=1", "-device", "ipmi-bmc-extern,id=bmc0,chardev=bmc", "-device", "isa-ipmi-kcs,bmc=bmc0",
			},
			Modules: []string{"ipmi_si", "ipmi_devintf"},
		})
		return
	}
	await(t, "/dev/ipmi0")
	p := diagnose.Quick
	d, err := diagnose.Run(t.Context(), machine(), p, func(uint64, uint64, string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Checks {
		if c.Name != "bmc sensors" {
			continue
		}
		t.Logf("%+v", c)
		want := []protocol.Figure{{Name: "CPU 1", Value: 41, Unit: "°C"}, {Name: "Fan 1", Value: 6400, Unit: "rpm"}}
		if c.Verdict != protocol.VerdictOK || c.Value != "2 read" || !reflect.DeepEqual(c.Figures, want) {
			t.Errorf("%+v", c)
		}
		return
	}
	t.Errorf("no sensors of the management controller: %+v", d.Checks)
}

// simulate runs ipmi_sim until the test ends, and waits until the machine can find it. Nobody switches the machine by it.
func simulate(t *testing.T, o ipmisim.Options) {
	t.Helper()
	o.Machine, o.Chassis, o.Dir = &machines.Slow{}, []string{"true"}, t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ipmisim.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", o.System)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// serial is a disk's; QEMU's SATA disks have theirs within the WWN.
func serial(d hardware.Disk) string {
	for _, s := range []string{"NV1", "SA1", "SLOW1", "BAD1"} {
		if strings.Contains(d.Serial+" "+d.WWN, s) {
			return s
		}
	}
	return d.Serial
}

// TestB46_NVMeDrivesAreAskedWithoutAnyProgram and tell the same as smartctl reads from them.
func TestB46_NVMeDrivesAreAskedWithoutAnyProgram(t *testing.T) {
	if !qemu.Inside() {
		qemu.Need(t, "smartctl")
		qemu.RunTest(t, qemu.Machine{Disks: []qemu.Disk{qemu.NewDisk(t, "nvme", "NV1", 64<<20)}, Programs: []string{"smartctl"}})
		return
	}
	direct, err := smart.NVMe("/dev", "nvme0n1")
	if err != nil {
		t.Fatal(err)
	}
	report, err := smart.Report(t.Context(), "/bin/smartctl", "nvme0n1", time.Minute)
	if err != nil {
		t.Fatalf("%v: %s", err, report)
	}
	told, err := smart.Parse(report)
	if err != nil {
		t.Fatalf("%v: %s", err, report)
	}
	t.Logf("directly %+v\nby smartctl %+v", direct, told)
	if direct.Celsius != told.Celsius || direct.Wear != told.Wear || direct.Spare != told.Spare || direct.SpareLimit != told.SpareLimit ||
		*direct.Hours != *told.Hours || *direct.MediaErrors != *told.MediaErrors || !direct.Passed || !told.Passed {
		t.Error("the two differ")
	}
	if direct.WarmCelsius == 0 || direct.HotCelsius <= direct.WarmCelsius {
		t.Errorf("its own limits are %d and %d °C", direct.WarmCelsius, direct.HotCelsius)
	}
	alone, err := smart.Read(t.Context(), smart.Drive{Dev: "/dev", Name: "nvme0n1", Program: filepath.Join(t.TempDir(), "none"), Timeout: time.Minute})
	if err != nil || alone.Wear != told.Wear || alone.Celsius != told.Celsius {
		t.Errorf("without smartctl: %v %+v", err, alone)
	}
}

// await waits for a device file.
func await(t *testing.T, path string) {
	t.Helper()
	for range 200 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s did not appear", path)
}
