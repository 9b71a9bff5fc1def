package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// DefaultSandboxBytes is the size of a sandbox file that the agent makes.
const DefaultSandboxBytes = 64 << 20

// SandboxDisk is a file or a loop device that plays a disk.
type SandboxDisk struct {
	name    string
	path    string
	size    int64
	dev     uint64 // of the file's file system
	ino     uint64
	block   bool
	backing string // backing file of a loop device
}

// OpenSandbox prepares the n-th sandbox disk from "FILE[:SIZE]". A file that is
// missing is made, sparse, of SIZE (64 MiB). Faults: invalid for a size that cannot be a
// disk's, refused for a device that is not a loop device.
func OpenSandbox(n int, spec string) (*SandboxDisk, error) {
	path, size, err := parseSandbox(spec)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := create(path, size); err != nil {
		return nil, fmt.Errorf("make sandbox disk: %w", err)
	}
	s := &SandboxDisk{name: "sandbox-" + strconv.Itoa(n), path: path}
	return s, s.measure()
}

func parseSandbox(spec string) (path string, size int64, err error) {
	path, size = spec, DefaultSandboxBytes
	if i := strings.LastIndexByte(spec, ':'); i > 0 {
		b, err := unit.ParseBytes(spec[i+1:])
		if err != nil {
			return "", 0, fault.Invalid("sandbox disk %q: %w", spec, err)
		}
		path, size = spec[:i], int64(b)
	}
	if path == "" || size <= 0 || size%driver.Block != 0 {
		return "", 0, fault.Invalid("sandbox disk %q: write FILE or FILE:SIZE, SIZE a multiple of %d bytes such as 64MiB", spec, driver.Block)
	}
	return path, size, nil
}

func create(path string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return err
	}
	return f.Close()
}

// measure remembers what stands behind the path.
func (s *SandboxDisk) measure() error {
	var st unix.Stat_t
	if err := unix.Stat(s.path, &st); err != nil {
		return fmt.Errorf("sandbox disk %s: %w", s.path, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		s.dev, s.ino, s.size = st.Dev, st.Ino, st.Size
	case unix.S_IFBLK:
		if err := s.measureLoop(); err != nil {
			return err
		}
	default:
		return fault.Refused("sandbox disk %s is neither a file nor a loop device", s.path)
	}
	if s.size == 0 || s.size%driver.Block != 0 {
		return fault.Invalid("sandbox disk %s has %d bytes; a multiple of %d is needed (truncate --size=%%%d FILE)", s.path, s.size, driver.Block, driver.Block)
	}
	return nil
}

func (s *SandboxDisk) measureLoop() error {
	name := filepath.Base(s.path)
	backing, err := backingFile(name)
	if err != nil {
		return fault.Refused("sandbox disk %s is not an attached loop device: %w", s.path, err)
	}
	sectors, err := os.ReadFile(filepath.Join("/sys/block", name, "size"))
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(sectors)), 10, 64)
	s.block, s.backing, s.size = true, backing, n*512
	return err
}

func backingFile(loop string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/sys/block", loop, "loop", "backing_file"))
	return strings.TrimSpace(string(text)), err
}

// Inventory is the disk as it is reported.
func (s *SandboxDisk) Inventory() hardware.Disk {
	return hardware.Disk{
		Name: s.name, Type: hardware.DiskVirtual, Vendor: "Steelyard", Model: "Sandbox disk",
		Serial: s.name, SizeBytes: uint64(s.size), SectorSize: 512,
	}
}

func (s *SandboxDisk) open(m *Machine, mode driver.Mode) (driver.Disk, error) {
	if s.block {
		return m.openBlock(s.path, filepath.Base(s.path), mode, s.identify)
	}
	if mode == driver.Write {
		if err := m.loopedOver(s.path); err != nil {
			return nil, err
		}
	}
	return s.openFile(mode)
}

func (s *SandboxDisk) openFile(mode driver.Mode) (driver.Disk, error) {
	flags := os.O_RDONLY
	if mode == driver.Write {
		flags = os.O_RDWR
	}
	h := &handle{size: s.size, direct: true, who: s.identify}
	var err error
	h.file, err = os.OpenFile(s.path, flags|syscall.O_DIRECT, 0)
	if errors.Is(err, syscall.EINVAL) { // a file system without direct I/O
		h.direct = false
		h.file, err = os.OpenFile(s.path, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	if mode == driver.Write {
		if err := unix.Flock(int(h.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = h.file.Close()
			return nil, fault.Refused("sandbox disk %s is in use by another process: %w", s.path, err)
		}
	}
	return h, nil
}

// loopedOver refuses a file that a loop device is attached to: somebody may have mounted it.
func (m *Machine) loopedOver(path string) error {
	list, err := filepath.Glob(filepath.Join(m.sys, "block", "loop*", "loop", "backing_file"))
	if err != nil {
		return err
	}
	for _, p := range list {
		if text, err := os.ReadFile(p); err == nil && strings.TrimSpace(string(text)) == path {
			return fault.Refused("sandbox disk %s is in use: a loop device is attached to it (losetup -j %s)", path, path)
		}
	}
	return nil
}

// identify compares the open file or loop device with what it was at the start.
func (s *SandboxDisk) identify(ctx context.Context, h *handle) (protocol.DiskRef, error) {
	ref := protocol.DiskRef{Name: s.name, Serial: s.name}
	if s.block {
		backing, err := backingFile(filepath.Base(s.path))
		if err != nil || backing != s.backing {
			return ref, fault.Refused("loop device %s has another file than at the start", s.path)
		}
		ref.SizeBytes = uint64(h.size)
		return ref, ctx.Err()
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(h.file.Fd()), &st); err != nil {
		return ref, err
	}
	if st.Dev != s.dev || st.Ino != s.ino {
		return ref, fault.Refused("sandbox disk %s is another file than at the start", s.path)
	}
	ref.SizeBytes = uint64(st.Size)
	return ref, ctx.Err()
}
