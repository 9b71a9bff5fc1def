package configure

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"github.com/steelyard/steelyard/pkg/fault"
)

// gpt is a GUID partition table (UEFI specification, chapter 5).
type gpt struct {
	header  []byte // 92 bytes
	entries []byte
	each    uint64 // bytes of an entry
}

const (
	gptHeader   = 92
	gptMostEach = 512 // bytes of an entry; 128 everywhere
	gptMost     = 512 // entries; 128 everywhere
)

var gptMark = []byte("EFI PART")

// entryBytes is what the entries take, in whole sectors.
func (g *gpt) entryBytes(sector uint64) uint64 {
	return (uint64(len(g.entries)) + sector - 1) / sector * sector
}

// readGPT reads the first table, or the one at the disk's end when the first was torn by a crash.
func (t *table) readGPT(m io.ReaderAt) error {
	err := t.parseGPT(m, t.sector)
	if err == nil {
		return t.check()
	}
	if again := t.parseGPT(m, t.disk-t.sector); again == nil {
		return t.check()
	}
	if other, bad := readAt(m, 4608-t.sector, 8); bad == nil && bytes.Equal(other, gptMark) {
		return fault.Refused("the image was made for disks with sectors of %d bytes; this disk has %d", 4608-t.sector, t.sector)
	}
	return err
}

// parseGPT reads the table whose header is at a byte of the disk.
func (t *table) parseGPT(m io.ReaderAt, at uint64) error {
	head, err := readAt(m, at, t.sector)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	g := &gpt{header: slices.Clone(head[:gptHeader])}
	count, each := uint64(le.Uint32(head[80:])), uint64(le.Uint32(head[84:]))
	size := uint64(le.Uint32(head[12:]))
	switch {
	case !bytes.Equal(head[:8], gptMark):
		return fault.Refused("the image has no GUID partition table, though its first sector says so")
	case size < gptHeader || size > t.sector || !sumIs(head[:size], 16):
		return fault.Refused("the GUID partition table of the image is damaged: its checksum is wrong")
	case le.Uint64(head[24:]) != at/t.sector:
		return fault.Refused("the GUID partition table of the image is out of place")
	case count == 0 || count > gptMost || each < 128 || each > gptMostEach || each%128 != 0:
		return fault.Refused("the GUID partition table of the image has %d entries of %d bytes; up to %d of 128 are taken", count, each, gptMost)
	}
	first := le.Uint64(head[72:])
	if first < 2 || first > t.disk/t.sector || first*t.sector+count*each > t.disk {
		return fault.Refused("the GUID partition table of the image has its entries outside of the disk")
	}
	if g.entries, err = readAt(m, first*t.sector, count*each); err != nil {
		return err
	}
	g.each = each
	if crc32.ChecksumIEEE(g.entries) != le.Uint32(head[88:]) {
		return fault.Refused("the GUID partition table of the image is damaged: the checksum of its entries is wrong")
	}
	t.gpt, t.parts = g, nil
	return t.list()
}

// sumIs compares a checksum that lies in what it is about.
func sumIs(b []byte, at int) bool {
	c := slices.Clone(b)
	clear(c[at : at+4])
	return crc32.ChecksumIEEE(c) == binary.LittleEndian.Uint32(b[at:])
}

// list takes the entries that are in use.
func (t *table) list() error {
	le := binary.LittleEndian
	for i := uint64(0); i < uint64(len(t.gpt.entries))/t.gpt.each; i++ {
		e := t.gpt.entries[i*t.gpt.each:]
		p := partition{number: int(i) + 1}
		copy(p.kind[:], e)
		copy(p.id[:], e[16:])
		if p.kind == [16]byte{} {
			continue
		}
		from, to := le.Uint64(e[32:]), le.Uint64(e[40:])
		if to < from || to >= t.disk/t.sector {
			return fault.Refused("partition %d of the image ends before it begins, or behind the disk's end", p.number)
		}
		p.start, p.size = from*t.sector, (to-from+1)*t.sector
		t.parts = append(t.parts, p)
	}
	return nil
}

// writeGPT writes both tables, the one at the disk's end first: one of them is whole at every moment.
func (t *table) writeGPT(m medium) error {
	le := binary.LittleEndian
	g, last := t.gpt, t.disk/t.sector-1
	for _, p := range t.parts {
		e := g.entries[uint64(p.number-1)*g.each:]
		copy(e, p.kind[:])
		copy(e[16:], p.id[:])
		le.PutUint64(e[32:], p.start/t.sector)
		le.PutUint64(e[40:], p.end()/t.sector-1)
	}
	room := g.entryBytes(t.sector)
	le.PutUint32(g.header[12:], gptHeader)
	le.PutUint64(g.header[48:], t.room()/t.sector-1)
	le.PutUint32(g.header[88:], crc32.ChecksumIEEE(g.entries))

	back := make([]byte, room+t.sector)
	copy(back, g.entries)
	copy(back[room:], g.sealed(last, 1, last-room/t.sector))
	if err := writeAt(m, back, t.disk-uint64(len(back)), t.disk); err != nil {
		return err
	}
	if s, ok := m.(interface{ Sync() error }); ok {
		if err := s.Sync(); err != nil {
			return err
		}
	}
	front := make([]byte, 2*t.sector+room)
	t.protect()
	copy(front, t.mbr)
	copy(front[t.sector:], g.sealed(1, last, 2))
	copy(front[2*t.sector:], g.entries)
	return writeAt(m, front, 0, t.disk)
}

// sealed is a header for one of the two places.
func (g *gpt) sealed(here, there, entries uint64) []byte {
	le, h := binary.LittleEndian, slices.Clone(g.header)
	le.PutUint64(h[24:], here)
	le.PutUint64(h[32:], there)
	le.PutUint64(h[72:], entries)
	clear(h[16:20])
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return h
}

// protect lets the old kind of table cover the whole disk.
func (t *table) protect() {
	for i := range 4 {
		if e := t.mbr[446+16*i:]; e[4] == 0xEE && binary.LittleEndian.Uint32(e[8:]) == 1 {
			binary.LittleEndian.PutUint32(e[12:], uint32(min(t.disk/t.sector-1, 1<<32-1)))
		}
	}
}
