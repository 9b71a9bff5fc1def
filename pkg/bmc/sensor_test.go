package bmc

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// controller answers as a management controller would that has these records; each sensor reads raw.
type controller struct {
	records [][]byte
	raw     map[byte][]byte // answers of sensors, by number; none is a refusal
	lost    int             // reservations that are lost
	circle  bool            // the last record names itself as the next
	silent  bool
}

func (c *controller) ask(_ context.Context, netFn, command uint8, data ...byte) ([]byte, error) {
	switch {
	case c.silent:
		return nil, errors.New("silence")
	case netFn == netStorage && command == cmdSDRReserve:
		return []byte{1, 0}, nil
	case netFn == netStorage && command == cmdSDRGet:
		if c.lost--; c.lost >= 0 {
			return nil, &Completion{Code: CodeReservation, NetFn: netFn, Command: command}
		}
		id, at, want := int(data[2]), int(data[4]), int(data[5])
		record := c.records[id]
		next := []byte{byte(id + 1), 0}
		if id == len(c.records)-1 {
			next = []byte{0xff, 0xff}
			if c.circle {
				next = []byte{byte(id), 0}
			}
		}
		return append(next, record[at:min(at+want, len(record))]...), nil
	case netFn == netSensor && command == cmdReading:
		if answer, ok := c.raw[data[0]]; ok {
			return answer, nil
		}
	}
	return nil, &Completion{Code: CodeAbsent, NetFn: netFn, Command: command}
}

// full is a full sensor record (table 43-1): unsigned, linear, value = raw × factor.
func full(number, unit, factor byte, name string) []byte {
	r := make([]byte, 47, 64)
	copy(r, []byte{number, 0, 0x51, 0x01, 0, 0x20, 0, number, 3, 1, 0x43, 0x40, 1, 1})
	r[21], r[24] = unit, factor
	r = append(append(r, 0xc0|byte(len(name))), name...)
	r[4] = byte(len(r) - 5)
	return r
}

const unitCelsius, unitRPM = 1, 18 // table 43-15

func TestB46_SensorsAreReadWithTheirState(t *testing.T) {
	locator := []byte{0, 0, 0x51, 0x12, 2, 0x20, 0} // a record of another type
	c := &controller{
		records: [][]byte{full(1, unitCelsius, 1, "Inlet"), locator, full(2, unitRPM, 100, "Fan 1"), full(3, unitRPM, 100, "Fan 2"), full(4, unitCelsius, 1, "Absent"), full(5, unitCelsius, 1, "CPU")},
		raw:     map[byte][]byte{1: {41, 0x40, 0}, 2: {3, 0x40, 0x04}, 3: {0, 0x20}, 5: {96, 0x40, 0x08}},
		lost:    2, circle: true,
	}
	got, err := Sensors(t.Context(), c.ask)
	want := []Sensor{{"Inlet", 41, "°C", StateOK}, {"Fan 1", 300, "rpm", StateCritical}, {"CPU", 96, "°C", StateWarning}}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%+v %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, not %+v", got[i], want[i])
		}
	}
	c.lost = 1000
	var refused *Completion
	if _, err := Sensors(t.Context(), c.ask); !errors.As(err, &refused) || refused.Code != CodeReservation {
		t.Errorf("a controller that never keeps a reservation: %v", err)
	}
	c.silent = true
	if _, err := Sensors(t.Context(), c.ask); err == nil {
		t.Error("silence is no answer")
	}
}

// Whatever a record holds, it ends as an error or as a short printable name.
func FuzzSensor(f *testing.F) {
	f.Add(full(1, unitCelsius, 1, "Inlet"), []byte{41, 0x40, 0})
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, record, reading []byte) {
		s, ok, err := read(context.Background(), func(context.Context, uint8, uint8, ...byte) ([]byte, error) { return reading, nil }, record)
		if err != nil || ok && (s.Name == "" || len(s.Name) > 200 || strings.ContainsAny(s.Name, "\x00\n\x1b")) {
			t.Fatalf("%+v %v", s, err)
		}
	})
}
