package embedded

import (
	"log/slog"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// disk knows how much room the file system of the data directory has.
type disk struct {
	dir     string
	reserve int64
	left    atomic.Int64 // free bytes at the last look
	told    bool         // that it is full; used by one goroutine
}

func newDisk(dir string, reserve int64) *disk { return &disk{dir: dir, reserve: reserve} }

// free asks the file system for the bytes that we may still write.
func (d *disk) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// look refreshes left. A file system that cannot be asked counts as full: its
// directory is gone or unreadable.
func (d *disk) look() (full bool) {
	free, err := d.free()
	if err != nil {
		free = 0
	}
	d.left.Store(free)
	return free < d.reserve
}

// full is the fault of a write that must not be tried now, or nil.
func (d *disk) full() error {
	left := d.left.Load()
	if left >= d.reserve {
		return nil
	}
	return fault.Unavailable("nothing can be changed: the file system of %s has %d MiB left and etcd keeps %d MiB in reserve; free some space and try again",
		d.dir, left>>20, d.reserve>>20)
}

// tell logs when full changes.
func (d *disk) tell(log *slog.Logger, full bool) {
	if full == d.told {
		return
	}
	d.told = full
	if full {
		log.Error("data directory is full; changes are refused until space is freed", "dir", d.dir, "free_bytes", d.left.Load(), "reserve_bytes", d.reserve)
	} else {
		log.Info("data directory has room again; changes are accepted", "dir", d.dir, "free_bytes", d.left.Load())
	}
}
