package smbios

import (
	"strings"
	"testing"
)

func FuzzText(f *testing.F) {
	for _, text := range []string{
		"", "Handle 0x0011, DMI type 17, 84 bytes\nMemory Device\n\tArray Handle: 0x0010\n\tSize: 32 GB\n\tRank: 2\n",
		"Handle 0x0000\n\tDMI type 4, 32 bytes.\n\tProcessor Information\n\t\tStatus: Populated, Enabled\n\t\tCore Count: 9e9\n",
		"Processor Information\n\tVersion: @ 9999GHz\n\tSignature: Implementor 0x41\n", "Handle 0x, DMI type 300\n:::\n\t:\n\t\t:\n", "\r\r\n\ufeff#\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if table, err := Text(strings.NewReader(text)); err == nil {
			check(t, table)
		}
	})
}

func FuzzBinary(f *testing.F) {
	b := server()
	f.Add(b.data, true)
	f.Add(b.data[:100], false)
	f.Add([]byte{17, 4, 0, 0, 0, 0}, true)
	f.Add([]byte{4, 255, 0, 0, 0, 0}, true)
	f.Add([]byte{0, 0, 0, 0, 0, 0}, false)
	f.Fuzz(func(t *testing.T, data []byte, modern bool) {
		b := builder{data: data, count: 1 << 15}
		entry := b.entry2(5)
		if modern {
			entry = b.entry3(7)
		}
		table, err := Binary(entry, data)
		if err != nil {
			t.Fatalf("a good entry point was refused: %v", err)
		}
		check(t, table)
	})
}

func FuzzDump(f *testing.F) {
	for _, data := range samples() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if table, err := Dump(data); err == nil {
			check(t, table)
		}
	})
}

// check is what holds for every table, however it came about.
func check(t *testing.T, table *Table) {
	t.Helper()
	inv, _ := table.Inventory()
	if inv.Clean() {
		t.Fatalf("the mapping left something to clean: %+v", inv)
	}
	var sum uint64
	for _, d := range inv.Memory.DIMMs {
		sum += d.SizeBytes
	}
	if sum != inv.Memory.TotalBytes || inv.Memory.Slots < len(inv.Memory.DIMMs) {
		t.Fatalf("total %d, modules %d in %d slots", inv.Memory.TotalBytes, sum, inv.Memory.Slots)
	}
}
