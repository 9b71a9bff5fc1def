package collect

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/disk"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/hardware"
)

const (
	maxMounts     = 256
	mountsRefresh = time.Minute
)

// mounts are the file systems that are backed by a disk. Which ones there are is
// asked once a minute; how full they are, for each sample.
type mounts struct {
	tree tree
	list []mount
	read time.Time
}

type mount struct {
	fs   hardware.Filesystem // names only
	path []byte              // for statfs, ends with a zero
}

func (m *mounts) sample(list []hardware.Filesystem, now time.Time) []hardware.Filesystem {
	if m.read.IsZero() || now.Sub(m.read) >= mountsRefresh || now.Before(m.read) {
		m.refresh()
		m.read = now
	}
	list = list[:0]
	for i := range m.list {
		fs := m.list[i].fs
		if usage(m.list[i].path, &fs) {
			list = append(list, fs)
		}
	}
	return list
}

// refresh lists mounted file systems, each device once: bind mounts show the same
// one again. A list that cannot be read leaves the old one.
func (m *mounts) refresh() {
	ctx := context.WithValue(context.Background(), common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: filepath.Join(m.tree.root, "proc"),
	})
	partitions, err := disk.PartitionsWithContext(ctx, false)
	if err != nil && len(partitions) == 0 {
		return
	}
	slices.SortStableFunc(partitions, func(a, b disk.PartitionStat) int { return len(a.Mountpoint) - len(b.Mountpoint) })
	seen := map[string]bool{}
	m.list = m.list[:0]
	for _, p := range partitions {
		if seen[p.Device] || !strings.HasPrefix(p.Device, "/dev/") || strings.HasPrefix(p.Device, "/dev/loop") || len(m.list) >= maxMounts {
			continue
		}
		seen[p.Device] = true
		m.list = append(m.list, mount{
			fs:   hardware.Filesystem{Mount: p.Mountpoint, Type: p.Fstype, Device: p.Device},
			path: append([]byte(filepath.Join(m.tree.root, p.Mountpoint)), 0),
		})
	}
	slices.SortFunc(m.list, func(a, b mount) int { return strings.Compare(a.fs.Mount, b.fs.Mount) })
}

// usage asks one file system. It is unix.Statfs without the copy of the path that
// would be made for each call.
func usage(path []byte, fs *hardware.Filesystem) bool {
	var st unix.Statfs_t
	_, _, errno := unix.Syscall(unix.SYS_STATFS, uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(&st)), 0)
	if errno != 0 || st.Blocks == 0 {
		return false
	}
	block := uint64(st.Bsize)
	fs.TotalBytes, fs.FreeBytes = st.Blocks*block, st.Bavail*block
	fs.Inodes, fs.InodesFree = st.Files, st.Ffree
	return true
}
