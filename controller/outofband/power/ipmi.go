package power

import (
	"context"
	"errors"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power/rmcp"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// Network functions and commands of the chassis (section 28 of the specification).
const (
	netChassis       = 0x00
	cmdChassisStatus = 0x01
	cmdControl       = 0x02
	cmdSetBoot       = 0x08
	cmdGetBoot       = 0x09

	controlDown = 0x00
	controlUp   = 0x01
	controlSoft = 0x05 // by ACPI, as if the button was pressed

	bootProgress = 0x00 // parameters of the boot options, table 28-14
	bootInfo     = 0x04
	bootFlags    = 0x05

	flagsValid      = 0x80
	flagsPersistent = 0x40
	flagsUEFI       = 0x20
	devicePXE       = 0x01
	deviceDisk      = 0x02
)

// ipmi is a management controller over RMCP+.
type ipmi struct{ session *rmcp.Session }

func openIPMI(ctx context.Context, t Target) (Controller, error) {
	address, err := withPort(t.Address, "623")
	if err != nil {
		return nil, err
	}
	suites := rmcp.Strong
	if t.AllowWeak {
		suites = append(append([]rmcp.Suite(nil), rmcp.Strong...), rmcp.Weak...)
	}
	session, err := rmcp.Dial(ctx, address, t.Username, t.Password, suites)
	switch {
	case rmcp.NoSuite(err) && t.AllowWeak:
		return nil, fault.Refused("the management controller %s offers no cipher suite that asks for the password; turn on suite 17 or 3 in its IPMI settings", address)
	case rmcp.NoSuite(err):
		return nil, fault.Refused("the management controller %s offers only weak cipher suites; turn on suite 17 or 3 in its IPMI settings, or allow weak suites for this server", address)
	case err != nil:
		return nil, err
	}
	return &ipmi{session: session}, nil
}

// command is Session.Command with patience for a busy controller and faults for the rest.
func (c *ipmi) command(ctx context.Context, netFn, command uint8, data ...byte) ([]byte, error) {
	const tries = 3
	for try := 1; ; try++ {
		out, err := c.session.Command(ctx, netFn, command, data...)
		var answer *bmc.Completion
		if !errors.As(err, &answer) {
			return out, err
		}
		if answer.Code != bmc.CodeBusy {
			return nil, fault.Refused("%w", answer)
		}
		if try == tries || pause.For(ctx, firstLook) != nil {
			return nil, fault.Unavailable("%w", answer)
		}
	}
}

// completed reports whether err is the controller's answer with the code.
func completed(err error, code uint8) bool {
	var answer *bmc.Completion
	return errors.As(err, &answer) && answer.Code == code
}

// errShort is not worth a retry: the next answer would be the same.
var errShort = fault.Refused("the management controller's answer is too short")

func (c *ipmi) Status(ctx context.Context) (string, error) {
	out, err := c.command(ctx, netChassis, cmdChassisStatus)
	if err != nil {
		return outofband.Unknown, err
	}
	if len(out) == 0 {
		return outofband.Unknown, errShort
	}
	if out[0]&1 == 1 {
		return outofband.On, nil
	}
	return outofband.Off, nil
}

func (c *ipmi) On(ctx context.Context) error      { return c.control(ctx, controlUp) }
func (c *ipmi) SoftOff(ctx context.Context) error { return c.control(ctx, controlSoft) }
func (c *ipmi) HardOff(ctx context.Context) error { return c.control(ctx, controlDown) }

func (c *ipmi) control(ctx context.Context, what byte) error {
	_, err := c.command(ctx, netChassis, cmdControl, what)
	if completed(err, bmc.CodeNotNow) { // some answer so when there is nothing to do; Status tells
		return nil
	}
	return err
}

// NextBoot sets the boot flags and reads them back. What is compared is the device, the mode when one
// was asked for, and that a single start is not for ever. The bit "valid" and the
// bit for ever are not: some controllers report neither.
func (c *ipmi) NextBoot(ctx context.Context, boot Boot) error {
	flags, device, err := boot.flags()
	if err != nil {
		return err
	}
	const begin, end = 1, 0
	_, _ = c.command(ctx, netChassis, cmdSetBoot, bootProgress, begin) // optional in the specification
	_, _ = c.command(ctx, netChassis, cmdSetBoot, bootInfo, 0x01, 0x01)
	_, err = c.command(ctx, netChassis, cmdSetBoot, bootFlags, flags, device<<2, 0, 0, 0)
	_, _ = c.command(ctx, netChassis, cmdSetBoot, bootProgress, end)
	if err != nil {
		return err
	}
	out, err := c.command(ctx, netChassis, cmdGetBoot, bootFlags, 0, 0)
	if err != nil {
		return err
	}
	if len(out) < 4 {
		return errShort
	}
	return boot.kept(out[2], out[3]>>2&0x0f)
}

// flags are the first two bytes of the boot flags, the device not yet shifted.
func (b Boot) flags() (flags, device byte, err error) {
	flags = flagsValid
	if !b.Once {
		flags |= flagsPersistent
	}
	if b.Mode == ModeUEFI {
		flags |= flagsUEFI
	}
	switch b.Device {
	case BootNetwork:
		return flags, devicePXE, nil
	case BootDisk:
		return flags, deviceDisk, nil
	default:
		return 0, 0, fault.Invalid("boot device %q is not known; use network or disk", b.Device)
	}
}

// kept judges the boot flags that were read back.
func (b Boot) kept(flags, device byte) error {
	_, want, err := b.flags()
	switch {
	case err != nil:
		return err
	case device != want:
		return fault.Unavailable("the management controller accepted %s as the next boot device and reports another one (%d)", b.Device, device)
	case b.Mode == ModeUEFI && flags&flagsUEFI == 0, b.Mode == ModeBIOS && flags&flagsUEFI != 0:
		return fault.Refused("the management controller did not keep the boot mode %s; set it in the firmware's settings", b.Mode)
	case b.Once && flags&flagsPersistent != 0:
		return fault.Unavailable("the management controller made %s the boot device for good instead of once", b.Device)
	}
	return nil
}

func (c *ipmi) Close() error {
	c.session.Close(context.Background())
	return nil
}
