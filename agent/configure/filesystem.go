package configure

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// filesystem is what a partition holds, by its own marks.
type filesystem struct {
	kind  string // "ext4", "xfs", "btrfs"
	uuid  string
	label string
	block uint64 // bytes
	inode uint32 // xfs: percentage of inodes, kept when it grows
}

// identify looks for the marks of the file systems that a root can be on.
func identify(m io.ReaderAt, p partition) (filesystem, bool) {
	head, err := readAt(m, p.start, min(p.size, 72<<10))
	if err != nil || len(head) < 72<<10 {
		return filesystem{}, false
	}
	be, le := binary.BigEndian, binary.LittleEndian
	ext, btrfs := head[1024:2048], head[64<<10:]
	switch {
	case le.Uint16(ext[56:]) == 0xEF53:
		return filesystem{kind: "ext4", uuid: uuid(ext[104:]), label: text(ext[120:136]), block: 1024 << min(le.Uint32(ext[24:]), 6)}, true
	case bytes.Equal(head[:4], []byte("XFSB")):
		return filesystem{kind: "xfs", uuid: uuid(head[32:]), label: text(head[108:120]), block: uint64(be.Uint32(head[4:])), inode: uint32(head[127])}, true
	case bytes.Equal(btrfs[64:72], []byte("_BHRfS_M")):
		return filesystem{kind: "btrfs", uuid: uuid(btrfs[32:]), label: text(btrfs[299:555]), block: uint64(le.Uint32(btrfs[144:]))}, true
	}
	return filesystem{}, false
}

func uuid(b []byte) string {
	s := hex.EncodeToString(b[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// mount is a file system that has no place in any tree. Nothing on it is executed, and its devices are none.
type mount struct {
	fd   int
	root *os.Root
	sub  *os.Root // of the system, where it is not at the top; nil otherwise
	size uint64   // bytes
}

// attach mounts the device at a path.
func attach(kind, device string) (*mount, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) {
		return nil, fault.Refused("this system cannot mount %s: its kernel has no such file system", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("open file system %s: %w", kind, err)
	}
	defer func() { _ = unix.Close(fs) }()
	err = unix.FsconfigSetString(fs, "source", device)
	if err == nil {
		err = unix.FsconfigCreate(fs)
	}
	if err != nil {
		return nil, fault.Refused("mount the %s file system: %w%s", kind, err, complaint(fs))
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("mount the %s file system: %w", kind, err)
	}
	m := &mount{fd: fd}
	if m.root, err = os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
		err = m.measure()
	}
	if err != nil {
		return nil, errors.Join(err, m.detach())
	}
	return m, nil
}

// complaint is what the kernel says beyond the number of the error.
func complaint(fs int) string {
	buf := make([]byte, 512)
	n, err := unix.Read(fs, buf)
	if err != nil || n <= 0 {
		return ""
	}
	return " (" + strings.TrimSpace(string(buf[:n])) + ")"
}

func (m *mount) measure() error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(m.fd, &st); err != nil {
		return err
	}
	m.size = st.Blocks * uint64(st.Bsize)
	return nil
}

// detach writes everything to the disk and gives the file system up.
func (m *mount) detach() error {
	var err error
	if m.sub != nil {
		err = m.sub.Close()
	}
	if m.root != nil {
		err = errors.Join(err, m.sync(), m.root.Close())
	}
	return errors.Join(err, unix.Close(m.fd))
}

// sync writes the file system to the disk. The descriptor of a mount is only a place; this takes an open directory.
func (m *mount) sync() error {
	f, err := m.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// Numbers of the kernel's ioctls for growing a mounted file system.
const (
	ext4Resize  = 0x40086610 // EXT4_IOC_RESIZE_FS: blocks, 64 bit
	xfsGrow     = 0x4010586e // XFS_IOC_FSGROWFSDATA
	btrfsResize = 0x50009403 // BTRFS_IOC_RESIZE
)

// grow lets the file system fill its partition of so many bytes. A file system that fills it already stays.
func (m *mount) grow(fs filesystem, partition uint64) error {
	f, err := m.root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	switch fs.kind {
	case "ext4":
		blocks := partition / fs.block
		err = control(f, ext4Resize, unsafe.Pointer(&blocks))
	case "xfs":
		ask := struct {
			blocks uint64
			inode  uint32
			_      uint32
		}{partition / fs.block, fs.inode, 0}
		err = control(f, xfsGrow, unsafe.Pointer(&ask))
	case "btrfs":
		var ask struct {
			_    int64
			name [4088]byte
		}
		copy(ask.name[:], "max")
		err = control(f, btrfsResize, unsafe.Pointer(&ask))
	}
	if err != nil {
		return fmt.Errorf("grow %s: %w", fs.kind, err)
	}
	return m.measure()
}

func control(f *os.File, request uint, arg unsafe.Pointer) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}
