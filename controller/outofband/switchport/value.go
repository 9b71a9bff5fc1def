package switchport

import (
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxText cuts texts of a switch; SnmpAdminString has at most 255 bytes.
const maxText = 255

// present reports whether the switch has the object.
func present(p gosnmp.SnmpPDU) bool {
	switch p.Type {
	case gosnmp.NoSuchObject, gosnmp.NoSuchInstance, gosnmp.EndOfMibView, gosnmp.Null, gosnmp.UnknownType:
		return false
	}
	return p.Value != nil
}

// number reads a whole number that is not negative, whatever its type.
func number(p gosnmp.SnmpPDU) (uint64, bool) {
	switch p.Type {
	case gosnmp.Integer, gosnmp.Counter32, gosnmp.Gauge32, gosnmp.TimeTicks, gosnmp.Uinteger32, gosnmp.Counter64:
	default:
		return 0, false
	}
	switch v := p.Value.(type) {
	case int:
		return uint64(v), v >= 0
	case uint:
		return uint64(v), true
	case uint32:
		return uint64(v), true
	case uint64:
		return v, true
	}
	return 0, false
}

// small reads a number between 1 and most: an index, an enumeration, a VLAN.
func small(p gosnmp.SnmpPDU, most int) int {
	n, ok := number(p)
	if !ok || n > uint64(most) {
		return 0
	}
	return int(n)
}

// counter reads a counter of exactly this type.
func counter(p gosnmp.SnmpPDU, t gosnmp.Asn1BER) (uint64, bool) {
	if p.Type != t {
		return 0, false
	}
	n, ok := number(p)
	return n, ok && (t == gosnmp.Counter64 || n < 1<<32)
}

// ticks reads hundredths of a second.
func ticks(p gosnmp.SnmpPDU) time.Duration {
	n, ok := number(p)
	if p.Type != gosnmp.TimeTicks || !ok || n >= 1<<32 {
		return 0
	}
	return time.Duration(n) * 10 * time.Millisecond
}

// octets reads a string of bytes.
func octets(p gosnmp.SnmpPDU) []byte {
	if p.Type != gosnmp.OctetString {
		return nil
	}
	switch v := p.Value.(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// text reads a text for people: valid, in one line, without the NULs that some
// switches pad with.
func text(p gosnmp.SnmpPDU) string { return tidy(octets(p)) }

func tidy(b []byte) string {
	if len(b) > maxText {
		b = b[:maxText]
	}
	s := strings.ToValidUTF8(string(b), "")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// address reads a MAC address; "" when it is none.
func address(b []byte) string {
	if len(b) != 6 || string(b) == "\x00\x00\x00\x00\x00\x00" {
		return ""
	}
	return net.HardwareAddr(b).String()
}

// parseMAC reads the address of a machine as people and switches write it.
func parseMAC(s string) ([]byte, error) {
	text, err := outofband.ParseMAC(strings.TrimSpace(s))
	if err != nil {
		return nil, fault.Invalid("%w", err)
	}
	return net.ParseMAC(text)
}

var (
	adminStates = []string{1: up, 2: down, 3: inTest}
	operStates  = []string{1: up, 2: down, 3: inTest, 4: unknown, 5: dormant, 6: notPresent, 7: lowerLayerDown}
)

// state reads a state by its number.
func state(p gosnmp.SnmpPDU, names []string) string {
	if n := small(p, len(names)-1); p.Type == gosnmp.Integer && n > 0 {
		return names[n]
	}
	return unknown
}
