package configure

import (
	"bytes"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

// memory is a disk in memory, with the rules of direct I/O.
type memory struct{ b []byte }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if off%driver.Block != 0 || off > int64(len(m.b)) {
		return 0, os.ErrInvalid
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if off%driver.Block != 0 || off+int64(len(p)) > int64(len(m.b)) {
		return 0, os.ErrInvalid
	}
	return copy(m.b[off:], p), nil
}

// made lets sfdisk make a table of 48 MiB on a disk of 64.
func made(t testing.TB, label string) *memory {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 48*mib); err != nil {
		t.Fatal(err)
	}
	if tt, is := t.(*testing.T); is {
		run(tt, "label: "+label+"\nstart=2048, size=4096\nstart=6144, size=40960\n", "sfdisk", "-q", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return &memory{append(b, make([]byte, 16*mib)...)}
}

func TestB43_APartitionTableGrowsToTheDisksEnd(t *testing.T) {
	for label, end := range map[string]uint64{"gpt": 63 * mib, "dos": 64 * mib} {
		m := made(t, label)
		table, err := readTable(m, 64*mib, 512)
		ok(t, err)
		ok(t, table.grow(m, 0))
		again, err := readTable(m, 64*mib, 512)
		ok(t, err)
		if got := again.last(); got.start != 6144*512 || got.end() != end || len(again.parts) != 2 {
			t.Errorf("%s: %+v", label, got)
		}
		if a, b := table.partUUID(table.parts[0]), again.partUUID(again.parts[0]); a != b {
			t.Errorf("%s: the id of a partition changed from %s to %s", label, a, b)
		}
	}
}

// TestB43_AHalfWrittenTableIsRead tears the writing of the table at every block.
func TestB43_AHalfWrittenTableIsRead(t *testing.T) {
	before := made(t, "gpt")
	after := &memory{bytes.Clone(before.b)}
	table, err := readTable(after, 64*mib, 512)
	ok(t, err)
	torn := &tearing{memory: after}
	ok(t, table.grow(torn, 0))
	if len(torn.states) < 10 {
		t.Fatalf("%d states", len(torn.states))
	}
	for i, state := range torn.states {
		m := &memory{state}
		again, err := readTable(m, 64*mib, 512)
		if err != nil {
			t.Fatalf("after %d blocks: %v", i, err)
		}
		ok(t, again.grow(m, 0))
		if !bytes.Equal(m.b, after.b) {
			t.Errorf("after %d blocks, then again: another table", i)
		}
	}
}

// tearing keeps what a power cut would leave after each block.
type tearing struct {
	*memory
	states [][]byte
}

func (d *tearing) WriteAt(p []byte, off int64) (int, error) {
	for at := 0; at < len(p); at += driver.Block {
		if _, err := d.memory.WriteAt(p[at:min(at+driver.Block, len(p))], off+int64(at)); err != nil {
			return at, err
		}
		d.states = append(d.states, bytes.Clone(d.b))
	}
	return len(p), nil
}

func TestB43_AHostileTableIsRefused(t *testing.T) {
	good := made(t, "gpt").b
	for what, spoil := range map[string]func(b []byte){
		"no mark":            func(b []byte) { b[510] = 0 },
		"no header":          func(b []byte) { clear(b[512:1024]) },
		"a flipped bit":      func(b []byte) { b[1024+40] ^= 1 },
		"thousands of parts": func(b []byte) { b[512+80], b[512+81] = 0xFF, 0xFF; seal(b) },
		"no parts":           func(b []byte) { clear(b[1024 : 1024+128*128]); seal(b) },
		"entries far away":   func(b []byte) { b[512+72+7] = 0x7F; seal(b) },
		"small entries":      func(b []byte) { b[512+84] = 1; seal(b) },
		"overlap":            func(b []byte) { copy(b[1024+128+32:], b[1024+32:1024+48]); seal(b) },
		"behind the end":     func(b []byte) { b[1024+128+40+5] = 1; seal(b) },
		"ends before it begins": func(b []byte) {
			clear(b[1024+128+40 : 1024+128+48])
			seal(b)
		},
		"over the table itself":  func(b []byte) { clear(b[1024+32 : 1024+40]); b[1024+32] = 3; seal(b) },
		"of another sector size": func(b []byte) { copy(b[4096:], b[512:1024]); clear(b[512:1024]) },
	} {
		m := &memory{bytes.Clone(good)}
		spoil(m.b)
		table, err := readTable(m, 64*mib, 512)
		if !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %+v %v", what, table, err)
		}
		if what == "of another sector size" && !strings.Contains(err.Error(), "sectors of 4096") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// seal makes the checksums of a first table right again.
func seal(b []byte) {
	g := gpt{header: b[512 : 512+92], entries: b[1024 : 1024+128*128]}
	sum := checksum(g.entries)
	copy(g.header[88:], sum[:])
	clear(g.header[16:20])
	head := checksum(g.header)
	copy(g.header[16:], head[:])
}

func checksum(b []byte) [4]byte {
	var out [4]byte
	n := crc32.ChecksumIEEE(b)
	for i := range out {
		out[i] = byte(n >> (8 * i))
	}
	return out
}

func FuzzTable(f *testing.F) {
	head := make([]byte, 40<<10)
	head[510], head[511] = 0x55, 0xAA
	head[446+4] = 0xEE
	copy(head[512:], gptMark)
	head[512+12], head[512+24], head[512+72], head[512+80], head[512+84] = gptHeader, 1, 2, 128, 128
	copy(head[1024:], "type of a partition")
	head[1024+33], head[1024+41] = 8, 16 // sectors 2048 to 4096
	seal(head)
	if _, err := readTable(&memory{append(head, make([]byte, 4*mib-len(head))...)}, 4*mib, 512); err != nil {
		f.Fatal(err)
	}
	f.Add(head, uint8(0))
	dos := bytes.Clone(head)
	dos[446+4], dos[446+8], dos[446+12] = 0x83, 8, 200
	f.Add(dos, uint8(1))
	f.Fuzz(func(t *testing.T, head []byte, kind uint8) {
		m := &memory{make([]byte, 4*mib)}
		copy(m.b, head[:min(len(head), len(m.b))])
		if kind%2 == 0 && len(head) > 20<<10 {
			seal(m.b) // so that more than checksums is tried
		}
		table, err := readTable(m, uint64(len(m.b)), 512)
		if err != nil {
			return
		}
		for _, p := range table.parts {
			if p.start < 512 || p.end() > uint64(len(m.b)) || p.end() < p.start {
				t.Fatalf("a partition outside of the disk: %+v", p)
			}
			if fs, is := identify(m, p); is && fs.kind == "" {
				t.Fatal("a file system without a kind")
			}
			if v, err := openFAT(m, p); err == nil {
				v.has(loaders[0])
			}
		}
		_ = table.grow(m, 0)
	})
}

func FuzzFAT(f *testing.F) {
	f.Add([]byte{}, uint16(512), uint8(1), uint16(1), uint16(16), uint16(40), uint16(4))
	f.Fuzz(func(t *testing.T, data []byte, sector uint16, per uint8, reserved, entries, total, size uint16) {
		m := &memory{make([]byte, 1<<20)}
		copy(m.b[512:], data)
		b := m.b
		b[11], b[12], b[13], b[14], b[15], b[16] = byte(sector), byte(sector>>8), per, byte(reserved), byte(reserved>>8), 1
		b[17], b[18], b[19], b[20], b[22], b[23] = byte(entries), byte(entries>>8), byte(total), byte(total>>8), byte(size), byte(size>>8)
		b[510], b[511] = 0x55, 0xAA
		if v, err := openFAT(m, partition{size: 1 << 20}); err == nil {
			v.has(loaders[0])
		}
	})
}

func TestB43_ABootLoaderIsFoundOnFAT(t *testing.T) {
	for bits, size := range map[string]string{"12": "2048", "16": "16384", "32": "40960"} {
		file := filepath.Join(t.TempDir(), "esp")
		run(t, "", "mkfs.vfat", "-C", "-F", bits, "-i", "1234ABCD", "-n", "BOOT", file, size)
		loader := filepath.Join(t.TempDir(), "x")
		ok(t, os.WriteFile(loader, []byte("loader"), 0o600))
		run(t, "", "mmd", "-i", file, "::/EFI", "::/EFI/debian")
		for n := range 40 { // more than one cluster of entries before the one that is wanted
			run(t, "", "mcopy", "-i", file, loader, "::/EFI/debian/a long name of a file "+string(rune('a'+n%26))+string(rune('a'+n/26)))
		}
		run(t, "", "mcopy", "-i", file, loader, "::/EFI/debian/shimx64.efi")
		b, err := os.ReadFile(file)
		ok(t, err)
		f, err := openFAT(&memory{append(make([]byte, mib), b...)}, partition{number: 1, start: mib, size: uint64(len(b))})
		ok(t, err)
		if f.bits != map[string]int{"12": 12, "16": 16, "32": 32}[bits] || f.serial != "1234-ABCD" || f.label != "BOOT" {
			t.Errorf("FAT%s: %d bits, %s, %s", bits, f.bits, f.serial, f.label)
		}
		if !f.has("EFI/DEBIAN/SHIMX64.EFI") || f.has("EFI/BOOT/BOOTX64.EFI") || f.has("EFI/DEBIAN") {
			t.Errorf("FAT%s: the loader is not found, or one that is not there is", bits)
		}
	}
}
