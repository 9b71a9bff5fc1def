package boot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

type mount struct {
	kind, path string
	flags      uintptr
	options    string
}

var mounts = []mount{
	{"proc", "/proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"sysfs", "/sys", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"devtmpfs", "/dev", unix.MS_NOSUID, "mode=0755"},
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
}

// Mount mounts what every program expects. What is mounted already is no error: the kernel may
// have done it.
func Mount() error {
	var failed []error
	for _, m := range mounts {
		failed = append(failed, m.do())
	}
	for link, target := range map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"} {
		_ = os.Symlink(target, link)
	}
	return errors.Join(failed...)
}

func (m mount) do() error {
	if err := os.MkdirAll(m.path, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", m.path, err)
	}
	if err := unix.Mount(m.kind, m.path, m.kind, m.flags, m.options); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s: %w", m.path, err)
	}
	return nil
}

// firmware is there on a machine that was started by UEFI, and its variables.
const (
	firmware  = "/sys/firmware/efi"
	variables = firmware + "/efivars"
)

// MountFirmware mounts the variables of a UEFI firmware; without one it does nothing. The modules of [Always]
// must be loaded.
func MountFirmware() error {
	if _, err := os.Stat(variables); err != nil {
		return nil //nolint:nilerr // started by a BIOS
	}
	return mount{"efivarfs", variables, unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""}.do()
}
