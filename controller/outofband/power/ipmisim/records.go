package ipmisim

import "bytes"

// fruData is a FRU information area with a product (Platform Management FRU Information
// Storage Definition 1.0).
func fruData(manufacturer, name, serial string) []byte {
	const english = 25
	product := []byte{1, 0, english}
	for _, s := range []string{manufacturer, name, "", "", serial, "", ""} {
		s = s[:min(len(s), 32)]
		product = append(append(product, 0xc0|byte(len(s))), s...)
	}
	product = append(product, 0xc1) // the end of the fields
	for len(product)%8 != 7 {
		product = append(product, 0)
	}
	product[1] = byte(len(product)+1) / 8
	header := []byte{1, 0, 0, 0, 1, 0, 0}
	return append(append(header, zero(header)), append(product, zero(product))...)
}

// zero makes the sum of all bytes and itself zero.
func zero(data []byte) (sum byte) {
	for _, b := range data {
		sum -= b
	}
	return sum
}

// sensor is a sensor with a number for a value; the value is raw times factor.
type sensor struct {
	number, kind, unit, value, factor byte
	name                              string
}

// Codes of IPMI 2.0, tables 42-3 and 43-15.
const (
	kindTemperature, kindFan = 0x01, 0x04
	unitCelsius, unitRPM     = 1, 18
)

var sensors = []sensor{
	{number: 1, kind: kindTemperature, unit: unitCelsius, value: 41, factor: 1, name: "CPU 1"},
	{number: 2, kind: kindFan, unit: unitRPM, value: 64, factor: 100, name: "Fan 1"},
}

// record is a full sensor record (table 43-1).
func (s sensor) record() []byte {
	const processor, instance = 0x03, 0x01
	r := []byte{
		s.number, 0, 0x51, 0x01, 0, // id, version, type, length
		0x20, 0, s.number, processor, instance,
		0x43, 0x40, s.kind, 0x01, // scanned from the start, rearms itself, threshold sensor
		0, 0, 0, 0, 0, 0, // no thresholds
		0, s.unit, 0, 0, // unsigned, linear
		s.factor, 0, 0, 0, 0, 0, // M, B, exponents
	}
	r = append(r, bytes.Repeat([]byte{0}, 47-len(r))...)
	r = append(append(r, 0xc0|byte(len(s.name))), s.name...)
	r[4] = byte(len(r) - 5)
	return r
}
