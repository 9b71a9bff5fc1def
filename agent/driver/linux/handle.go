package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

type identify func(context.Context, *handle) (protocol.DiskRef, error)

// handle is an open block device or file.
type handle struct {
	file   *os.File
	size   int64
	block  bool // a block device, not a file
	direct bool // past the page cache
	who    identify
}

// openBlock opens a block device; name is its name in /sys/block.
func (m *Machine) openBlock(path, name string, mode driver.Mode, who identify) (*handle, error) {
	flags := os.O_RDONLY | syscall.O_DIRECT
	if mode == driver.Write {
		if err := m.inUse(name); err != nil {
			return nil, err
		}
		flags = os.O_RDWR | syscall.O_DIRECT | syscall.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0)
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, fault.Refused("disk %s is in use: the kernel holds it", name)
	case errors.Is(err, syscall.EROFS):
		return nil, fault.Refused("disk %s is read-only", name)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	h := &handle{file: f, block: true, direct: true, who: who}
	if err := h.probe(mode); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return h, nil
}

// probe reads size and protection of the open block device.
func (h *handle) probe(mode driver.Mode) error {
	st, err := h.file.Stat()
	if err != nil {
		return err
	}
	if st.Mode()&os.ModeDevice == 0 || st.Mode()&os.ModeCharDevice != 0 {
		return fault.Refused("%s is not a block device", h.file.Name())
	}
	var size uint64
	if err := h.ioctl(unix.BLKGETSIZE64, unsafe.Pointer(&size)); err != nil {
		return fmt.Errorf("read its size: %w", err)
	}
	h.size = int64(size)
	if mode != driver.Write {
		return nil
	}
	var readonly int32
	if err := h.ioctl(unix.BLKROGET, unsafe.Pointer(&readonly)); err != nil {
		return fmt.Errorf("read its protection: %w", err)
	}
	if readonly != 0 {
		return fault.Refused("the disk is read-only")
	}
	return nil
}

func (h *handle) ioctl(request uint, arg unsafe.Pointer) error {
	raw, err := h.file.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// sameDevice refuses when the name in sysfs has become another device than the open one.
func (m *Machine) sameDevice(h *handle, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.file.Fd()), &st); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(m.sys, "block", name, "dev"))
	if err != nil {
		return fault.NotFound("disk %s is gone: %w", name, err)
	}
	open := fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	if now := strings.TrimSpace(string(text)); now != open {
		return fault.Refused("disk %s was device %s when it was opened and is %s now", name, open, now)
	}
	return nil
}

func (h *handle) Identify(ctx context.Context) (protocol.DiskRef, error) { return h.who(ctx, h) }

func (h *handle) ReadAt(p []byte, off int64) (int, error)  { return h.file.ReadAt(p, off) }
func (h *handle) WriteAt(p []byte, off int64) (int, error) { return h.file.WriteAt(p, off) }
func (h *handle) Close() error                             { return h.file.Close() }

// Discard is BLKDISCARD, or a hole in a file.
func (h *handle) Discard(off, n int64) error {
	var err error
	if h.block {
		span := [2]uint64{uint64(off), uint64(n)}
		err = h.ioctl(unix.BLKDISCARD, unsafe.Pointer(&span))
	} else {
		err = unix.Fallocate(int(h.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTTY) {
		return driver.ErrUnsupported
	}
	return err
}

// Sync writes through the drive's cache. What cannot be read past the page cache is
// dropped from it, so that the next read comes from the medium.
func (h *handle) Sync() error {
	if err := h.file.Sync(); err != nil {
		return err
	}
	if h.direct {
		return nil
	}
	return unix.Fadvise(int(h.file.Fd()), 0, 0, unix.FADV_DONTNEED)
}
