package smart

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"syscall"
	"unsafe"
)

// nvmeAdmin is NVME_IOCTL_ADMIN_CMD: _IOWR('N', 0x41, struct nvme_passthru_cmd).
const nvmeAdmin = 0xC0484E41

// nvmeName takes the controller out of the name of a disk: "nvme0" of "nvme0n1".
var nvmeName = regexp.MustCompile(`^(nvme[0-9]+)(n[0-9]+)?$`)

// IsNVMe tells whether a disk of that kernel name is an NVMe one.
func IsNVMe(name string) bool { return nvmeName.MatchString(name) }

// NVMe asks an NVMe drive by ioctl; dev is the directory of device files ("/dev"). It blocks for at most some seconds;
// the kernel bounds each command.
func NVMe(dev, name string) (Health, error) {
	f, err := openNVMe(dev, name)
	if err != nil {
		return unknown(), err
	}
	defer func() { _ = f.Close() }()
	log, identify := make([]byte, healthLength), make([]byte, identifyLength)
	if err := admin(f, getLog(logHealth, healthLength), log); err != nil {
		return unknown(), fmt.Errorf("read the health log of %s: %w", name, err)
	}
	if err := admin(f, identifyController(), identify); err != nil {
		identify = nil // its limits are then not known
	}
	h, err := ParseNVMe(identify, log)
	if err != nil || !h.CanTest {
		return h, err
	}
	tests := make([]byte, testsLength)
	if err := admin(f, getLog(logSelfTest, testsLength), tests); err != nil {
		return h, nil // a drive without that log has no tests to tell of
	}
	return h, ParseNVMeTests(&h, tests)
}

// openNVMe opens the character device of the controller, else the disk.
func openNVMe(dev, name string) (*os.File, error) {
	m := nvmeName.FindStringSubmatch(name)
	if m == nil {
		return nil, fmt.Errorf("%s is no NVMe drive", name)
	}
	f, err := os.Open(dev + "/" + m[1])
	if errors.Is(err, os.ErrNotExist) && m[2] != "" {
		f, err = os.Open(dev + "/" + name)
	}
	return f, err
}

// admin carries out one command that moves len(data) bytes from the drive.
func admin(f *os.File, c command, data []byte) error {
	if len(data) > 0 {
		c.Address = uint64(uintptr(unsafe.Pointer(&data[0])))
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var answer uintptr
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		answer, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, nvmeAdmin, uintptr(unsafe.Pointer(&c)))
	})
	runtime.KeepAlive(data)
	switch {
	case err != nil:
		return err
	case errno != 0:
		return errno
	case answer != 0:
		return status(int(answer))
	}
	return nil
}
