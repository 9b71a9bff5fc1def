package smbios

import (
	"encoding/binary"
	"fmt"
)

// builder writes binary tables, so that the reader is tested on bytes whose
// meaning is known. A fixed size of each structure selects its version.
type builder struct {
	data   []byte
	count  int
	handle uint16
}

type fields map[int]any // offset → uint8, uint16, uint32, []byte, or string

func (b *builder) add(kind byte, size int, f fields) uint16 {
	raw := make([]byte, size)
	raw[0], raw[1] = kind, byte(size)
	b.handle++
	binary.LittleEndian.PutUint16(raw[2:], b.handle)
	var strs []byte
	n := byte(0)
	for at := range size { // strings are numbered in the order of offsets
		switch v := f[at].(type) {
		case nil:
		case uint8:
			raw[at] = v
		case uint16:
			binary.LittleEndian.PutUint16(raw[at:], v)
		case uint32:
			binary.LittleEndian.PutUint32(raw[at:], v)
		case []byte:
			copy(raw[at:], v)
		case string:
			n++
			raw[at] = n
			strs = append(append(strs, v...), 0)
		default:
			panic(fmt.Sprintf("field of type %T", v))
		}
	}
	if len(strs) == 0 {
		strs = []byte{0}
	}
	b.data = append(append(append(b.data, raw...), strs...), 0)
	b.count++
	return b.handle
}

// entry2 is the entry point of version 2.x over the table.
func (b *builder) entry2(minor byte) []byte {
	e := make([]byte, 0x1F)
	copy(e, "_SM_")
	e[5], e[6], e[7] = 0x1F, 2, minor
	copy(e[0x10:], "_DMI_")
	binary.LittleEndian.PutUint16(e[0x16:], uint16(len(b.data)))
	binary.LittleEndian.PutUint32(e[0x18:], 0x20)
	binary.LittleEndian.PutUint16(e[0x1C:], uint16(b.count))
	e[0x1E] = 0x27
	e[0x15] = -sum(e[0x10:])
	e[4] = -sum(e)
	return e
}

// entry3 is the entry point of version 3.x.
func (b *builder) entry3(minor byte) []byte {
	e := make([]byte, 0x18)
	copy(e, "_SM3_")
	e[6], e[7], e[8], e[0xA] = 0x18, 3, minor, 1
	binary.LittleEndian.PutUint32(e[0x0C:], uint32(len(b.data)))
	binary.LittleEndian.PutUint64(e[0x10:], 0x20)
	e[5] = -sum(e)
	return e
}

func sum(b []byte) (s byte) {
	for _, c := range b {
		s += c
	}
	return s
}

// dump joins an entry point and the table as `dmidecode --dump-bin` does.
func (b *builder) dump(entry []byte) []byte {
	return append(append(append([]byte{}, entry...), make([]byte, 0x20-len(entry))...), b.data...)
}

// server is a two-socket machine with one empty socket, four modules in eight
// slots and a firmware flash.
func server() *builder {
	b := &builder{}
	b.add(typeFirmware, 0x18, fields{4: "American Megatrends Inc.", 5: "3.4", 8: "10/30/2020", 9: uint8(0xFF)})
	b.add(typeSystem, 0x1B, fields{
		4: "Steel Works", 5: "SW-2200", 6: "To Be Filled By O.E.M.", 7: "SYS0001",
		8: []byte{0x44, 0x45, 0x4c, 0x4c, 0x42, 0x00, 0x10, 0x35, 0x80, 0x54, 0xb7, 0xc0, 0x4f, 0x4d, 0x35, 0x32}, 0x18: uint8(6),
		0x19: "SKU-1", 0x1A: "Default string",
	})
	b.add(typeBoard, 0x0F, fields{4: "Steel Works", 5: "Riser", 7: "R1", 0x0D: uint8(0x09)})
	b.add(typeBoard, 0x0F, fields{4: "Steel Works", 5: "Board 9", 6: "1.02", 7: "1234567890", 0x0D: uint8(0x0A)})
	b.add(typeChassis, 0x15, fields{4: "Steel Works", 5: uint8(0x97), 7: "CH-77", 8: "Rack 4", 0x11: uint8(2)})
	for i, name := range []string{"CPU1", "CPU2"} {
		b.add(typeProcessor, 0x30, fields{
			4: name, 5: uint8(3), 6: uint8(0xB3), 7: "Intel(R) Corporation", 8: []byte{0xf1, 0x06, 0x04, 0, 0xff, 0xfb, 0xeb, 0xbf},
			0x10: "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz", 0x14: uint16(4000), 0x16: uint16(2200),
			0x18: uint8(0x41), 0x23: uint8(12), 0x24: uint8(12), 0x25: uint8(24), 0x28: uint16(0xB3), 0x20: fmt.Sprintf("P%d", i),
		})
	}
	b.add(typeProcessor, 0x30, fields{4: "CPU3", 5: uint8(3), 0x18: uint8(0)})
	big := b.add(typeProcessor, 0x30, fields{
		4: "CPU4", 5: uint8(3), 6: uint8(0x6B), 7: "AMD", 8: []byte{0x12, 0x0f, 0xa1, 0, 0, 0, 0, 0}, 0x10: "AMD EPYC 9Y99 384-Core Processor",
		0x16: uint16(2450), 0x18: uint8(0x41), 0x23: uint8(0xFF), 0x24: uint8(0xFF), 0x25: uint8(0xFF), 0x28: uint16(0x6B),
		0x2A: uint16(384), 0x2C: uint16(384), 0x2E: uint16(768),
	})
	_ = big
	array := b.add(typeArray, 0x17, fields{4: uint8(3), 5: uint8(3), 6: uint8(6), 7: uint32(1 << 29), 0x0B: uint16(0xFFFE), 0x0D: uint16(8)})
	rom := b.add(typeArray, 0x17, fields{4: uint8(3), 5: uint8(5), 6: uint8(3), 7: uint32(16384), 0x0B: uint16(0xFFFE), 0x0D: uint16(1)})
	module := func(slot string, size uint16, extended uint32) {
		f := fields{
			4: array, 6: uint16(0xFFFE), 8: uint16(72), 0xA: uint16(64), 0xC: size, 0xE: uint8(9), 0x10: slot, 0x11: "NODE 1", 0x12: uint8(0x1A),
			0x13: uint16(0x2080), 0x15: uint16(2400), 0x17: "80CE04B380CE", 0x18: "S-" + slot, 0x1A: "M393A4K40BB1-CRC   ", 0x1B: uint8(2),
			0x1C: extended, 0x20: uint16(2400),
		}
		if size == 0 {
			f[0x17], f[0x18], f[0x1A] = "NO DIMM", "NO DIMM", "NO DIMM"
		}
		b.add(typeModule, 0x28, f)
	}
	module("A1", 16384, 0)
	module("A2", 0x7FFF, 65536)
	module("A3", 0x7FFF, 32768)
	module("A4", 0x8000|1024, 0)
	for _, slot := range []string{"B1", "B2", "B3"} {
		module(slot, 0, 0)
	}
	module("B4", 0xFFFF, 0)
	b.add(typeModule, 0x28, fields{4: rom, 0xC: uint16(16), 0xE: uint8(5), 0x10: "System ROM", 0x12: uint8(9), 6: uint16(0xFFFE)})
	b.add(typeEnd, 4, nil)
	return b
}
