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

// madeBy names the file beside a sandbox file that says which inode OpenSandbox made.
const madeBy = ".steelyard-disk"

// OpenSandbox prepares the n-th sandbox disk from "FILE[:SIZE]". A file that is
// missing is made, sparse, of SIZE (64 MiB). Faults: invalid for a size that cannot be a
// disk's, refused for a device that is not a loop device over a file, and for a file that
// OpenSandbox did not make: it is somebody's, and would be erased.
func OpenSandbox(n int, spec string) (*SandboxDisk, error) {
	path, size, err := parseSandbox(spec)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := provide(path, size); err != nil {
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

// provide sees to it that path is a device, or a file that was made here.
func provide(path string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	switch {
	case errors.Is(err, syscall.ENOENT):
		return create(path, size)
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fault.Refused("%s is a symbolic link; name the file or loop device itself", path)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil // measure looks at it
	}
	if text, err := os.ReadFile(path + madeBy); err != nil || string(text) != inode(&st) {
		return fault.Refused("%s was not made as a sandbox disk, and everything in it would be erased; name a file that does not exist yet, or move this one away", path)
	}
	return nil
}

func inode(st *unix.Stat_t) string { return fmt.Sprintf("inode %d\n", st.Ino) }

// create makes the file under another name, notes that it is ours, and only then gives it its
// name: a crash leaves nothing that has to be guessed about. It replaces nothing.
func create(path string, size int64) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	var st unix.Stat_t
	if err := errors.Join(f.Truncate(size), unix.Fstat(int(f.Fd()), &st), f.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(path+madeBy, []byte(inode(&st)), 0o600); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
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
		if err := s.measureLoop(&st); err != nil {
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

// measureLoop believes the device's number, not its name, and looks through it: a loop device over a real
// disk is that disk.
func (s *SandboxDisk) measureLoop(st *unix.Stat_t) error {
	name := filepath.Base(s.path)
	backing, err := backingFile(name)
	if err != nil {
		return fault.Refused("sandbox disk %s is not an attached loop device: %w", s.path, err)
	}
	number, err := os.ReadFile(filepath.Join("/sys/block", name, "dev"))
	if err != nil || strings.TrimSpace(string(number)) != itoa(unix.Major(st.Rdev))+":"+itoa(unix.Minor(st.Rdev)) {
		return fault.Refused("sandbox disk %s is named like a loop device and is another device", s.path)
	}
	if under, err := os.Stat(backing); err != nil || !under.Mode().IsRegular() {
		return fault.Refused("sandbox disk %s is a loop device over %s, which is not a file", s.path, backing)
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
		name := filepath.Base(s.path)
		h, err := m.openBlock(s.path, name, mode, func(ctx context.Context, h *handle) (protocol.DiskRef, error) {
			if err := m.sameDevice(h, name); err != nil {
				return protocol.DiskRef{}, err
			}
			return s.identify(ctx, h)
		})
		if err != nil {
			return nil, err
		}
		return h, nil
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
