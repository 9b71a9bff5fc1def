package qemu

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// serials finds the disks of the machine by what they call themselves.
func serials(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	list, _ := filepath.Glob("/sys/block/*/device")
	for _, dir := range list {
		name := filepath.Base(filepath.Dir(dir))
		for _, file := range []string{"/sys/block/" + name + "/serial", dir + "/serial", dir + "/vpd_pg80", dir + "/wwid"} {
			raw, err := os.ReadFile(file)
			for _, s := range []string{"NV1", "VD1", "SC1", "SA1"} {
				if err == nil && bytes.Contains(raw, []byte(s)) {
					found[s] = "/dev/" + name
				}
			}
		}
	}
	return found
}

func TestDisksOfEveryKindAreThereInsideAndWrittenOutside(t *testing.T) {
	if Inside() {
		found := serials(t)
		t.Log(found)
		for _, s := range []string{"NV1", "VD1", "SC1", "SA1"} {
			f, err := os.OpenFile(found[s], os.O_RDWR, 0)
			if err != nil {
				t.Errorf("%s: %v", s, err)
				continue
			}
			raw := make([]byte, 4096)
			if _, err := io.ReadFull(f, raw); err != nil || !bytes.HasPrefix(raw, []byte("outside "+s)) {
				t.Errorf("%s reads %q: %v", s, raw[:16], err)
			}
			_, err = f.WriteAt([]byte("inside "+s), 8192)
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
			if err != nil {
				t.Error(err)
			}
			_ = f.Close()
		}
		return
	}
	var m Machine
	for bus, serial := range map[string]string{"nvme": "NV1", "virtio": "VD1", "scsi": "SC1", "sata": "SA1"} {
		d := NewDisk(t, bus, serial, 32<<20)
		if err := os.WriteFile(d.File, append([]byte("outside "+serial), make([]byte, 32<<20-len("outside "+serial))...), 0o600); err != nil {
			t.Fatal(err)
		}
		m.Disks = append(m.Disks, d)
	}
	RunTest(t, m)
	for _, d := range m.Disks {
		raw, err := os.ReadFile(d.File)
		if err != nil || !bytes.HasPrefix(raw[8192:], []byte("inside "+d.Serial)) {
			t.Errorf("%s holds %q: %v", d.Serial, raw[8192:8210], err)
		}
	}
}

func TestABadSectorIsAnErrorInside(t *testing.T) {
	if Inside() {
		f, err := os.Open(serials(t)["VD1"])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		raw := make([]byte, 4096)
		if _, err := f.ReadAt(raw, 0); err != nil {
			t.Error("a good sector:", err)
		}
		if _, err := f.ReadAt(raw, 2048*512); err == nil {
			t.Error("the bad sector was read")
		}
		return
	}
	RunTest(t, Machine{Disks: []Disk{NewDisk(t, "virtio", "VD1", 16<<20).Failing("read", 2048)}})
}

// A program of this machine runs inside with its libraries, on a loop disk and a module that the test asked for.
func TestProgramsAndModulesAreTakenAlong(t *testing.T) {
	if Inside() {
		if out, err := exec.Command("/bin/mkfs.ext4", "-q", "/dev/disk").CombinedOutput(); err == nil {
			t.Errorf("a file system on nothing: %s", out)
		}
		list, _ := filepath.Glob("/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*")
		if len(list) != 1 {
			t.Fatalf("disks of scsi_debug: %v", list)
		}
		dev := "/dev/" + filepath.Base(list[0])
		if out, err := exec.Command("/bin/mkfs.ext4", "-q", dev).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := unix.Mount(dev, "/mnt", "ext4", 0, ""); err != nil {
			t.Fatal(err) // the kernel calls modprobe for ext4
		}
		if raw, err := os.ReadFile("/etc/given"); err != nil || string(raw) != "by the test" {
			t.Errorf("the file: %q %v", raw, err)
		}
		return
	}
	Need(t, "mkfs.ext4")
	given := filepath.Join(t.TempDir(), "given")
	if err := os.WriteFile(given, []byte("by the test"), 0o600); err != nil {
		t.Fatal(err)
	}
	RunTest(t, Machine{Modules: []string{"scsi_debug dev_size_mb=32"}, Programs: []string{"mkfs.ext4"}, Files: map[string]string{"etc/given": given}})
}

func TestAFailureInsideIsAStatusOutside(t *testing.T) {
	if Inside() {
		_, _ = os.Stdout.WriteString("one\nline\n")
		os.Exit(7)
	}
	Need(t, "depmod", "xz")
	r := RunInside(t, Machine{}, compile(t), "-test.run", "^"+t.Name()+"$")
	if r.Status != 7 || !strings.HasSuffix(r.Output, "one\nline\n") {
		t.Errorf("status %d, output %q", r.Status, r.Output)
	}
	if r := RunInside(t, Machine{}, "/etc/hostname"); r.Status != 125 {
		t.Errorf("a program that cannot be started: %d %q", r.Status, r.Output)
	}
}
