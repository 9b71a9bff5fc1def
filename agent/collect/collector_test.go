package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/pkg/hardware"
)

var update = flag.Bool("update", false, "write the golden inventories anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestB12_InventoriesOfWholeMachinesAreGolden(t *testing.T) {
	for name, want := range map[string]string{
		"rack-server": "2 × Xeon E5-2623 v4 (4 cores), 128 GiB (4 × 32 GiB DDR4), 1 × 4 TB HDD, 1 × 1.2 TB HDD, 1 × 1.92 TB NVMe, " +
			"1 × 480 GB SSD, 1 × 12 TB virtual disk, 1 × 10 Gbit/s, 1 × network port, 1 × 0xabcd 0x0001, 1 × NVIDIA Corporation GA100 [A100 SXM4 40GB]",
		"virtual-machine": "1 × EPYC-Rome (2 cores), 4 GiB, 1 × 40 GiB virtual disk, 1 × network port",
		"arm-board":       "1 × Cortex-A72 (2 cores), 4 GiB, 1 × 32 GB SSD, 1 × 1 Gbit/s, aarch64",
	} {
		t.Run(name, func(t *testing.T) {
			collector := New(Options{Root: machine(t, name)})
			inv := collector.Inventory(t.Context())
			if got := inv.Configuration().String(); got != want {
				t.Errorf("configuration\n%s\nwant\n%s", got, want)
			}
			golden(t, name, inv)
			again := collector.Inventory(t.Context())
			if again.Digest() != inv.Digest() {
				t.Error("a second look at the same machine has another digest")
			}
			if again.Clean() {
				t.Error("the inventory was not clean")
			}
		})
	}
}

func golden(t *testing.T, name string, inv hardware.Inventory) {
	t.Helper()
	got, err := json.MarshalIndent(inv, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from its golden inventory; if that is meant, run the test with -update and read the change:\n%s", name, got)
	}
}

func TestX1_IdentityOfAWholeMachine(t *testing.T) {
	inv := New(Options{Root: machine(t, "rack-server")}).Inventory(t.Context())
	want := hardware.Identity{
		UUID: "00000000-0000-0000-0000-0cc47a000001", SystemSerial: "SW0007", BoardSerial: "ZM15AS000007", ChassisSerial: "C8150AF",
		MACs: []string{"0c:c4:7a:00:00:01", "0c:c4:7a:00:00:02"}, MachineID: "0123456789abcdef0123456789abcdef",
	}
	if got := inv.Identity; !got.Same(want) || !slices.Equal(got.MACs, want.MACs) || got.MachineID != want.MachineID || len(got.Overlap(want)) != 5 {
		t.Errorf("identity %+v; want %+v", got, want)
	}
}

func TestDumpAloneIsAnInventory(t *testing.T) {
	for _, file := range []string{"dmidecode", "dmidecode.txt", "dmidecode.bin"} {
		source := filepath.Join("..", "..", "pkg", "hardware", "smbios", "testdata", "server3.txt")
		if strings.HasSuffix(file, ".bin") {
			source = strings.TrimSuffix(source, ".txt") + ".bin"
		}
		data, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		if err := put(filepath.Join(root, file), data); err != nil {
			t.Fatal(err)
		}
		inv := New(Options{Root: root}).Inventory(t.Context())
		if len(inv.CPUs) != 3 || inv.Memory.TotalBytes == 0 || inv.Identity.BoardSerial != "1234567890" || state(inv, "smbios") != hardware.SectionOK {
			t.Errorf("%s: %+v, %+v, section %s", file, inv.CPUs, inv.Identity, state(inv, "smbios"))
		}
		for _, name := range []string{"cpu", "memory", "disks", "nics", "pci", "smart", "lldp", "os"} {
			if got := state(inv, name); got != hardware.SectionAbsent {
				t.Errorf("%s: section %s is %s; want absent", file, name, got)
			}
		}
	}
}

func state(inv hardware.Inventory, name string) string {
	for _, s := range inv.Sections {
		if s.Name == name {
			return s.State
		}
	}
	return "no such section"
}

func TestThisMachine(t *testing.T) {
	inv := New(Options{}).Inventory(t.Context())
	if len(inv.CPUs) == 0 || inv.Memory.TotalBytes == 0 || inv.OS.Kernel == "" || inv.CPUs[0].Cores == 0 || inv.OS.Arch == "" {
		t.Errorf("this machine reads as %+v", inv)
	}
	for _, s := range inv.Sections {
		if s.State == hardware.SectionFailed && s.Name != "smart" { // a disk of whoever runs this may well be broken
			t.Errorf("section %s failed: %s", s.Name, s.Detail)
		}
	}
	if len(inv.Sections) != 10 || !slices.IsSortedFunc(inv.Sections, func(a, b hardware.Section) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("sections %+v", inv.Sections)
	}
}

func TestWithoutRootTheFirmwaresNamesAreReadAndTheRestIsSaid(t *testing.T) {
	collector := New(Options{Root: machine(t, "virtual-machine")})
	f, ok := collector.firmwareNames(fs.ErrPermission)
	if !ok || f.state != hardware.SectionPartial || !strings.Contains(f.detail, "only root") {
		t.Fatalf("%v, section %s: %s", ok, f.state, f.detail)
	}
	var inv hardware.Inventory
	f.set(&inv)
	if inv.System.Vendor != "QEMU" || inv.Identity.UUID != "7c0a1f00-1111-2222-3333-444455556666" || inv.Identity.SystemSerial != "" {
		t.Errorf("%+v, %+v", inv.System, inv.Identity)
	}
}

func TestOneFailingCollectorNeverLosesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Root: "/nonexistent", Timeout: time.Second})
		var inv hardware.Inventory
		stuck := make(chan struct{})
		c.collect(t.Context(), &inv, "panics", func(context.Context) finding { panic("odd hardware") })
		c.collect(t.Context(), &inv, "hangs", func(context.Context) finding { <-stuck; return finding{} })
		c.collect(t.Context(), &inv, "denied", func(context.Context) finding { return trouble("the tables", fs.ErrPermission) })
		c.collect(t.Context(), &inv, "gone", func(context.Context) finding { return trouble("the bus", &fs.PathError{Err: syscall.ENOENT}) })
		c.collect(t.Context(), &inv, "broken", func(context.Context) finding { return trouble("the disk", syscall.EIO) })
		c.collect(t.Context(), &inv, "works", func(context.Context) finding {
			return finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) { to.Virtualization = "seen" }}
		})
		close(stuck)
		want := []string{hardware.SectionFailed, hardware.SectionFailed, hardware.SectionDenied, hardware.SectionAbsent, hardware.SectionFailed, hardware.SectionOK}
		for i, s := range inv.Sections {
			if s.State != want[i] || s.State != hardware.SectionOK && s.Detail == "" {
				t.Errorf("section %+v; want %s and a sentence", s, want[i])
			}
		}
		if inv.Virtualization != "seen" {
			t.Error("the collector that works was lost")
		}
	})
}

func TestEndedContextIsAnsweredAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := New(Options{Root: t.TempDir()})
	var inv hardware.Inventory
	release := make(chan struct{})
	defer close(release)
	c.collect(ctx, &inv, "waits", func(ctx context.Context) finding { <-release; return finding{} })
	if state(inv, "waits") != hardware.SectionFailed {
		t.Errorf("sections %+v", inv.Sections)
	}
}

func TestLinksStayInsideTheCopy(t *testing.T) {
	root := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(
		tie(filepath.Join(root, "etc/hostname"), secret),
		tie(filepath.Join(root, "etc/os-release"), "../../../../../../../../../../../../etc/os-release"),
		tie(filepath.Join(root, "proc/loop"), "loop"),
		put(filepath.Join(root, "inside"), []byte("kept")),
		tie(filepath.Join(root, "up"), "a/../../inside"),
		put(filepath.Join(root, "a/b"), nil),
		syscall.Mkfifo(filepath.Join(root, "proc/cpuinfo"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTree(root)
	if got := tr.text("etc/hostname") + tr.text("etc/os-release"); got != "" {
		t.Errorf("read %q from outside of the copy", got)
	}
	if _, err := tr.read("proc/loop", 10); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a circle of links: %v", err)
	}
	if got := tr.text("up"); got != "kept" {
		t.Errorf("a link that climbs above the root reads %q; want the root's own", got)
	}
	if _, err := tr.read("proc/cpuinfo", 10); err == nil {
		t.Error("a pipe was read")
	}
	if _, err := tr.read("inside", 3); err == nil {
		t.Error("a file beyond its bound was read")
	}
}
