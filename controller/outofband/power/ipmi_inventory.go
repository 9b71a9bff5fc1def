package power

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/line"
)

// Commands of the inventory (sections 20, 23, 31, 33, 34 and 35).
const (
	netApp, cmdDeviceID, cmdGUID      = 0x06, 0x01, 0x37
	netStorage                        = 0x0a
	cmdFRUInfo, cmdFRURead            = 0x10, 0x11
	cmdSELInfo, cmdSELEntry           = 0x40, 0x43
	netTransport, cmdLAN, paramLANMAC = 0x0c, 0x02, 0x05
)

// Bounds, so that no controller keeps us reading: real ones have up to 250 sensors, 512 bytes of
// FRU data, and event logs of thousands, whose newest entries matter.
const (
	maxRecords = 512
	maxFRU     = 4096
	maxEvents  = 64
	chunk      = 16 // bytes for each read; what the smallest controllers can
)

// Inventory is read piece by piece: a controller that lacks one has the others. Only
// silence ends it.
func (c *ipmi) Inventory(ctx context.Context) (outofband.Chassis, error) {
	seen := outofband.Chassis{At: time.Now()}
	for _, part := range []func(context.Context, *outofband.Chassis) error{c.device, c.guid, c.fru, c.mac, c.sensors, c.events} {
		err := part(ctx, &seen)
		if fault.Is(err, fault.KindUnavailable) {
			return outofband.Chassis{}, err
		}
	}
	return seen, nil
}

func (c *ipmi) device(ctx context.Context, seen *outofband.Chassis) error {
	out, err := c.command(ctx, netApp, cmdDeviceID)
	if err != nil {
		return err
	}
	if len(out) < 4 {
		return errShort
	}
	seen.Firmware = fmt.Sprintf("%d.%02x", out[2]&0x7f, out[3])
	return nil
}

func (c *ipmi) guid(ctx context.Context, seen *outofband.Chassis) error {
	out, err := c.command(ctx, netApp, cmdGUID)
	if err != nil {
		return err
	}
	seen.UUID = uuid(out)
	return nil
}

// uuid writes a GUID as the machine's firmware does. The specification wants all bytes turned
// round, SMBIOS half of them, and controllers do either or neither: the reading whose version
// and variant are those of a UUID (RFC 9562) wins; none is SMBIOS's.
func uuid(raw []byte) string {
	modes := []types.GUIDMode{types.GUIDModeSMBIOS, types.GUIDModeRFC4122, types.GUIDModeIPMI}
	first := ""
	for _, mode := range modes {
		u, err := types.ParseGUID(raw, mode)
		if err != nil {
			return ""
		}
		if v := u[6] >> 4; v >= 1 && v <= 8 && u[8]>>6 == 2 {
			return u.String()
		}
		if first == "" {
			first = u.String()
		}
	}
	return first
}

// fru reads the identity of the machine out of the controller's own FRU data, number 0.
func (c *ipmi) fru(ctx context.Context, seen *outofband.Chassis) error {
	out, err := c.command(ctx, netStorage, cmdFRUInfo, 0)
	if err != nil {
		return err
	}
	if len(out) < 2 {
		return errShort
	}
	size := min(int(binary.LittleEndian.Uint16(out)), maxFRU)
	var data []byte
	for len(data) < size {
		ask := min(chunk, size-len(data))
		out, err := c.command(ctx, netStorage, cmdFRURead, 0, byte(len(data)), byte(len(data)>>8), byte(ask))
		if err != nil || len(out) < 2 {
			break // a short read: what came is parsed
		}
		data = append(data, out[1:]...)
	}
	return bmc.Guard("the FRU data", func() error { return identify(data, seen) })
}

// identify takes manufacturer, model and serial from FRU data: the product's, else the board's.
func identify(data []byte, seen *outofband.Chassis) error {
	f, err := types.ParseFRU(data)
	if err != nil {
		return fault.Refused("read FRU data: %w", err)
	}
	if p := f.ProductInfoArea; p != nil {
		seen.Manufacturer = bmc.Chars(p.ManufacturerTypeLength, p.Manufacturer)
		seen.Model = bmc.Chars(p.NameTypeLength, p.Name)
		seen.Serial = bmc.Chars(p.SerialNumberTypeLength, p.SerialNumber)
	}
	if b := f.BoardInfoArea; b != nil {
		seen.Manufacturer = cmp.Or(seen.Manufacturer, bmc.Chars(b.ManufacturerTypeLength, b.Manufacturer))
		seen.Model = cmp.Or(seen.Model, bmc.Chars(b.ProductNameTypeLength, b.ProductName))
		seen.Serial = cmp.Or(seen.Serial, bmc.Chars(b.SerialNumberTypeLength, b.SerialNumber))
	}
	return nil
}

// mac asks the channel that carries this session.
func (c *ipmi) mac(ctx context.Context, seen *outofband.Chassis) error {
	const thisChannel = 0x0e
	out, err := c.command(ctx, netTransport, cmdLAN, thisChannel, paramLANMAC, 0, 0)
	if err != nil {
		return err
	}
	if len(out) < 7 {
		return errShort
	}
	if mac := net.HardwareAddr(out[1:7]); mac.String() != "00:00:00:00:00:00" {
		seen.MAC = mac.String()
	}
	return nil
}

// sensors reads each sensor that has a number for a value.
func (c *ipmi) sensors(ctx context.Context, seen *outofband.Chassis) error {
	list, err := bmc.Sensors(ctx, c.command)
	for _, s := range list {
		seen.Sensors = append(seen.Sensors, outofband.Sensor(s))
	}
	return err
}

// events digests the event log: how many entries, and of the newest ones what is critical.
func (c *ipmi) events(ctx context.Context, seen *outofband.Chassis) error {
	out, err := c.command(ctx, netStorage, cmdSELInfo)
	if err != nil {
		return err
	}
	if len(out) < 3 {
		return errShort
	}
	seen.Log.Entries = int(binary.LittleEndian.Uint16(out[1:]))
	const newest = 0xffff
	for id, n := uint16(newest), 0; n < min(maxEvents, seen.Log.Entries); n++ {
		entry, err := c.event(ctx, id)
		if completed(err, bmc.CodeAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			seen.Log.Last, seen.Log.LastAt = entry.text, entry.at
		}
		if entry.critical {
			seen.Log.Critical++
		}
		if entry.id <= 1 {
			return nil
		}
		id = entry.id - 1 // ids count up in every implementation seen; a gap ends the digest
	}
	return nil
}

type event struct {
	id       uint16
	text     string
	at       time.Time
	critical bool
}

func (c *ipmi) event(ctx context.Context, id uint16) (event, error) {
	out, err := c.command(ctx, netStorage, cmdSELEntry, 0, 0, byte(id), byte(id>>8), 0, 0xff)
	if err != nil {
		return event{}, err
	}
	if len(out) < 18 {
		return event{}, errShort
	}
	var e event
	return e, bmc.Guard("an event", func() error {
		var err error
		e, err = readEvent(out[2:18])
		return err
	})
}

// readEvent understands one record of the event log (section 32).
func readEvent(raw []byte) (event, error) {
	sel, err := types.ParseSEL(raw)
	if err != nil {
		return event{}, fault.Refused("read an event: %w", err)
	}
	e := event{id: binary.LittleEndian.Uint16(raw), text: fmt.Sprintf("vendor record % x", raw[3:])}
	if s := sel.Standard; s != nil {
		e.at = logged(s.Timestamp)
		e.text = line.Clean(fmt.Sprintf("%s %#02x: %s", s.SensorType, byte(s.SensorNumber), s.EventString()))
		e.critical = s.EventSeverity() == types.EventSeverityCritical
	}
	if o := sel.OEMTimestamped; o != nil {
		e.at = logged(o.Timestamp)
	}
	return e, nil
}

// logged leaves out times that are none: unspecified, or counted from the last start of a
// controller without a clock (section 37.1).
func logged(at time.Time) time.Time {
	const started, unspecified = 0x20000000, 0xffffffff
	if at.Unix() <= started || at.Unix() == unspecified {
		return time.Time{}
	}
	return at.UTC()
}
