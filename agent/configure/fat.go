package configure

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// fat reads a FAT file system as far as finding a file by its short name needs.
type fat struct {
	m               io.ReaderAt
	base            uint64 // of the partition, bytes
	table           []byte
	bits            int
	cluster         uint64 // bytes
	data            uint64 // first cluster, byte of the disk
	rootAt, rootLen uint64 // FAT12 and 16: root directory, byte of the disk
	rootCluster     uint32 // FAT32
	serial, label   string
}

const (
	maxTable   = 16 << 20 // bytes of a file allocation table
	maxEntries = 4096     // of a directory that is looked through
)

// openFAT reads the boot sector and the first file allocation table.
func openFAT(m io.ReaderAt, p partition) (*fat, error) {
	boot, err := readAt(m, p.start, 512)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	sector, per := uint64(le.Uint16(boot[11:])), uint64(boot[13])
	reserved, copies, entries := uint64(le.Uint16(boot[14:])), uint64(boot[16]), uint64(le.Uint16(boot[17:]))
	total, size := uint64(le.Uint16(boot[19:])), uint64(le.Uint16(boot[22:]))
	if total == 0 {
		total = uint64(le.Uint32(boot[32:]))
	}
	wide := size == 0
	if wide {
		size = uint64(le.Uint32(boot[36:]))
	}
	if boot[510] != 0x55 || boot[511] != 0xAA || sector < 512 || sector > 4096 || sector&(sector-1) != 0 || per == 0 || per&(per-1) != 0 || copies == 0 || copies > 4 || size == 0 || size*sector > maxTable {
		return nil, fault.Refused("partition %d holds no FAT file system", p.number)
	}
	root := reserved + copies*size
	data := root + (entries*32+sector-1)/sector
	if total <= data || total*sector > p.size {
		return nil, fault.Refused("the FAT file system of partition %d does not fit into it", p.number)
	}
	f := &fat{m: m, base: p.start, cluster: per * sector, data: p.start + data*sector, rootAt: p.start + root*sector, rootLen: entries * 32, bits: 32}
	ids := boot[39:]
	switch clusters := (total - data) / per; {
	case wide:
		f.rootCluster, ids = le.Uint32(boot[44:]), boot[67:]
	case clusters < 4085:
		f.bits = 12
	default:
		f.bits = 16
	}
	f.serial, f.label = fmt.Sprintf("%04X-%04X", le.Uint16(ids[2:]), le.Uint16(ids)), strings.TrimSpace(text(ids[4:15]))
	f.table, err = readAt(m, p.start+reserved*sector, size*sector)
	return f, err
}

// next is the cluster behind another one; 0 at the end, and where the table says nothing sensible.
func (f *fat) next(c uint32) uint32 {
	var n, end uint32
	at := uint64(c) * uint64(f.bits) / 8
	if at+4 > uint64(len(f.table)) {
		return 0
	}
	switch f.bits {
	case 12:
		n, end = uint32(binary.LittleEndian.Uint16(f.table[at:])), 0xFF8
		if c%2 == 1 {
			n >>= 4
		}
		n &= 0xFFF
	case 16:
		n, end = uint32(binary.LittleEndian.Uint16(f.table[at:])), 0xFFF8
	default:
		n, end = binary.LittleEndian.Uint32(f.table[at:])&0x0FFFFFFF, 0x0FFFFFF8
	}
	if n < 2 || n >= end-1 {
		return 0
	}
	return n
}

// directory reads the entries of a directory; cluster 0 is the root.
func (f *fat) directory(cluster uint32) ([]byte, error) {
	if cluster == 0 && f.bits != 32 {
		return readAt(f.m, f.rootAt, min(f.rootLen, maxEntries*32))
	}
	if cluster == 0 {
		cluster = f.rootCluster
	}
	var all []byte
	for ; cluster >= 2 && len(all) < maxEntries*32; cluster = f.next(cluster) {
		part, err := readAt(f.m, f.data+uint64(cluster-2)*f.cluster, f.cluster)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

// has tells whether there is a file with a path of short names.
func (f *fat) has(path string) bool {
	var cluster uint32
	parts := strings.Split(path, "/")
	for i, part := range parts {
		all, err := f.directory(cluster)
		if err != nil {
			return false
		}
		e := find(all, shortName(part))
		if e == nil || (e[11]&0x10 != 0) != (i < len(parts)-1) {
			return false
		}
		cluster = uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
		if i < len(parts)-1 && cluster < 2 {
			return false
		}
	}
	return true
}

// shortName is a name as directories hold it: eight letters and three.
func shortName(s string) [11]byte {
	var n [11]byte
	copy(n[:], "           ")
	base, ext, _ := strings.Cut(strings.ToUpper(s), ".")
	copy(n[:8], base)
	copy(n[8:], ext)
	return n
}

func find(entries []byte, name [11]byte) []byte {
	for ; len(entries) >= 32; entries = entries[32:] {
		switch e := entries[:32]; {
		case e[0] == 0:
			return nil
		case e[11]&0x08 == 0 && bytes.Equal(e[:11], name[:]):
			return e
		}
	}
	return nil
}
