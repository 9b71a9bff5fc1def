package linux

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
)

// WriteZeroes tells the device to write zeros to a range, faster than by sending them: BLKZEROOUT, or a range
// of a file that reads as zeros. Whether it did is only known when the range is read back.
func (h *handle) WriteZeroes(off, n int64) error {
	var err error
	if h.block {
		span := [2]uint64{uint64(off), uint64(n)}
		err = h.ioctl(unix.BLKZEROOUT, unsafe.Pointer(&span))
	} else {
		err = unix.Fallocate(int(h.file.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTTY) {
		return driver.ErrUnsupported
	}
	return err
}
