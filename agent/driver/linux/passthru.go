package linux

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/steelyard/steelyard/agent/driver/nvme"
	"github.com/steelyard/steelyard/agent/driver/scsi"
)

// sgIO is SG_IO of scsi/sg.h.
const sgIO = 0x2285

// sgHeader is struct sg_io_hdr of scsi/sg.h on 64-bit machines, 88 bytes.
type sgHeader struct {
	Interface    int32 // 'S'
	Direction    int32
	CommandLen   uint8
	MaxSense     uint8
	Segments     uint16
	DataLen      uint32
	Data         unsafe.Pointer
	Command      unsafe.Pointer
	Sense        unsafe.Pointer
	TimeoutMS    uint32
	Flags        uint32
	Pack         int32
	User         unsafe.Pointer
	Status       uint8
	MaskedStatus uint8
	MsgStatus    uint8
	SenseLen     uint8
	HostStatus   uint16
	DriverStatus uint16
	Residue      int32
	Duration     uint32
	Info         uint32
}

// Statuses of struct sg_io_hdr.
const (
	statusCheck       = 0x02
	driverSense       = 0x08
	hostTimeout       = 0x03
	reservationStatus = 0x18
)

// control does an ioctl and returns its result, which is 0 or positive where there is no error.
func control(f *os.File, request uintptr, arg unsafe.Pointer) (result uintptr, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		result, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return result, err
}

// sendSCSI sends a command through the generic SCSI layer of the kernel.
func sendSCSI(f *os.File) scsi.Send {
	return func(c scsi.Command) ([]byte, error) {
		sense := make([]byte, 96)
		h := sgHeader{
			Interface: 'S', Direction: int32(c.Direction), CommandLen: uint8(len(c.CDB)), MaxSense: uint8(len(sense)),
			DataLen: uint32(len(c.Data)), TimeoutMS: uint32(c.Timeout.Milliseconds()),
		}
		var pins runtime.Pinner
		defer pins.Unpin()
		point := func(b []byte) unsafe.Pointer {
			if len(b) == 0 {
				return nil
			}
			pins.Pin(&b[0])
			return unsafe.Pointer(&b[0])
		}
		h.Data, h.Command, h.Sense = point(c.Data), point(c.CDB), point(sense)
		if _, err := control(f, sgIO, unsafe.Pointer(&h)); err != nil {
			return nil, err
		}
		return outcome(&h, sense)
	}
}

// outcome reads what the kernel says of a command that was sent.
func outcome(h *sgHeader, sense []byte) ([]byte, error) {
	switch {
	case h.HostStatus == hostTimeout:
		return nil, errors.New("the drive did not answer in time")
	case h.HostStatus != 0:
		return nil, fmt.Errorf("the drive could not be reached (host status %#x)", h.HostStatus)
	case h.Status == reservationStatus:
		return nil, errors.New("another machine has reserved the drive")
	case h.Status == statusCheck, h.DriverStatus&0x0F == driverSense:
		return sense[:min(int(h.SenseLen), len(sense))], nil
	case h.Status != 0:
		return nil, fmt.Errorf("the drive answers status %#x", h.Status)
	}
	return nil, nil
}

// sendNVMe sends an admin command through the device of a namespace or a controller.
func sendNVMe(f *os.File) nvme.Admin {
	return func(c *nvme.Command, data []byte) error {
		var pins runtime.Pinner
		defer pins.Unpin()
		if len(data) > 0 {
			pins.Pin(&data[0])
			c.Address, c.DataLen = uint64(uintptr(unsafe.Pointer(&data[0]))), uint32(len(data))
		}
		status, err := control(f, nvme.Ioctl, unsafe.Pointer(c))
		if err == nil && status != 0 {
			err = nvme.Status(status)
		}
		return err
	}
}
