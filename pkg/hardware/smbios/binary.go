package smbios

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// entry is what matters of an entry point (DSP0134 chapter 5).
type entry struct {
	major, minor int
	size         int // bytes of the table; an upper bound for version 3
	offset       uint64
	count        int // structures; 0 is unknown
}

// Binary reads an entry point (the file smbios_entry_point) and the table that
// belongs to it (the file DMI). A malformed entry point is [fault.KindInvalid];
// a table that ends too early gives what it holds, marked as truncated.
func Binary(entryPoint, table []byte) (*Table, error) {
	e, err := parseEntry(entryPoint)
	if err != nil {
		return nil, err
	}
	if len(table) > MaxInput {
		table = table[:MaxInput]
	}
	return e.walk(table), nil
}

// Dump reads a file that `dmidecode --dump-bin` wrote: the entry point first, the
// table where the entry point says (0x20).
func Dump(data []byte) (*Table, error) {
	e, err := parseEntry(data)
	if err != nil {
		return nil, err
	}
	if e.offset >= uint64(len(data)) {
		return nil, fault.Invalid("the dump ends before its table, which begins at byte %d; it was cut", e.offset)
	}
	return Binary(data, data[e.offset:])
}

// IsDump tells a binary dump from a text by its anchor.
func IsDump(data []byte) bool {
	return bytes.HasPrefix(data, []byte("_SM_")) || bytes.HasPrefix(data, []byte("_SM3_")) ||
		bytes.HasPrefix(data, []byte("_DMI_"))
}

func parseEntry(b []byte) (entry, error) {
	switch {
	case bytes.HasPrefix(b, []byte("_SM3_")) && len(b) >= 0x18:
		e := entry{major: int(b[7]), minor: int(b[8]), size: int(u32(b, 0x0C)), offset: binary.LittleEndian.Uint64(b[0x10:])}
		return e, checksum(b, int(b[6]))
	case bytes.HasPrefix(b, []byte("_SM_")) && len(b) >= 0x1F:
		e := entry{major: int(b[6]), minor: int(b[7]), size: int(u16(b, 0x16)), offset: uint64(u32(b, 0x18)), count: int(u16(b, 0x1C))}
		return e, checksum(b, max(int(b[5]), 0x1E))
	case bytes.HasPrefix(b, []byte("_DMI_")) && len(b) >= 0x0F:
		e := entry{major: int(b[0x0E] >> 4), minor: int(b[0x0E] & 0xF), size: int(u16(b, 6)), offset: uint64(u32(b, 8)), count: int(u16(b, 0x0C))}
		return e, checksum(b, 0x0F)
	}
	return entry{}, fault.Invalid("this is no SMBIOS entry point: it begins with %q instead of _SM_, _SM3_ or _DMI_", b[:min(len(b), 5)])
}

func checksum(b []byte, n int) error {
	if n > len(b) {
		return fault.Invalid("the SMBIOS entry point should have %d bytes and has %d", n, len(b))
	}
	var sum byte
	for _, c := range b[:n] {
		sum += c
	}
	if sum != 0 {
		return fault.Invalid("the checksum of the SMBIOS entry point is wrong; copy the file again")
	}
	return nil
}

// walk steps through the table until its end, its count or the end marker.
func (e entry) walk(data []byte) *Table {
	t := &Table{}
	if e.size > 0 && e.size < len(data) {
		data = data[:e.size]
	}
	for n := 0; len(data) >= 4 && (e.count == 0 || n < e.count); n++ {
		raw, rest, ok := cutStructure(data)
		if !ok || n >= maxStructures {
			t.Truncated = true
			return t
		}
		if raw.kind() == typeEnd {
			return t
		}
		t.Structures = append(t.Structures, raw.decode(e))
		data = rest
	}
	return t
}

// raw is one structure: its formatted bytes and its strings.
type raw struct {
	b       []byte
	strings []string
}

// cutStructure takes the first structure off data; false when it is incomplete.
func cutStructure(data []byte) (raw, []byte, bool) {
	length := int(data[1])
	if length < 4 || length > len(data) {
		return raw{}, nil, false
	}
	end := bytes.Index(data[length:], []byte{0, 0})
	if end < 0 {
		return raw{}, nil, false
	}
	s := raw{b: data[:length]}
	for text := range strings.SplitSeq(string(data[length:length+end]), "\x00") {
		s.strings = append(s.strings, text)
	}
	return s, data[length+end+2:], true
}

func (r raw) kind() int           { return int(r.b[0]) }
func (r raw) has(n int) bool      { return len(r.b) >= n }
func (r raw) u16(at int) uint16   { return u16(r.b, at) }
func (r raw) u32(at int) uint32   { return u32(r.b, at) }
func u16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

// text is the string that the byte at that offset numbers.
func (r raw) text(at int) string {
	switch n := int(r.b[at]); {
	case n == 0:
		return "Not Specified"
	case n > len(r.strings):
		return "<BAD INDEX>"
	default:
		return r.strings[n-1]
	}
}

// decode writes a structure in dmidecode's words. Types that nobody maps keep
// their type and handle only.
func (r raw) decode(e entry) Structure {
	s := Structure{Type: r.kind(), Handle: fmt.Sprintf("0x%04X", r.u16(2))}
	switch s.Type {
	case typeFirmware:
		r.texts(&s, at{"Vendor", 4}, at{"Version", 5}, at{"Release Date", 8})
	case typeSystem:
		r.system(&s, e)
	case typeBoard:
		r.texts(&s, at{"Manufacturer", 4}, at{"Product Name", 5}, at{"Version", 6}, at{"Serial Number", 7}, at{"Asset Tag", 8})
		r.words(&s, 0x0D, "Type", boardTypes)
	case typeChassis:
		r.chassis(&s)
	case typeProcessor:
		r.processor(&s)
	case typeArray:
		r.array(&s)
	case typeModule:
		r.module(&s)
	}
	return s
}

// at names the field whose string number stands at an offset.
type at struct {
	key    string
	offset int
}

func (r raw) texts(s *Structure, fields ...at) {
	for _, f := range fields {
		if r.has(f.offset + 1) {
			s.set(f.key, r.text(f.offset))
		}
	}
}

func (r raw) words(s *Structure, offset int, key string, words []string) {
	if r.has(offset + 1) {
		s.set(key, word(words, r.b[offset], 1))
	}
}
