package smbios

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

var update = flag.Bool("update", false, "write the binary samples anew")

// The texts in testdata are what dmidecode 3.4 prints for the binary samples:
//
//	dmidecode --from-dump testdata/server3.bin > testdata/server3.txt
func samples() map[string][]byte {
	b := server()
	return map[string][]byte{"server3": b.dump(b.entry3(2)), "server2": b.dump(b.entry2(8)), "old": old().dump(old().entry2(3))}
}

// old is a table of 1999: no handles of use, no core counts, a UUID in the other
// byte order.
func old() *builder {
	b := &builder{}
	b.add(typeFirmware, 0x12, fields{4: "IBM", 5: "-[TTKT23A]-", 8: "12/31/99"})
	b.add(typeSystem, 0x19, fields{4: "IBM", 5: "eserver", 7: "0000000", 8: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}})
	b.add(typeProcessor, 0x20, fields{4: "U3E1", 5: uint8(3), 6: uint8(0x11), 7: "GenuineIntel", 8: []byte{0x81, 6, 0, 0}, 0x10: "Pentium III", 0x16: uint16(733), 0x18: uint8(0x41)})
	array := b.add(typeArray, 0x0F, fields{4: uint8(3), 5: uint8(3), 6: uint8(5), 7: uint32(1 << 20), 0x0D: uint16(2)})
	b.add(typeModule, 0x15, fields{4: array, 8: uint16(72), 0xA: uint16(64), 0xC: uint16(256), 0xE: uint8(9), 0x10: "DIMM1", 0x12: uint8(0x0F)})
	b.add(typeModule, 0x15, fields{4: array, 0xC: uint16(0), 0xE: uint8(9), 0x10: "DIMM2", 0x12: uint8(2)})
	b.add(typeEnd, 4, nil)
	return b
}

func TestX1_BinaryTablesAndTheirTextGiveOneInventory(t *testing.T) {
	if *update {
		for name, data := range samples() {
			if err := os.WriteFile(filepath.Join("testdata", name+".bin"), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Log("print the samples anew with dmidecode, then run without -update")
		return
	}
	for name, data := range samples() {
		path := filepath.Join("testdata", name+".bin")
		stored, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(stored) != string(data) {
			t.Fatalf("%s is not what the test builds; run with -update and print its text with dmidecode again", path)
		}
		binary, err := Dump(stored)
		if err != nil {
			t.Fatal(err)
		}
		fromBinary, gaps := binary.Inventory()
		text := read(t, name+".txt")
		fromText, textGaps := text.Inventory()
		if diff := cmp.Diff(fromText, fromBinary); diff != "" {
			t.Errorf("%s: text and binary differ (-text +binary):\n%s", name, diff)
		}
		if diff := cmp.Diff(textGaps, gaps); diff != "" {
			t.Errorf("%s: gaps differ (-text +binary):\n%s", name, diff)
		}
	}
}

func read(t *testing.T, name string) *Table {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table, err := Text(file)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestInventoryOfABinaryTable(t *testing.T) {
	b := server()
	table, err := Dump(b.dump(b.entry3(2)))
	if err != nil {
		t.Fatal(err)
	}
	got, gaps := table.Inventory()
	xeon := hardware.CPU{Socket: "CPU1", Vendor: "Intel", Model: "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz", Arch: "x86_64", Cores: 12, Threads: 24, BaseMHz: 2200}
	second := xeon
	second.Socket = "CPU2"
	module := func(slot string, size uint64) hardware.DIMM {
		return hardware.DIMM{Slot: slot, SizeBytes: size, Type: "DDR4", SpeedMTs: 2400, FormFactor: "DIMM", Vendor: "Samsung", Part: "M393A4K40BB1-CRC", Serial: "S-" + slot, Rank: 2}
	}
	want := hardware.Inventory{
		Identity: hardware.Identity{UUID: "4c4c4544-0042-3510-8054-b7c04f4d3532", SystemSerial: "SYS0001", BoardSerial: "1234567890", ChassisSerial: "CH-77"},
		System:   hardware.System{Vendor: "Steel Works", Product: "SW-2200", SKU: "SKU-1"},
		Board:    hardware.Board{Vendor: "Steel Works", Product: "Board 9", Version: "1.02"},
		Chassis:  hardware.Chassis{Vendor: "Steel Works", Type: "Rack Mount Chassis", AssetTag: "Rack 4"},
		Firmware: hardware.Firmware{Vendor: "American Megatrends Inc.", Version: "3.4", Date: "10/30/2020"},
		CPUs: []hardware.CPU{xeon, second, {
			Socket: "CPU4", Vendor: "AMD", Model: "AMD EPYC 9Y99 384-Core Processor", Arch: "x86_64", Cores: 384, Threads: 768, BaseMHz: 2450,
		}},
		Memory: hardware.Memory{
			TotalBytes: 112<<30 + 1<<20, ECC: "multi-bit", Slots: 8,
			DIMMs: []hardware.DIMM{module("A1", 16<<30), module("A2", 64<<30), module("A3", 32<<30), module("A4", 1<<20)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	wantGaps := []Gap{{typeModule, "Size", "Unknown", "a module whose size the firmware does not know"}}
	if diff := cmp.Diff(wantGaps, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestTextReadsEveryForm(t *testing.T) {
	const body = "System Information\n\tManufacturer: Acme: the maker\n\tSerial Number: A1\n"
	for name, text := range map[string]string{
		"version 3":        "# dmidecode 3.4\n\nHandle 0x0100, DMI type 1, 27 bytes\n" + body,
		"version 2.0":      "# dmidecode 2.0\n\nHandle 0x0100\n\tDMI type 1, 27 bytes.\n\tSystem Information\n\t\tManufacturer: Acme: the maker\n\t\tSerial Number: A1\n",
		"without handles":  "# dmidecode 3.4\n\n" + body + "\nEnd Of Table\n",
		"DOS line ends":    strings.ReplaceAll("Handle 0x0100, DMI type 1, 27 bytes\n"+body, "\n", "\r\n"),
		"pasted by spaces": strings.ReplaceAll("Handle 0x0100, DMI type 1, 27 bytes\n"+body, "\t", "    "),
		"with a BOM":       "\ufeffHandle 0x0100, DMI type 1, 27 bytes\n" + body,
		"foreign title":    "Handle 0x0100, DMI type 1, 27 bytes\nSysteminformationen\n\tManufacturer: Acme: the maker\n\tSerial Number: A1\n",
		"cut in a line":    "Handle 0x0100, DMI type 1, 27 bytes\n" + body + "\tUUI",
	} {
		table, err := Text(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inv, _ := table.Inventory()
		if inv.System.Vendor != "Acme: the maker" || inv.Identity.SystemSerial != "A1" {
			t.Errorf("%s: read %+v, %+v", name, inv.System, inv.Identity)
		}
	}
}

func TestBadInputIsRefusedInWords(t *testing.T) {
	b := server()
	good := b.dump(b.entry3(2))
	broken := append([]byte{}, good...)
	broken[8] ^= 0xFF
	for name, data := range map[string][]byte{
		"nothing": {}, "an anchor alone": []byte("_SM_"), "another file": []byte("\x7fELF\x02\x01"),
		"a wrong checksum": broken, "an entry point alone": good[:0x18],
	} {
		if _, err := Dump(data); fault.KindOf(err) != fault.KindInvalid {
			t.Errorf("%s: %v; want an invalid fault", name, err)
		}
	}
	if _, err := Text(strings.NewReader("# dmidecode 3.4\nScanning /dev/mem for entry point.\n# No SMBIOS nor DMI entry point found, sorry.\n")); !errors.Is(err, ErrAbsent) {
		t.Errorf("a machine without SMBIOS: %v", err)
	}
	if _, err := Text(strings.NewReader("<html>404</html>")); fault.KindOf(err) != fault.KindInvalid {
		t.Errorf("a web page: %v", err)
	}
}

func TestTruncatedTableGivesWhatItHolds(t *testing.T) {
	b := server()
	whole := b.dump(b.entry3(2))
	before := 0
	for n := 0x20; n < len(whole); n += 7 {
		table, err := Dump(whole[:n+1])
		if err != nil {
			t.Fatal(err)
		}
		if len(table.Structures) < before {
			t.Fatalf("%d bytes give %d structures, fewer bytes gave %d", n, len(table.Structures), before)
		}
		before = len(table.Structures)
		table.Inventory()
	}
	if before != b.count-1 {
		t.Errorf("%d structures; want %d", before, b.count-1)
	}
}

func TestHostileStringsAreBounded(t *testing.T) {
	text := "Handle 0x0001, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: \x1b[2J" + strings.Repeat("A", 10<<20) + "\n" +
		"\tProduct Name: a\u202eb\x00c\xff\n"
	text += strings.Repeat("\nHandle 0x0011, DMI type 17, 40 bytes\nMemory Device\n\tSize: 1 GB\n\tLocator: X1\n", 2000)
	table, err := Text(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	inv, _ := table.Inventory()
	if inv.Clean() {
		t.Error("the mapping left something to clean")
	}
	if len(inv.System.Vendor) != hardware.MaxString || inv.System.Product != "abc\uFFFD" || len(inv.Memory.DIMMs) != hardware.MaxDIMMs {
		t.Errorf("vendor %d bytes, product %q, %d modules", len(inv.System.Vendor), inv.System.Product, len(inv.Memory.DIMMs))
	}
}

func TestX1_PlaceholdersAreDroppedButDuplicateSerialsAreKept(t *testing.T) {
	for value, want := range map[string]string{
		"To Be Filled By O.E.M.": "", "Not Specified": "", "--": "", " ": "", "00000000": "", "0x00000000": "", "FFFFFFFF": "",
		"XxXxXxX": "", "....................": "", "Default string": "", "<BAD INDEX>": "", "0": "",
		"1234567890": "1234567890", "0123456789": "0123456789", " CN7016 ": "CN7016", "A": "A", "F0": "F0", "0X1": "0X1",
	} {
		if got := known(value); got != want {
			t.Errorf("known(%q) = %q; want %q", value, got, want)
		}
	}
	for value, want := range map[string]string{
		"4C4C4544-0042-3510-8054-B7C04F4D3532": "4c4c4544-0042-3510-8054-b7c04f4d3532",
		"03000200-0400-0500-0006-000700080009": "", "00000000-0000-0000-0000-000000000000": "",
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": "", "Not Settable": "", "4C4C4544x0042-3510-8054-B7C04F4D3532": "",
	} {
		if got := uuid(value); got != want {
			t.Errorf("uuid(%q) = %q; want %q", value, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for value, want := range map[string]uint64{
		"32 GB": 32 << 30, "4096 kB": 4 << 20, "1 TB": 1 << 40, "1.5 TB": 3 << 39, "1,5 TB": 3 << 39, "16384 MB": 16 << 30, "32GB": 32 << 30, "512 bytes": 512,
	} {
		if got, ok := size(value); !ok || got != want {
			t.Errorf("size(%q) = %d, %v; want %d", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "No Module Installed", "many GB", "-1 GB", "9999999999999 TB", "NaN GB", "1 parsec"} {
		if got, ok := size(value); ok {
			t.Errorf("size(%q) = %d; want a refusal", value, got)
		}
	}
}

func TestVendorNames(t *testing.T) {
	for value, want := range map[string]string{
		"Intel(R) Corporation": "Intel", "Advanced Micro Devices, Inc.": "AMD", "AuthenticAMD": "AMD", "80CE04B380CE": "Samsung",
		"0x0198": "Kingston", "00AD063200AD": "SK Hynix", "Hynix Semiconductor": "SK Hynix", "Loongson": "Loongson", "DEADBEEF": "DEADBEEF", "": "",
	} {
		if got := VendorName(value); got != want {
			t.Errorf("VendorName(%q) = %q; want %q", value, got, want)
		}
	}
}
