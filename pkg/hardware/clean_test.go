package hardware

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanBoundsHostileInventories(t *testing.T) {
	inv := &Inventory{
		System:   System{Product: "evil\x1b[31m\u202egpj\x00"},
		Firmware: Firmware{Version: strings.Repeat("ä", 10<<20/2)},
		CPUs:     make([]CPU, 1000),
		Disks:    []Disk{{Model: "bad\xff\xfe", SizeBytes: 1 << 63, SectorSize: -5, SMART: &SMART{WearPercent: -7}}},
		NICs:     []NIC{{Addresses: make([]string, 500), LLDP: &Neighbour{SystemName: "a\nb"}}},
		Sections: []Section{{Name: "cpu", State: "splendid"}},
	}
	inv.CPUs[0].Cores = -3
	if !inv.Clean() {
		t.Fatal("nothing was found to clean")
	}
	if inv.System.Product != "evil[31mgpj" {
		t.Errorf("product %q", inv.System.Product)
	}
	if v := inv.Firmware.Version; len(v) > MaxString || !utf8.ValidString(v) || len(v) < MaxString-4 {
		t.Errorf("version has %d bytes, valid %v", len(v), utf8.ValidString(v))
	}
	if len(inv.CPUs) != MaxCPUs || inv.CPUs[0].Cores != 0 || len(inv.NICs[0].Addresses) != MaxAddresses {
		t.Error("lists or counts were not bounded")
	}
	d := inv.Disks[0]
	if d.SectorSize != 0 || d.SMART.WearPercent != -1 || d.SizeBytes != maxBytes || !utf8.ValidString(d.Model) {
		t.Errorf("disk %+v, %+v", d, d.SMART)
	}
	if inv.NICs[0].LLDP.SystemName != "ab" || inv.Sections[0].State != SectionFailed {
		t.Errorf("neighbour %+v, section %+v", inv.NICs[0].LLDP, inv.Sections[0])
	}
	if inv.Clean() {
		t.Error("cleaning twice changed something")
	}
}

func TestCleanLeavesAGoodInventory(t *testing.T) {
	inv := example()
	before := inv.Digest()
	if inv.Clean() || inv.Digest() != before {
		t.Error("a good inventory was changed")
	}
}

func TestDigestIsStable(t *testing.T) {
	inv := example()
	text, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	var back Inventory
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	back.Identity.MACs = append([]string{}, back.Identity.MACs...)
	back.PCI, back.Sections = []PCI{}, []Section{}
	for i := range back.NICs {
		back.NICs[i].Addresses = []string{}
	}
	if back.Digest() != inv.Digest() {
		t.Error("travelling changed the digest")
	}
	if len(inv.Digest()) != 64 {
		t.Errorf("digest %q", inv.Digest())
	}
	back.Disks[0].Serial = "other"
	if back.Digest() == inv.Digest() {
		t.Error("another serial number has the same digest")
	}
}

func FuzzCleanString(f *testing.F) {
	for _, s := range []string{"", "Dell Inc.", "a\x00b", "\xff", "\u202e", strings.Repeat("é", 200), strings.Repeat(" x", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := CleanString(s)
		if !utf8.ValidString(once) || len(once) > MaxString || strings.ContainsFunc(once, unwanted) {
			t.Fatalf("%q is not clean", once)
		}
		if again := CleanString(once); again != once {
			t.Fatalf("%q cleaned again is %q", once, again)
		}
	})
}
