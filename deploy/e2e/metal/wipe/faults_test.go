package wipe

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// must runs a program inside the machine.
func must(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "/bin/"+name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// put writes a text into a file of sysfs.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// TestB44_WhatIsInUseIsNotTouched: a mounted disk, swap, a part of a mapped device (as of LVM or LUKS) and of an array. The other
// is erased.
func TestB44_WhatIsInUseIsNotTouched(t *testing.T) {
	if qemu.Inside() {
		m := machine(t)
		of := map[string]string{}
		for _, serial := range []string{"FS1", "SW1", "DM1", "MD1", "OK1"} {
			of[serial] = device(t, m, serial)
		}
		must(t, "mkfs.ext4", "-q", of["FS1"])
		if err := unix.Mount(of["FS1"], "/mnt", "ext4", 0, ""); err != nil {
			t.Fatal(err)
		}
		must(t, "mkswap", of["SW1"])
		path, _ := unix.BytePtrFromString(of["SW1"])
		if _, _, errno := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(path)), 0, 0); errno != 0 {
			t.Fatal(errno)
		}
		must(t, "dmsetup", "create", "mapped", "--noudevsync", "--table", fmt.Sprintf("0 %d linear %s 0", size/512, of["DM1"]))
		put(t, "/sys/module/md_mod/parameters/new_array", "md_held")
		number, err := os.ReadFile("/sys/block/" + filepath.Base(of["MD1"]) + "/dev")
		if err != nil {
			t.Fatal(err)
		}
		put(t, "/sys/block/md_held/md/metadata_version", "none")
		put(t, "/sys/block/md_held/md/new_dev", strings.TrimSpace(string(number)))
		out, err := run(t, m)
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "4 of 5 disks") {
			t.Errorf("%v", err)
		}
		for serial, says := range map[string]string{"FS1": "is mounted on /mnt", "SW1": "swapped on", "DM1": "is part of dm-0", "MD1": "md_held"} {
			if e := out[serial]; e.Proven || len(e.Attempts) != 0 || !strings.Contains(e.Error, says) {
				t.Errorf("%s: %+v", serial, e)
			}
		}
		if !out["OK1"].Proven {
			t.Errorf("%+v", out["OK1"])
		}
		return
	}
	disks := map[string]qemu.Disk{}
	m := qemu.Machine{Programs: []string{"mkfs.ext4", "mkswap", "dmsetup"}, Modules: []string{"md_mod"}}
	for _, serial := range []string{"FS1", "SW1", "DM1", "MD1", "OK1"} {
		disks[serial] = filled(t, "virtio", serial, "")
		m.Disks = append(m.Disks, disks[serial])
	}
	qemu.Need(t, m.Programs...)
	qemu.RunTest(t, m)
	untouched(t, disks["DM1"], disks["MD1"])
	if n := left(t, disks["OK1"]); n != 0 {
		t.Errorf("the secret is left %d times on the disk that nobody used", n)
	}
}

const debugDisk = "/sys/bus/pseudo/drivers/scsi_debug/"

// fill writes the secret to the only disk, from inside.
func fill(t *testing.T, m *linux.Machine) protocol.DiskRef {
	t.Helper()
	list, err := m.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	d, err := driver.Open(t.Context(), m, list[0], driver.Write)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	buf := driver.Buffer(1 << 20)
	copy(buf, bytes.Repeat([]byte(secret), len(buf)/len(secret)))
	for off := int64(0); off < int64(list[0].SizeBytes); off += int64(len(buf)) {
		if _, err := d.WriteAt(buf, off); err != nil {
			t.Fatal(err)
		}
	}
	return list[0]
}

// TestB45_ASCSIDiskThatBreaksIsNotProven: one with bad sectors, one that answers each command and does nothing, not even fill the
// buffer of a read, one that vanishes in the middle, and one that is smaller than the permit says.
func TestB45_ASCSIDiskThatBreaksIsNotProven(t *testing.T) {
	if !qemu.Inside() {
		qemu.RunTest(t, qemu.Machine{Modules: []string{"scsi_debug dev_size_mb=64 num_tgts=1 max_luns=1 dix=0 dif=0 lbpu=1 lbprz=1"}})
		return
	}
	m := machine(t)
	ref := fill(t, m)
	permit := protocol.Permit{ID: "permit", Disks: []protocol.DiskRef{ref}}
	broken := func(what string, j erase.Job, says string) {
		t.Helper()
		out, err := erase.Run(t.Context(), m, permit, j)
		t.Logf("%s: %v\n%+v", what, err, out)
		if err == nil || out[0].Proven || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	put(t, debugDisk+"opts", "2")
	broken("bad sectors", &job{}, "read at byte")
	put(t, debugDisk+"opts", "0")
	put(t, debugDisk+"fake_rw", "1")
	broken("nothing is done", &job{}, "not empty")
	put(t, debugDisk+"fake_rw", "0")
	small := ref
	small.SizeBytes += 1 << 20
	permit.Disks[0] = small
	broken("too small", &job{}, "this machine has no disk")
	permit.Disks[0] = ref
	fill(t, m)
	out, err := erase.Run(t.Context(), m, permit, &job{})
	if err != nil || !out[0].Proven || out[0].VerifiedBytes != ref.SizeBytes {
		t.Errorf("a good one: %v %+v", err, out)
	}
	fill(t, m)
	gone := &swapping{middle: func() { put(t, "/sys/block/"+ref.Name+"/device/delete", "1") }}
	broken("it vanishes", gone, "")
}
