package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/bmc"
)

// Commands of IPMI 2.0: of the application (section 20) and of the transport (section 23).
const (
	netApp, netTransport = 0x06, 0x0C
	getDeviceID          = 0x01
	getSelfTest          = 0x04
	getLAN               = 0x02
	lanAddress, lanMAC   = 3, 5
	selfTestPassed       = 0x55
	selfTestNone         = 0x56
)

const (
	ipmiWithin   = 5 * time.Second // for one answer
	lanChannels  = 8               // that may be the LAN port
	systemBus    = 0x0F            // IPMI_BMC_CHANNEL
	systemKind   = 0x0C            // IPMI_SYSTEM_INTERFACE_ADDR_TYPE
	ipmiSend     = 0x8028690D      // IPMICTL_SEND_COMMAND: _IOR('i', 13, struct ipmi_req)
	ipmiReceive  = 0xC030690B      // IPMICTL_RECEIVE_MSG_TRUNC: _IOWR('i', 11, struct ipmi_recv)
	ipmiMostData = 272
)

// BMC asks the management controller through the kernel's system interface (/dev/ipmi0).
func (m *Machine) BMC(ctx context.Context) (driver.BMC, error) {
	f, err := m.openIPMI()
	if err != nil {
		return driver.BMC{}, err
	}
	defer func() { _ = f.Close() }()
	ask := func(ctx context.Context, net, command byte, data ...byte) ([]byte, error) {
		return ipmi(ctx, f, net, command, data)
	}
	answer, err := ask(ctx, netApp, getDeviceID)
	if err != nil {
		return driver.BMC{}, fmt.Errorf("ask the management controller who it is: %w", err)
	}
	b, err := deviceID(answer)
	if err != nil {
		return b, err
	}
	if answer, err := ask(ctx, netApp, getSelfTest); err == nil {
		b.SelfTest = selfTest(answer)
	}
	for channel := byte(1); channel <= lanChannels && ctx.Err() == nil; channel++ {
		if answer, err := ask(ctx, netTransport, getLAN, channel, lanAddress, 0, 0); err != nil || !lan(&b, answer) {
			continue
		}
		if answer, err := ask(ctx, netTransport, getLAN, channel, lanMAC, 0, 0); err == nil && len(answer) >= 7 && b.MAC == "" {
			b.MAC = net.HardwareAddr(answer[1:7]).String()
		}
	}
	// What was read before it fell silent is told all the same: it answered, so it is there.
	b.Sensors, _ = bmc.Sensors(ctx, ask)
	return b, ctx.Err()
}

// openIPMI finds the device file, which has one of three names.
func (m *Machine) openIPMI() (*os.File, error) {
	for _, name := range []string{"ipmi0", "ipmi/0", "ipmidev/0"} {
		f, err := os.OpenFile(filepath.Join(m.dev, name), os.O_RDWR, 0)
		if !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
	}
	if m.bmc() {
		return nil, errors.New("the kernel sees a management controller, and there is no /dev/ipmi0 (module ipmi_devintf)")
	}
	return nil, driver.ErrUnsupported
}

// deviceID reads the answer to Get Device ID after its completion code.
func deviceID(a []byte) (driver.BMC, error) {
	if len(a) < 9 {
		return driver.BMC{}, fmt.Errorf("the management controller answered with %d bytes only", len(a))
	}
	return driver.BMC{
		Firmware: fmt.Sprintf("%d.%x", a[2]&0x7F, a[3]), IPMI: fmt.Sprintf("%d.%d", a[4]&0xF, a[4]>>4),
		Manufacturer: int(a[6]) | int(a[7])<<8 | int(a[8]&0xF)<<16,
	}, nil
}

// selfTest explains the answer to Get Self Test Results; "" when it passed or is not kept.
func selfTest(a []byte) string {
	switch {
	case len(a) < 2 || a[0] == selfTestPassed || a[0] == selfTestNone:
		return ""
	case a[0] == 0x57:
		return fmt.Sprintf("corrupted or inaccessible data or devices (bits %#x)", a[1])
	case a[0] == 0x58:
		return fmt.Sprintf("fatal hardware error (%#x)", a[1])
	default:
		return fmt.Sprintf("result %#x, %#x", a[0], a[1])
	}
}

// lan reads the address of a LAN channel; false when it has none.
func lan(b *driver.BMC, a []byte) bool {
	if len(a) < 5 {
		return false
	}
	address := netip.AddrFrom4([4]byte(a[1:5]))
	if address.IsUnspecified() || address == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	b.Addresses = append(b.Addresses, address.String())
	return true
}

// What <linux/ipmi.h> says of 64-bit machines.
type (
	ipmiAddress struct {
		kind    int32
		channel int16
		lun     uint8
		_       [25]byte
	}
	ipmiMessage struct {
		net, command uint8
		length       uint16
		data         uintptr
	}
	ipmiRequest struct {
		address uintptr
		length  uint32
		id      int64
		message ipmiMessage
	}
	ipmiAnswer struct {
		kind    int32
		address uintptr
		length  uint32
		id      int64
		message ipmiMessage
	}
)

// ipmi sends one command and waits for its answer; the completion code is taken off it.
func ipmi(ctx context.Context, f *os.File, net, command byte, data []byte) ([]byte, error) {
	to := ipmiAddress{kind: systemKind, channel: systemBus}
	id := time.Now().UnixNano()
	buf := append(make([]byte, 0, ipmiMostData), data...)
	request := ipmiRequest{
		address: uintptr(unsafe.Pointer(&to)), length: 8, id: id,
		message: ipmiMessage{net: net, command: command, length: uint16(len(data)), data: uintptr(unsafe.Pointer(unsafe.SliceData(buf)))},
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&to)
	pin.Pin(unsafe.SliceData(buf))
	h := handle{file: f}
	if err := h.ioctl(ipmiSend, unsafe.Pointer(&request)); err != nil {
		return nil, err
	}
	for {
		if err := ready(ctx, f, ipmiWithin); err != nil {
			return nil, err
		}
		buf = buf[:ipmiMostData]
		answer := ipmiAnswer{
			address: uintptr(unsafe.Pointer(&to)), length: uint32(unsafe.Sizeof(to)),
			message: ipmiMessage{length: ipmiMostData, data: uintptr(unsafe.Pointer(unsafe.SliceData(buf)))},
		}
		if err := h.ioctl(ipmiReceive, unsafe.Pointer(&answer)); err != nil {
			return nil, err
		}
		if answer.id != id { // an event, or the answer to one that was given up
			continue
		}
		return completed(net, command, buf[:min(int(answer.message.length), len(buf))])
	}
}

func completed(net, command byte, answer []byte) ([]byte, error) {
	if len(answer) == 0 {
		return nil, errors.New("an empty answer")
	}
	if answer[0] != 0 {
		return nil, &bmc.Completion{Code: answer[0], NetFn: net, Command: command}
	}
	return answer[1:], nil
}

// ready waits until the device has something to read.
func ready(ctx context.Context, f *os.File, within time.Duration) error {
	until := time.Now().Add(within)
	for ctx.Err() == nil {
		list := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(list, 100)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case n > 0:
			return nil
		case time.Now().After(until):
			return errors.New("no answer in time")
		}
	}
	return ctx.Err()
}
