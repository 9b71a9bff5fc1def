package modules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var tables = map[string]string{
	"modules.dep": "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\nkernel/fs/jbd2/jbd2.ko:\nkernel/lib/crc16.ko:\n" +
		"kernel/crypto/crc32c-generic.ko:\nkernel/drivers/net/virtio_net.ko: kernel/drivers/net/failover.ko\nkernel/drivers/net/failover.ko:\n" +
		"kernel/drivers/usb/loop-a.ko: kernel/drivers/usb/loop-b.ko\nkernel/drivers/usb/loop-b.ko: kernel/drivers/usb/loop-a.ko\n",
	"modules.alias": "# a comment\nalias crypto-crc32c crc32c_generic\nalias fs-ext4 ext4\nalias virtio:d00000001v* virtio_net\n" +
		"alias of:N*T*Cmarvell,armada-370/x* loop_a\nalias dmi*:svn*a/b*: jbd2\n",
	"modules.softdep": "# soft\nsoftdep ext4 pre: crypto-crc32c post: virtio_net\n",
	"modules.builtin": "kernel/drivers/firmware/dmi-sysfs.ko\n",
}

func index(t *testing.T) *Index {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "1.2.3")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range tables {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	x, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestWhatAModuleNeedsComesFirst(t *testing.T) {
	x := index(t)
	order := x.Order("ext4")
	if len(order) != 4 || order[3] != "ext4" || !slices.Contains(order, "crc32c_generic") || slices.Contains(order, "virtio_net") {
		t.Errorf("ext4 is loaded as %v", order)
	}
	if order := x.Order("loop-a"); len(order) != 2 {
		t.Errorf("modules that need each other: %v", order)
	}
	if order := x.Order("nothing"); order != nil {
		t.Errorf("a module that is not there: %v", order)
	}
}

func TestDevicesFindTheirDrivers(t *testing.T) {
	x := index(t)
	for modalias, want := range map[string]string{
		"virtio:d00000001v00001AF4":                    "virtio_net",
		"of:NnodeT<NULL>Cmarvell,armada-370/xp/x":      "loop_a",
		"dmi:bvnX:svnsome/a/b/c:":                      "jbd2",
		"virtio:d00000002v00001AF4":                    "",
		"pci:v00008086d0000100Esv*[bad pattern":        "",
		strings.Repeat("virtio:d00000001v00001", 1000): "virtio_net",
	} {
		if got := strings.Join(x.Matching(modalias), " "); got != want {
			t.Errorf("%.40s means %q, not %q", modalias, got, want)
		}
	}
	if got := x.Resolve("crypto-crc32c"); len(got) != 1 || got[0] != "crc32c_generic" {
		t.Errorf("an alias means %v", got)
	}
}

func TestTheTablesOfAPartAreReadBack(t *testing.T) {
	x := index(t)
	part, missing := x.Take([]string{"ext4", "dmi_sysfs", "no_such_driver"})
	if !slices.Equal(missing, []string{"no_such_driver"}) {
		t.Errorf("missing: %v", missing)
	}
	want := []string{"crc16", "crc32c_generic", "ext4", "jbd2"}
	if !slices.Equal(part.Names(), want) {
		t.Errorf("taken: %v", part.Names())
	}
	dir := filepath.Join(t.TempDir(), "1.2.3")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range part.Tables() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Order("ext4"), x.Order("ext4")) || len(again.Matching("fs-ext4")) != 1 || again.Matching("virtio:d00000001v") != nil {
		t.Errorf("read back: %v", again)
	}
}

func TestAliasesAreEachToldOnce(t *testing.T) {
	sys := t.TempDir()
	for device, text := range map[string]string{"bus/pci/devices/a": "pci:v1\n", "bus/pci/devices/b": "pci:v1\n", "bus/acpi/devices/c": "acpi:X:\n", "class/input/input1": "input:k1\n", "bus/pci/devices/d": "\n"} {
		dir := filepath.Join(sys, device)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "modalias"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := Aliases(sys); !slices.Equal(got, []string{"acpi:X:", "input:k1", "pci:v1"}) {
		t.Errorf("aliases: %v", got)
	}
	if got := Aliases(sys, "pci", "none"); !slices.Equal(got, []string{"pci:v1"}) {
		t.Errorf("aliases of one bus: %v", got)
	}
}
