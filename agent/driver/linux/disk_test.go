package linux

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestConformanceOnAFile(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Subject {
		return subject(t, filepath.Join(t.TempDir(), "disk")+":8MiB")
	})
}

func TestConformanceOnALoopDevice(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Subject {
		return subject(t, drivertest.Loop(t, 8<<20))
	})
}

func subject(t *testing.T, spec string) drivertest.Subject {
	t.Helper()
	s, err := OpenSandbox(3, spec)
	if err != nil {
		t.Fatal(err)
	}
	m := New(Options{Sandbox: []*SandboxDisk{s}})
	return drivertest.Subject{Disks: m, Want: protocol.DiskRef{Name: "x", Serial: "sandbox-3", SizeBytes: 8 << 20}}
}

func TestB44_AMountedDiskIsRefused(t *testing.T) {
	dev := drivertest.Loop(t, 16<<20)
	if out, err := exec.Command("mkfs.ext4", "-q", dev).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	s, err := OpenSandbox(0, dev)
	if err != nil {
		t.Fatal(err)
	}
	m := New(Options{Sandbox: []*SandboxDisk{s}})
	dir := t.TempDir()
	if err := unix.Mount(dev, dir, "ext4", 0, ""); err != nil {
		t.Fatalf("mount: %v", err)
	}
	_, err = m.Open(t.Context(), "sandbox-0", driver.Write)
	if e := unix.Unmount(dir, 0); e != nil {
		t.Fatal(e)
	}
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "mounted on "+dir) {
		t.Errorf("open a mounted disk: %v", err)
	}
	d, err := m.Open(t.Context(), "sandbox-0", driver.Write)
	if err != nil {
		t.Fatalf("after unmounting: %v", err)
	}
	_ = d.Close()
}

func TestB44_AReadOnlyDiskIsRefused(t *testing.T) {
	dev := drivertest.Loop(t, 1<<20, "--read-only")
	s, err := OpenSandbox(0, dev)
	if err != nil {
		t.Fatal(err)
	}
	m := New(Options{Sandbox: []*SandboxDisk{s}})
	if _, err := m.Open(t.Context(), "sandbox-0", driver.Write); !fault.Is(err, fault.KindRefused) {
		t.Errorf("open a read-only disk: %v", err)
	}
}

func TestB44_AnotherFileUnderTheNameIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	s, err := OpenSandbox(0, path+":1MiB")
	if err != nil {
		t.Fatal(err)
	}
	m := New(Options{Sandbox: []*SandboxDisk{s}})
	list, _ := m.List(t.Context())
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := create(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Open(t.Context(), m, list[0], driver.Write); !fault.Is(err, fault.KindRefused) {
		t.Errorf("open a replaced file: %v", err)
	}
}

func TestB44_TheSandboxHasNoRealDisks(t *testing.T) {
	m := New(Options{Sandbox: []*SandboxDisk{}})
	if list, err := m.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("an empty sandbox lists %v %v", list, err)
	}
	for _, name := range []string{"vda", "sda", "loop0", "null"} {
		if _, err := m.Open(t.Context(), name, driver.Read); !fault.Is(err, fault.KindRefused) {
			t.Errorf("open %s: %v", name, err)
		}
	}
}

func TestSandboxSpecs(t *testing.T) {
	for _, c := range []struct {
		spec string
		size int64
		ok   bool
	}{
		{"a", DefaultSandboxBytes, true},
		{"/x/a:128MiB", 128 << 20, true},
		{"a:1000", 0, false},
		{"a:many", 0, false},
		{"", 0, false},
		{"a:0", 0, false},
	} {
		_, size, err := parseSandbox(c.spec)
		if (err == nil) != c.ok || c.ok && size != c.size {
			t.Errorf("%q: %d %v", c.spec, size, err)
		}
	}
	if _, err := OpenSandbox(0, "/dev/null"); !fault.Is(err, fault.KindRefused) {
		t.Errorf("/dev/null as a disk: %v", err)
	}
}

func TestB44_AReadingIsNeverOlderThanTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readings := 0
		ask := shared(func(context.Context) []hardware.Disk {
			readings++
			n := readings
			time.Sleep(time.Second)
			return []hardware.Disk{{SizeBytes: uint64(n)}}
		})
		var late sync.WaitGroup
		late.Go(func() { ask(t.Context()) })
		time.Sleep(500 * time.Millisecond)
		for range 10 { // while the first reading is under way
			late.Go(func() {
				if got := ask(t.Context()); got[0].SizeBytes != 2 {
					t.Errorf("reading %d answers a question that came after it began", got[0].SizeBytes)
				}
			})
		}
		late.Wait()
		if readings != 2 {
			t.Errorf("%d readings", readings)
		}
	})
}

// TestB44_ASandboxIsNotAWayToARealDisk: under other names, and through loop devices.
func TestB44_ASandboxIsNotAWayToARealDisk(t *testing.T) {
	dev := drivertest.Loop(t, 4<<20)
	other := drivertest.Loop(t, 4<<20) // plays the real disk
	over, err := exec.Command("losetup", "--show", "-f", other).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v: %s", err, over)
	}
	onDevice := strings.TrimSpace(string(over))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", onDevice).Run() })
	link := filepath.Join(t.TempDir(), filepath.Base(dev))
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(other, &st); err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(t.TempDir(), filepath.Base(dev))
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, int(st.Rdev)); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{"a loop device over a device": onDevice, "a link of a loop device's name": link, "a node of a loop device's name": node} {
		if _, err := OpenSandbox(0, path); !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestB44_ASandboxTakesNoFileThatItDidNotMake: what lies in the given directory may be somebody's.
func TestB44_ASandboxTakesNoFileThatItDidNotMake(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "0.img")
	theirs := strings.Repeat("a virtual machine ", 4096)[:16*driver.Block]
	if err := os.WriteFile(path, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSandbox(0, path); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), path) {
		t.Errorf("somebody's file: %v", err)
	}
	link := filepath.Join(dir, "1.img")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSandbox(0, link); !fault.Is(err, fault.KindRefused) {
		t.Errorf("a link to somebody's file: %v", err)
	}
	own := filepath.Join(dir, "2.img")
	for range 2 { // made, and known again
		if s, err := OpenSandbox(0, own+":1MiB"); err != nil || s.size != 1<<20 {
			t.Fatal(s, err)
		}
	}
	if err := os.Rename(path, own); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSandbox(0, own); !fault.Is(err, fault.KindRefused) {
		t.Errorf("somebody's file in the place of ours: %v", err)
	}
}
