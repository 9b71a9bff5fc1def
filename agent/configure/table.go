package configure

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

const mib = 1 << 20

// table is the partition table of a disk.
type table struct {
	disk   uint64 // bytes
	sector uint64 // bytes of a logical sector
	parts  []partition
	gpt    *gpt   // nil: MBR
	mbr    []byte // first sector
	holds  string // why the last partition cannot grow; "" it can
}

// partition is one entry in use. Start and size are bytes.
type partition struct {
	number      int // as the kernel counts
	start, size uint64
	kind        [16]byte // GPT type, as stored; zero for MBR
	id          [16]byte // GPT unique id, as stored
	mbrKind     byte
}

func (p partition) end() uint64 { return p.start + p.size }

// partUUID is the name of the partition in fstab and on kernel command lines.
func (t *table) partUUID(p partition) string {
	if t.gpt == nil {
		return fmt.Sprintf("%08x-%02x", binary.LittleEndian.Uint32(t.mbr[440:]), p.number)
	}
	return guid(p.id)
}

// guid writes a GUID as stored in its usual form, in small letters.
func guid(b [16]byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b[:]), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:])
}

// medium is where a table lives: a disk that was opened through agent/driver.
type medium interface {
	io.ReaderAt
	io.WriterAt
}

// readAt reads n bytes from off on, with the alignment that direct I/O wants.
func readAt(m io.ReaderAt, off, n uint64) ([]byte, error) {
	from := off / driver.Block * driver.Block
	buf := driver.Buffer(int(driver.RoundUp(int64(off + n - from))))
	got, err := m.ReadAt(buf, int64(from))
	if uint64(got) < off-from+n {
		if err == nil || err == io.EOF { //nolint:errorlint // io.ReaderAt's contract
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read the disk at byte %d: %w", off, err)
	}
	return buf[off-from:][:n], nil
}

// writeAt writes p at off, together with what surrounds it in the same blocks. disk is its size.
func writeAt(m medium, p []byte, off, disk uint64) error {
	from := off / driver.Block * driver.Block
	end := min(uint64(driver.RoundUp(int64(off)+int64(len(p)))), disk)
	old, err := readAt(m, from, end-from)
	if err != nil {
		return err
	}
	whole := driver.Buffer(len(old))
	copy(whole, old)
	copy(whole[off-from:], p)
	if _, err := m.WriteAt(whole, int64(from)); err != nil {
		return fmt.Errorf("write the disk at byte %d: %w", off, err)
	}
	return nil
}

// readTable reads the partition table. Faults: refused when there is none that can be used, which says why.
func readTable(m io.ReaderAt, disk, sector uint64) (*table, error) {
	if sector != 512 && sector != 4096 || disk < 4*mib {
		return nil, fault.Refused("the disk has %d bytes in sectors of %d", disk, sector)
	}
	first, err := readAt(m, 0, sector)
	if err != nil {
		return nil, err
	}
	t := &table{disk: disk, sector: sector, mbr: slices.Clone(first)}
	if first[510] != 0x55 || first[511] != 0xAA {
		return nil, fault.Refused("the image has no partition table")
	}
	for i := range 4 {
		if first[446+16*i+4] == 0xEE {
			return t, t.readGPT(m)
		}
	}
	return t, t.readMBR()
}

// readMBR takes the four primary partitions.
func (t *table) readMBR() error {
	for i := range 4 {
		e := t.mbr[446+16*i:][:16]
		kind, start, size := e[4], uint64(binary.LittleEndian.Uint32(e[8:]))*t.sector, uint64(binary.LittleEndian.Uint32(e[12:]))*t.sector
		if kind == 0 || size == 0 {
			continue
		}
		if kind == 0x05 || kind == 0x0F || kind == 0x85 {
			t.holds = "the disk has an extended partition"
		}
		t.parts = append(t.parts, partition{number: i + 1, start: start, size: size, mbrKind: kind})
	}
	return t.check()
}

// check refuses partitions that overlap or leave the disk.
func (t *table) check() error {
	if len(t.parts) == 0 {
		return fault.Refused("the partition table of the image is empty")
	}
	inOrder := slices.Clone(t.parts)
	slices.SortFunc(inOrder, func(a, b partition) int {
		if a.start < b.start {
			return -1
		}
		return 1
	})
	at := t.sector
	if t.gpt != nil {
		at = 2*t.sector + t.gpt.entryBytes(t.sector)
	}
	for _, p := range inOrder {
		if p.start < at || p.size == 0 || p.start > t.room() || p.size > t.room()-p.start {
			return fault.Refused("partition %d of the image (%d bytes at byte %d) overlaps another one or does not fit on the disk", p.number, p.size, p.start)
		}
		at = p.end()
	}
	return nil
}

// last is the partition that begins behind all others.
func (t *table) last() *partition {
	last := &t.parts[0]
	for i := range t.parts {
		if t.parts[i].start > last.start {
			last = &t.parts[i]
		}
	}
	return last
}

// grow extends the last partition to the disk's end, less what is kept free there, and writes the table. Doing it
// again changes nothing.
func (t *table) grow(m medium, keep uint64) error {
	p, limit := t.last(), t.room()
	limit -= min(keep, limit)
	if t.gpt == nil {
		limit = min(limit, (1<<32-1)*t.sector)
	}
	if limit = limit / mib * mib; t.holds == "" && limit > p.end() {
		p.size = limit - p.start
	}
	return t.write(m)
}

// room is the first byte behind what partitions may use.
func (t *table) room() uint64 {
	if t.gpt == nil {
		return t.disk
	}
	return t.disk - t.sector - t.gpt.entryBytes(t.sector)
}

// write puts the table on the disk.
func (t *table) write(m medium) error {
	if t.gpt != nil {
		return t.writeGPT(m)
	}
	for _, p := range t.parts {
		e := t.mbr[446+16*(p.number-1):][:16]
		e[4] = p.mbrKind
		if size := uint32(p.size / t.sector); binary.LittleEndian.Uint32(e[12:]) != size {
			copy(e[1:4], []byte{0xFE, 0xFF, 0xFF}) // cylinders mean nothing at this size
			copy(e[5:8], []byte{0xFE, 0xFF, 0xFF})
		}
		binary.LittleEndian.PutUint32(e[8:], uint32(p.start/t.sector))
		binary.LittleEndian.PutUint32(e[12:], uint32(p.size/t.sector))
	}
	return writeAt(m, t.mbr, 0, t.disk)
}
