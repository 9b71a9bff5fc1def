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
	"github.com/steelyard/steelyard/controller/outofband/power/internal/line"
	"github.com/steelyard/steelyard/controller/outofband/power/rmcp"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Commands of the inventory (sections 20, 23, 31, 33, 34 and 35).
const (
	netSensor, cmdReading             = 0x04, 0x2d
	netApp, cmdDeviceID, cmdGUID      = 0x06, 0x01, 0x37
	netStorage                        = 0x0a
	cmdFRUInfo, cmdFRURead            = 0x10, 0x11
	cmdSDRReserve, cmdSDRGet          = 0x22, 0x23
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
	return guard("the FRU data", func() error { return identify(data, seen) })
}

// identify takes manufacturer, model and serial from FRU data: the product's, else the board's.
func identify(data []byte, seen *outofband.Chassis) error {
	f, err := types.ParseFRU(data)
	if err != nil {
		return fault.Refused("read FRU data: %w", err)
	}
	if p := f.ProductInfoArea; p != nil {
		seen.Manufacturer = chars(p.ManufacturerTypeLength, p.Manufacturer)
		seen.Model = chars(p.NameTypeLength, p.Name)
		seen.Serial = chars(p.SerialNumberTypeLength, p.SerialNumber)
	}
	if b := f.BoardInfoArea; b != nil {
		seen.Manufacturer = cmp.Or(seen.Manufacturer, chars(b.ManufacturerTypeLength, b.Manufacturer))
		seen.Model = cmp.Or(seen.Model, chars(b.ProductNameTypeLength, b.ProductName))
		seen.Serial = cmp.Or(seen.Serial, chars(b.SerialNumberTypeLength, b.SerialNumber))
	}
	return nil
}

// chars decodes a field of FRU data or an SDR.
func chars(kind types.TypeLength, raw []byte) string {
	out, err := kind.Chars(raw)
	if err != nil {
		out = raw
	}
	return line.Clean(string(out))
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

// sensors walks the sensor data records and reads each sensor that has a number for a value.
func (c *ipmi) sensors(ctx context.Context, seen *outofband.Chassis) error {
	for id, n := uint16(0), 0; id != 0xffff && n < maxRecords; n++ {
		record, next, err := c.record(ctx, id)
		if err != nil {
			return err
		}
		if next == id {
			return nil // a controller that runs in circles
		}
		id = next
		s, ok, err := c.sensor(ctx, record)
		if err != nil {
			return err
		}
		if ok {
			seen.Sensors = append(seen.Sensors, s)
		}
	}
	return nil
}

// record reads one sensor data record in chunks, under a reservation of its own.
func (c *ipmi) record(ctx context.Context, id uint16) (data []byte, next uint16, err error) {
	const header, tries = 5, 3
	for range tries {
		data, next, err = c.recordOnce(ctx, id, header)
		if !completed(err, rmcp.CodeReservation) {
			break
		}
	}
	return data, next, err
}

func (c *ipmi) recordOnce(ctx context.Context, id uint16, header int) (data []byte, next uint16, err error) {
	out, err := c.command(ctx, netStorage, cmdSDRReserve)
	if err != nil {
		return nil, 0, err
	}
	if len(out) < 2 {
		return nil, 0, errShort
	}
	reservation := out[:2]
	for size := header; len(data) < size; {
		ask := min(chunk, size-len(data))
		out, err := c.command(ctx, netStorage, cmdSDRGet, reservation[0], reservation[1], byte(id), byte(id>>8), byte(len(data)), byte(ask))
		if err != nil {
			return nil, 0, err
		}
		if len(out) < 3 {
			return nil, 0, errShort
		}
		next = binary.LittleEndian.Uint16(out)
		data = append(data, out[2:]...)
		if size == header && len(data) >= header {
			size = header + int(data[4])
		}
	}
	return data, next, nil
}

// sensor reads the sensor that a record describes; ok is false when there is no number to show.
func (c *ipmi) sensor(ctx context.Context, record []byte) (s outofband.Sensor, ok bool, err error) {
	full, s, ok := parseSensor(record)
	if !ok {
		return s, false, nil
	}
	out, err := c.command(ctx, netSensor, cmdReading, byte(full.SensorNumber))
	if err != nil && !fault.Is(err, fault.KindRefused) {
		return s, false, err
	}
	if len(out) < 2 {
		return s, false, nil
	}
	const scanning, notYet = 0x40, 0x20
	if out[1]&scanning == 0 || out[1]&notYet != 0 {
		return s, false, nil
	}
	if len(out) > 2 {
		s.State = threshold(out[2])
	}
	err = guard("a sensor", func() error { s.Value = full.ConvertReading(out[0]); return nil })
	return s, err == nil && finite(s.Value), nil
}

// parseSensor understands a full sensor record with a number for a value.
func parseSensor(record []byte) (full *types.SDRFull, s outofband.Sensor, ok bool) {
	err := guard("a sensor record", func() error {
		sdr, err := types.ParseSDR(record, 0)
		if err != nil || sdr.Full == nil || !sdr.Full.HasAnalogReading() {
			return fault.Refused("read a sensor record: it has no number")
		}
		full = sdr.Full
		s = outofband.Sensor{Name: chars(full.IDStringTypeLength, full.IDStringBytes), Unit: unitOf(full.SensorUnit), State: "ok"}
		return nil
	})
	return full, s, err == nil && s.Name != ""
}

func finite(f float64) bool { return f-f == 0 }

// threshold reads the comparison of a value with its thresholds (section 35.14).
func threshold(bits byte) string {
	const critical, nonCritical = 0x36, 0x09 // upper and lower critical and non-recoverable; upper and lower non-critical
	switch {
	case bits&critical != 0:
		return "critical"
	case bits&nonCritical != 0:
		return "warning"
	default:
		return "ok"
	}
}

// unitOf is the short name of a unit.
func unitOf(u types.SensorUnit) string {
	short := map[types.SensorUnitType]string{
		types.SensorUnitType_DegreesC: "°C", types.SensorUnitType_DegreesF: "°F", types.SensorUnitType_RPM: "rpm",
		types.SensorUnitType_Watts: "W", types.SensorUnitType_Volts: "V", types.SensorUnitType_Amps: "A",
	}
	if u.Percentage {
		return "%"
	}
	if s, ok := short[u.BaseUnit]; ok {
		return s
	}
	if u.BaseUnit == types.SensorUnitType_Unspecified {
		return ""
	}
	return u.BaseUnit.String()
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
		if completed(err, rmcp.CodeAbsent) {
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
	return e, guard("an event", func() error {
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
