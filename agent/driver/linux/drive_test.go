package linux

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/steelyard/steelyard/agent/driver/drivertest"
)

// TestTheHeaderIsLaidOutAsTheKernelWantsIt compares with struct sg_io_hdr of scsi/sg.h on a 64-bit machine.
func TestTheHeaderIsLaidOutAsTheKernelWantsIt(t *testing.T) {
	var h sgHeader
	for name, c := range map[string]struct{ got, want uintptr }{
		"size": {unsafe.Sizeof(h), 88}, "dxfer_direction": {unsafe.Offsetof(h.Direction), 4}, "cmd_len": {unsafe.Offsetof(h.CommandLen), 8},
		"mx_sb_len": {unsafe.Offsetof(h.MaxSense), 9}, "iovec_count": {unsafe.Offsetof(h.Segments), 10}, "dxfer_len": {unsafe.Offsetof(h.DataLen), 12},
		"dxferp": {unsafe.Offsetof(h.Data), 16}, "cmdp": {unsafe.Offsetof(h.Command), 24}, "sbp": {unsafe.Offsetof(h.Sense), 32},
		"timeout": {unsafe.Offsetof(h.TimeoutMS), 40}, "flags": {unsafe.Offsetof(h.Flags), 44}, "pack_id": {unsafe.Offsetof(h.Pack), 48},
		"usr_ptr": {unsafe.Offsetof(h.User), 56}, "status": {unsafe.Offsetof(h.Status), 64}, "sb_len_wr": {unsafe.Offsetof(h.SenseLen), 67},
		"host_status": {unsafe.Offsetof(h.HostStatus), 68}, "driver_status": {unsafe.Offsetof(h.DriverStatus), 70}, "resid": {unsafe.Offsetof(h.Residue), 72},
		"duration": {unsafe.Offsetof(h.Duration), 76}, "info": {unsafe.Offsetof(h.Info), 80},
	} {
		if c.got != c.want {
			t.Errorf("%s is at %d, not %d", name, c.got, c.want)
		}
	}
}

func TestWhatTheKernelSaysOfACommand(t *testing.T) {
	sense := []byte{0x70, 0, 5}
	for _, c := range []struct {
		what string
		h    sgHeader
		says string
		data int
	}{
		{"done", sgHeader{}, "", 0},
		{"sense", sgHeader{Status: statusCheck, SenseLen: 3}, "", 3},
		{"too slow", sgHeader{HostStatus: hostTimeout}, "in time", 0},
		{"gone", sgHeader{HostStatus: 1}, "could not be reached", 0},
		{"another machine's", sgHeader{Status: reservationStatus}, "reserved", 0},
		{"busy", sgHeader{Status: 8}, "status 0x8", 0},
	} {
		got, err := outcome(&c.h, sense)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || len(got) != c.data {
			t.Errorf("%s: %x %v", c.what, got, err)
		}
	}
}

// pciTree makes a /sys with a controller and what hangs on it.
func pciTree(t *testing.T, driverName, class string, devices map[string]map[string]string) *Machine {
	t.Helper()
	root := t.TempDir()
	pci := filepath.Join(root, "devices", "pci0000:00", "0000:00:1c.0", "0000:3b:00.0")
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{pci, filepath.Join(root, "bus/pci/devices"), filepath.Join(root, "bus/pci/drivers", driverName), filepath.Join(root, "block")} {
		must(os.MkdirAll(dir, 0o755))
	}
	must(os.Symlink(pci, filepath.Join(root, "bus/pci/devices/0000:3b:00.0")))
	must(os.Symlink(filepath.Join(root, "bus/pci/drivers", driverName), filepath.Join(pci, "driver")))
	must(os.WriteFile(filepath.Join(pci, "class"), []byte(class+"\n"), 0o644))
	for where, files := range devices {
		device, name := filepath.Join(pci, filepath.Dir(where)), filepath.Base(where)
		must(os.MkdirAll(filepath.Join(device, "block", name), 0o755))
		must(os.Symlink(device, filepath.Join(device, "block", name, "device")))
		must(os.Symlink(filepath.Join(device, "block", name), filepath.Join(root, "block", name)))
		for file, text := range files {
			must(os.WriteFile(filepath.Join(device, file), []byte(text), 0o644))
		}
	}
	m := New(Options{})
	m.sys = root
	return m
}

// TestB45_DisksBehindARAIDControllerAreNotSeen: what hides them is named, with what to do about it.
func TestB45_DisksBehindARAIDControllerAreNotSeen(t *testing.T) {
	const raid, sas = "0x010400", "0x010700"
	for _, c := range []struct {
		what, driver, class string
		devices             map[string]map[string]string
		says                string
	}{
		{"a volume of megaraid", "megaraid_sas", raid, map[string]map[string]string{"host0/target0:2:0/0:2:0:0/sda": nil}, "only volumes of them (sda)"},
		{"a disk of megaraid in JBOD mode", "megaraid_sas", raid, map[string]map[string]string{"host0/target0:0:5/0:0:5:0/sda": nil}, ""},
		{"a volume among disks", "mpt3sas", sas, map[string]map[string]string{
			"host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/sda": {"sas_address": "0x5000c500"}, "host0/target0:1:0/0:1:0:0/sdb": nil,
		}, "only volumes of them (sdb)"},
		{"disks of a plain SAS controller", "mpt3sas", sas, map[string]map[string]string{"host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/sda": {"sas_address": "0x5000c500"}}, ""},
		{"a SAS controller without disks", "mpt3sas", sas, nil, ""},
		{"a RAID controller that shows nothing", "megaraid_sas", raid, nil, "shows no disk at all"},
		{"a volume of smartpqi", "smartpqi", raid, map[string]map[string]string{"host0/scsi0/target0:1:0/0:1:0:0/sda": {"raid_level": "RAID-1(1+0)\n", "sas_address": "0x1"}}, "HBA or JBOD"},
		{"a disk of smartpqi", "smartpqi", raid, map[string]map[string]string{"host0/scsi0/target0:0:0/0:0:0:0/sda": {"raid_level": "N/A\n"}}, ""},
		{"AHCI that calls itself RAID", "ahci", raid, map[string]map[string]string{"ata1/host0/target0:0:0/0:0:0:0/sda": nil}, ""},
	} {
		m := pciTree(t, c.driver, c.class, c.devices)
		got, err := m.Hidden(t.Context())
		if err != nil || (c.says == "") != (len(got) == 0) || c.says != "" && (!strings.Contains(got[0], c.says) || !strings.Contains(got[0], "0000:3b:00.0")) {
			t.Errorf("%s: %q %v", c.what, got, err)
		}
		for where := range c.devices {
			if bus := m.Bus(filepath.Base(where)); bus != "0000:3b:00.0" {
				t.Errorf("%s: bus %q", c.what, bus)
			}
		}
	}
}

// TestB45_AnNVMeControllerThatCannotBeAskedFailsClosed: its namespaces are not known then.
func TestB45_AnNVMeControllerThatCannotBeAskedFailsClosed(t *testing.T) {
	m := pciTree(t, "nvme", "0x010802", nil)
	if err := os.MkdirAll(filepath.Join(m.sys, "class/nvme/nvme0"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.dev = t.TempDir()
	if _, err := m.Hidden(t.Context()); err == nil {
		t.Error("nobody knows what it hides")
	}
	sandboxed := New(Options{Sandbox: []*SandboxDisk{}})
	sandboxed.sys, sandboxed.dev = m.sys, m.dev
	if list, err := sandboxed.Hidden(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("in a sandbox: %q %v", list, err)
	}
}

// TestB45_ADeviceWithoutADriveHasNoRungs: a loop device takes no commands.
func TestB45_ADeviceWithoutADriveHasNoRungs(t *testing.T) {
	path := drivertest.Loop(t, 4<<20)
	name := filepath.Base(path)
	m := New(Options{})
	h, err := m.openBlock(path, name, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	d := &drive{handle: h, machine: m, name: name}
	if list, err := d.Rungs(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if clip, err := d.Clipped(t.Context()); err != nil || clip != nil {
		t.Errorf("%+v %v", clip, err)
	}
}
