package configure

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/agent/firmware"
)

// firmwareOf is a directory of variables as efivarfs shows them. The entry that the machine was started by is 0002.
func firmwareOf(t *testing.T) firmware.Variables {
	t.Helper()
	v := firmware.Variables(t.TempDir())
	for name, value := range map[string][]byte{
		"BootOrder": firmware.Numbers([]uint16{1, 2, 3}), "BootCurrent": firmware.Numbers([]uint16{2}),
		"Boot0001": slices.Concat([]byte{1, 0, 0, 0, 4, 0}, firmware.Wide("disk"), []byte{0x7F, 0xFF, 4, 0}),
		"Boot0002": slices.Concat([]byte{1, 0, 0, 0, 4, 0}, firmware.Wide("network"), []byte{0x7F, 0xFF, 4, 0}),
		"Boot0003": slices.Concat([]byte{1, 0, 0, 0, 4, 0}, firmware.Wide(ours+"older"), []byte{0x7F, 0xFF, 4, 0}),
	} {
		ok(t, v.Set(name, value))
	}
	return v
}

func TestB43_TheFirmwareTriesTheDiskBehindTheNetwork(t *testing.T) {
	v := firmwareOf(t)
	esp := partition{number: 1, start: mib, size: 64 * mib, id: [16]byte{0xAA, 1, 2, 3}}
	b := bootOption{table: &table{sector: 512, gpt: &gpt{}}, esp: esp, path: loaders[0], name: ours + "debian-12"}
	for range 2 { // again is the same
		number, err := enter(string(v), b)
		ok(t, err)
		if got := v.List("BootOrder"); number != 0 || !slices.Equal(got, []uint16{1, 2, 0}) {
			t.Errorf("entry %d, order %v", number, got)
		}
		if got := v.List("BootNext"); !slices.Equal(got, []uint16{0}) {
			t.Errorf("next %v", got)
		}
	}
	if _, err := os.Stat(v.Path("Boot0003")); !os.IsNotExist(err) {
		t.Error("the entry of an earlier installation is left")
	}
	got := v.Get("Boot0000")
	for what, want := range map[string][]byte{
		"partition": slices.Concat([]byte{4, 1, 42, 0, 1, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0}, esp.id[:], []byte{2, 2}),
		"loader":    append([]byte{4, 4, 4 + 2*22, 0}, firmware.Wide(`\EFI\BOOT\BOOTX64.EFI`)...),
		"name":      firmware.Wide(ours + "debian-12"),
	} {
		if !bytes.Contains(got, want) {
			t.Errorf("the entry has no %s % x:\n% x", what, want, got)
		}
	}
}

func TestB43_AFullMenuIsSaid(t *testing.T) {
	v := firmwareOf(t)
	for n := range 256 {
		ok(t, v.Set("Boot"+string("0123456789ABCDEF"[n>>12&15])+string("0123456789ABCDEF"[n>>8&15])+string("0123456789ABCDEF"[n>>4&15])+string("0123456789ABCDEF"[n&15]), []byte{1, 0, 0, 0, 0, 0, 'x', 0, 0, 0}))
	}
	if _, err := enter(string(v), bootOption{table: &table{sector: 512, mbr: make([]byte, 512)}}); err == nil {
		t.Error("an entry was written over another one")
	}
}
