package snmpsim

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// maxLine bounds a line of a walk.
const maxLine = 1 << 20

// Parse reads a recorded walk: lines of OID|type|value, the type an ASN.1 tag number,
// with "x" behind it where the value is hexadecimal. Lines may be in any order; of two with
// one OID the last holds. What stands after a colon behind the type tells how another
// program should vary the value, and is ignored: the value of such a line is the one
// that follows "value=", else the object is left out.
func Parse(r io.Reader) (*Tree, error) {
	t := NewTree()
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		k, v, ok, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if ok {
			t.values[k] = v
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read a walk: %w", err)
	}
	for k := range t.values {
		t.keys = append(t.keys, k)
	}
	slices.Sort(t.keys)
	return t, nil
}

func parseLine(line string) (k key, v Value, ok bool, err error) {
	parts := strings.SplitN(line, "|", 3)
	if len(parts) != 3 {
		return "", Value{}, false, fmt.Errorf("%.80q is not OID|type|value", line)
	}
	if k, err = parseKey(parts[0]); err != nil {
		return "", Value{}, false, err
	}
	tag, _, varies := strings.Cut(parts[1], ":")
	text := parts[2]
	if varies {
		if text, ok = varied(text); !ok {
			return "", Value{}, false, nil
		}
	}
	if tag == "" {
		return "", Value{}, false, nil // a walk that was cut off writes its end so
	}
	v, err = parseValue(tag, text)
	return k, v, err == nil, err
}

// varied finds the value in the parameters of a variation: "value=7,rate=3".
func varied(text string) (string, bool) {
	for part := range strings.SplitSeq(text, ",") {
		if v, ok := strings.CutPrefix(part, "value="); ok {
			return v, true
		}
	}
	return "", false
}

func parseValue(tag, text string) (Value, error) {
	number, hexadecimal := strings.CutSuffix(tag, "x")
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil {
		return Value{}, fmt.Errorf("%.20q is no type", tag)
	}
	raw := []byte(text)
	if hexadecimal {
		if raw, err = hex.DecodeString(text); err != nil {
			return Value{}, fmt.Errorf("%.80q is not hexadecimal", text)
		}
	}
	v := Value{Type: gosnmp.Asn1BER(n)}
	v.Data, err = parseData(v.Type, raw)
	return v, err
}

func parseData(t gosnmp.Asn1BER, raw []byte) (any, error) {
	text := strings.TrimSpace(string(raw))
	switch t {
	case gosnmp.OctetString, gosnmp.Opaque:
		return raw, nil
	case gosnmp.Null:
		return nil, nil
	case gosnmp.ObjectIdentifier:
		k, err := parseKey(text)
		return k.String(), err
	case gosnmp.IPAddress:
		if len(raw) == 4 {
			return net.IP(raw).String(), nil
		}
		ip := net.ParseIP(text).To4()
		if ip == nil {
			return nil, fmt.Errorf("%.40q is no IPv4 address", text)
		}
		return ip.String(), nil
	case gosnmp.Integer:
		n, err := strconv.ParseInt(text, 10, 32)
		return int(n), err
	case gosnmp.Counter32, gosnmp.Gauge32, gosnmp.TimeTicks, gosnmp.Uinteger32:
		n, err := strconv.ParseUint(text, 10, 32)
		return uint32(n), err
	case gosnmp.Counter64:
		return strconv.ParseUint(text, 10, 64)
	}
	return nil, fmt.Errorf("type %d is not known", t)
}
