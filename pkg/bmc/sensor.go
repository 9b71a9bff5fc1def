package bmc

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/line"
)

// Ask sends one command and returns the answer after its completion code. A controller that refuses is a
// [Completion]; any other error is silence.
type Ask func(ctx context.Context, netFn, command uint8, data ...byte) ([]byte, error)

// Sensor is a sensor with a number for a value.
type Sensor struct {
	Name  string
	Value float64
	Unit  string // "°C", "rpm", "W", "V", "A", "%"
	State string // by the sensor's own thresholds: StateOK, StateWarning, StateCritical
}

// States of a sensor.
const (
	StateOK       = "ok"
	StateWarning  = "warning"
	StateCritical = "critical"
)

// Commands (sections 33 and 35).
const (
	netSensor, cmdReading    = 0x04, 0x2d
	netStorage               = 0x0a
	cmdSDRReserve, cmdSDRGet = 0x22, 0x23
)

// Bounds, so that no controller keeps us reading: real ones have up to 250 sensors.
const (
	maxRecords = 512
	chunk      = 16 // bytes for each read; what the smallest controllers can
)

// errShort is not worth a retry: the next answer would be the same.
var errShort = fault.Refused("the management controller's answer is too short")

// Sensors walks the sensor data records and reads each sensor that has a number for a value. What was read before an
// error is returned with it.
func Sensors(ctx context.Context, ask Ask) (list []Sensor, err error) {
	for id, n := uint16(0), 0; id != 0xffff && n < maxRecords; n++ {
		data, next, err := record(ctx, ask, id)
		if err != nil {
			return list, err
		}
		s, ok, err := read(ctx, ask, data)
		if err != nil {
			return list, err
		}
		if ok {
			list = append(list, s)
		}
		if next == id {
			return list, nil // a controller that runs in circles
		}
		id = next
	}
	return list, nil
}

// record reads one sensor data record in chunks, under a reservation of its own.
func record(ctx context.Context, ask Ask, id uint16) (data []byte, next uint16, err error) {
	const header, tries = 5, 3
	for range tries {
		data, next, err = recordOnce(ctx, ask, id, header)
		var answer *Completion
		if !errors.As(err, &answer) || answer.Code != CodeReservation {
			break
		}
	}
	return data, next, err
}

func recordOnce(ctx context.Context, ask Ask, id uint16, header int) (data []byte, next uint16, err error) {
	out, err := ask(ctx, netStorage, cmdSDRReserve)
	if err != nil {
		return nil, 0, err
	}
	if len(out) < 2 {
		return nil, 0, errShort
	}
	reservation := out[:2]
	for size := header; len(data) < size; {
		want := min(chunk, size-len(data))
		out, err := ask(ctx, netStorage, cmdSDRGet, reservation[0], reservation[1], byte(id), byte(id>>8), byte(len(data)), byte(want))
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

// read reads the sensor that a record describes; ok is false when there is no number to show.
func read(ctx context.Context, ask Ask, record []byte) (s Sensor, ok bool, err error) {
	full, s, ok := parse(record)
	if !ok {
		return s, false, nil
	}
	out, err := ask(ctx, netSensor, cmdReading, byte(full.SensorNumber))
	var refused *Completion
	if err != nil && !errors.As(err, &refused) {
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
	err = Guard("a sensor", func() error { s.Value = full.ConvertReading(out[0]); return nil })
	return s, err == nil && finite(s.Value), nil
}

// parse understands a full sensor record with a number for a value.
func parse(record []byte) (full *types.SDRFull, s Sensor, ok bool) {
	err := Guard("a sensor record", func() error {
		sdr, err := types.ParseSDR(record, 0)
		if err != nil || sdr.Full == nil || !sdr.Full.HasAnalogReading() {
			return fault.Refused("read a sensor record: it has no number")
		}
		full = sdr.Full
		s = Sensor{Name: Chars(full.IDStringTypeLength, full.IDStringBytes), Unit: unitOf(full.SensorUnit), State: StateOK}
		return nil
	})
	return full, s, err == nil && s.Name != ""
}

// Chars decodes a field of FRU data or of a sensor data record.
func Chars(kind types.TypeLength, raw []byte) string {
	out, err := kind.Chars(raw)
	if err != nil {
		out = raw
	}
	return line.Clean(string(out))
}

func finite(f float64) bool { return f-f == 0 }

// threshold reads the comparison of a value with its thresholds (section 35.14).
func threshold(bits byte) string {
	const critical, nonCritical = 0x36, 0x09 // upper and lower critical and non-recoverable; upper and lower non-critical
	switch {
	case bits&critical != 0:
		return StateCritical
	case bits&nonCritical != 0:
		return StateWarning
	default:
		return StateOK
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
