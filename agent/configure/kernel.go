package configure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// device is a disk as the kernel knows it.
type device struct {
	path string // "/dev/nvme0n1"
	name string // "nvme0n1"
	file *os.File
}

// openDevice opens the disk to tell the kernel about partitions; it is the one that had that number a moment ago.
func openDevice(path, number string) (*device, error) {
	name := filepath.Base(path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || numberOf(st.Rdev) != number {
		_ = f.Close()
		return nil, fault.Refused("disk %s has become another device", path)
	}
	return &device{path: path, name: name, file: f}, nil
}

func numberOf(rdev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(rdev), unix.Minor(rdev)) }

// sectorOf is the size of a logical sector.
func sectorOf(name string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join("/sys/block", name, "queue/logical_block_size"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// partitions tells the kernel which partitions there are, and forgets what it knew.
func (d *device) partitions(list []partition) error {
	if err := d.forget(); err != nil {
		return err
	}
	for _, p := range list {
		ask := unix.BlkpgPartition{Start: int64(p.start), Length: int64(p.size), Pno: int32(p.number)}
		if err := d.tell(unix.BLKPG_ADD_PARTITION, &ask); err != nil {
			return fmt.Errorf("tell the kernel of partition %d: %w", p.number, err)
		}
	}
	return nil
}

// forget takes back all partitions that the kernel knows.
func (d *device) forget() error {
	known, err := d.known()
	if err != nil {
		return err
	}
	for number := range known {
		if err := d.tell(unix.BLKPG_DEL_PARTITION, &unix.BlkpgPartition{Pno: int32(number)}); err != nil && !errors.Is(err, unix.ENXIO) {
			return fmt.Errorf("let the kernel forget partition %d: %w", number, err)
		}
	}
	return nil
}

func (d *device) tell(op int32, p *unix.BlkpgPartition) error {
	ask := unix.BlkpgIoctlArg{Op: op, Datalen: int32(unsafe.Sizeof(*p)), Data: (*byte)(unsafe.Pointer(p))}
	return control(d.file, unix.BLKPG, unsafe.Pointer(&ask))
}

// known are the kernel's partitions: number of the partition and of its device.
func (d *device) known() (map[int]string, error) {
	list, err := filepath.Glob(filepath.Join("/sys/block", d.name, d.name+"*", "partition"))
	if err != nil {
		return nil, err
	}
	known := map[int]string{}
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it went while we looked
		}
		number, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, err
		}
		dev, err := os.ReadFile(filepath.Join(filepath.Dir(path), "dev"))
		if err != nil {
			continue
		}
		known[number] = strings.TrimSpace(string(dev))
	}
	return known, nil
}

// mount mounts a partition. Its node is our own, and gone as soon as the kernel has opened it: nobody waits for udev, and no
// name can lead elsewhere.
func (d *device) mount(p partition, kind string) (*mount, error) {
	known, err := d.known()
	if err != nil {
		return nil, err
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(known[p.number], "%d:%d", &major, &minor); err != nil {
		return nil, fault.Refused("the kernel does not show partition %d of %s", p.number, d.path)
	}
	node := fmt.Sprintf("/dev/.steelyard-%d-%d-%d", os.Getpid(), major, minor)
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor))); err != nil {
		return nil, fmt.Errorf("make a node for partition %d: %w", p.number, err)
	}
	defer func() { _ = os.Remove(node) }()
	return attach(kind, node)
}

// close forgets the partitions, so that the disk is free for whoever opens it next. The kernel may hold them for a moment after the
// last use.
func (d *device) close(ctx context.Context) error {
	var err error
	for range 50 {
		if err = d.forget(); !errors.Is(err, unix.EBUSY) {
			break
		}
		if pause.For(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	return errors.Join(err, d.file.Close())
}
