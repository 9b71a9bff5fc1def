// Command init starts the small Debian of package system: it loads the machine's drivers, finds the root file
// system by its label, and hands over to systemd.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/boot"
	"github.com/steelyard/steelyard/deploy/ramenv/modules"
)

// Label is that of the root file system.
const label = "steelyard-root"

const patience = 60 * time.Second

func main() {
	if boot.IsModprobe() {
		os.Exit(boot.Modprobe())
	}
	err := handOver()
	fmt.Println("the system cannot be started:", err)
	time.Sleep(time.Second)
	boot.PowerOff()
}

func handOver() error {
	if err := boot.Mount(); err != nil {
		return err
	}
	drivers, err := boot.Modules()
	if err != nil {
		return err
	}
	for _, name := range boot.Always() {
		_ = drivers.Want(name)
	}
	// The drivers stay here: the system itself cannot load what its network asks for.
	_, _ = drivers.Want("8021q"), drivers.Want("bonding", "max_bonds=0")
	root, err := find(drivers)
	if err != nil {
		return err
	}
	if err := os.MkdirAll("/root", 0o755); err != nil {
		return err
	}
	if err := unix.Mount(root, "/root", "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", root, err)
	}
	for _, dir := range []string{"/dev/pts", "/dev/shm", "/tmp"} {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run"} {
		if err := unix.Mount(dir, "/root"+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := os.Chdir("/root"); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Exec("/lib/systemd/systemd", []string{"/sbin/init"}, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux"})
}

// find loads drivers until there is a partition with our file system.
func find(drivers *modules.Loader) (string, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		_ = drivers.Devices("/sys")
		parts, _ := filepath.Glob("/sys/class/block/*/partition")
		for _, p := range parts {
			dev := "/dev/" + filepath.Base(filepath.Dir(p))
			if labelled(dev) {
				return dev, nil
			}
		}
	}
	return "", fmt.Errorf("no partition has a file system with the label %s", label)
}

// labelled reads the superblock of ext4: the label is 120 bytes after its start at 1024.
func labelled(dev string) bool {
	f, err := os.Open(dev)
	if err != nil {
		return false
	}
	defer f.Close()
	raw := make([]byte, 16)
	_, err = f.ReadAt(raw, 1024+120)
	return err == nil && string(bytes.TrimRight(raw, "\x00")) == label
}
