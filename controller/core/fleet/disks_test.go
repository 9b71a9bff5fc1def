package fleet

import (
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func ofDisks(disks ...hardware.Disk) *hardware.Inventory { return &hardware.Inventory{Disks: disks} }

var ssd = hardware.Disk{Name: "sda", Type: hardware.DiskSATA, Serial: "S1", SizeBytes: 480e9}

// TestB45_ADiskThatCannotBeErasedKeepsTheServerFromBeingClean: data of the last tenant may be on it.
func TestB45_ADiskThatCannotBeErasedKeepsTheServerFromBeingClean(t *testing.T) {
	for what, bad := range map[string]hardware.Disk{
		"read-only":   {Name: "sdb", Type: hardware.DiskSATA, Serial: "S2", SizeBytes: 480e9, ReadOnly: true},
		"no capacity": {Name: "sdb", Type: hardware.DiskSATA, Serial: "S2"},
		"removable":   {Name: "sdb", Type: hardware.DiskSATA, Serial: "S2", SizeBytes: 480e9, Removable: true},
		"serial":      {Name: "sdb", Type: hardware.DiskUnknown, SizeBytes: 480e9},
	} {
		inv := ofDisks(ssd, bad)
		if Covers([]protocol.DiskRef{Ref(ssd)}, protocol.EnvRAM, inv) {
			t.Errorf("%s: the server counts as clean", what)
		}
		if _, err := EraseRefs(&Server{ID: "srv-1", Environment: protocol.EnvRAM}, inv); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if fresh := NewDisks(protocol.EnvRAM, ofDisks(ssd), inv); len(fresh) != 1 {
			t.Errorf("%s: it comes unnoticed", what)
		}
	}
	for what, other := range map[string]hardware.Disk{
		"a stick":          {Name: "sdb", Type: hardware.DiskUSB, Serial: "S2", SizeBytes: 8e9, Removable: true},
		"an empty reader":  {Name: "sdb", Type: hardware.DiskSATA, Serial: "S2", Removable: true},
		"a virtual floppy": {Name: "sdb", Type: hardware.DiskUnknown, SizeBytes: 1440e3, Removable: true},
	} {
		if refs, err := EraseRefs(&Server{Environment: protocol.EnvRAM}, ofDisks(ssd, other)); err != nil || len(refs) != 1 {
			t.Errorf("%s: %v %v", what, refs, err)
		}
	}
}

// TestB44_TwoDisksOfOneSerialAreTwoDisks: the second one was never erased.
func TestB44_TwoDisksOfOneSerialAreTwoDisks(t *testing.T) {
	twin := ssd
	twin.Name = "sdb"
	if fresh := NewDisks(protocol.EnvRAM, ofDisks(ssd), ofDisks(ssd, twin)); len(fresh) != 1 {
		t.Errorf("a second disk of a known serial is not new: %v", fresh)
	}
	if fresh := NewDisks(protocol.EnvRAM, ofDisks(ssd, twin), ofDisks(twin, ssd)); len(fresh) != 0 {
		t.Errorf("nothing changed, and these are new: %v", fresh)
	}
	if Covers([]protocol.DiskRef{Ref(ssd)}, protocol.EnvRAM, ofDisks(ssd, twin)) {
		t.Error("one erased disk covers two")
	}
	if !Covers([]protocol.DiskRef{Ref(twin)}, protocol.EnvRAM, ofDisks(ssd)) {
		t.Error("a kernel name counts")
	}
}

// TestB44_OnlyWhatADriveHidGrows: the next permit of an erase names the whole disk, and nothing else that changed.
func TestB44_OnlyWhatADriveHidGrows(t *testing.T) {
	sata := func(serial string, size uint64) hardware.Disk {
		return hardware.Disk{Name: "sda", Type: hardware.DiskSATA, Serial: serial, SizeBytes: size}
	}
	inv := hardware.Inventory{Disks: []hardware.Disk{sata("A", 8), sata("B", 8), sata("D", 9), sata("D", 9), {Type: hardware.DiskNVMe, Serial: "N", SizeBytes: 9}}}
	before := inv
	if !Regain(&inv, []protocol.Erasure{{Disk: protocol.DiskRef{Serial: "A", SizeBytes: 8}, Regained: 4}, {Disk: protocol.DiskRef{Serial: "B", SizeBytes: 7}, Regained: 4}}) {
		t.Error("nothing was regained")
	}
	if before.Disks[0].SizeBytes != 8 || inv.Disks[0].SizeBytes != 12 || inv.Disks[1].SizeBytes != 8 {
		t.Errorf("%+v", inv.Disks)
	}
	got := Grown([]protocol.DiskRef{{Serial: "A", SizeBytes: 8}, {Serial: "B", SizeBytes: 9}, {Serial: "C", SizeBytes: 8}, {Serial: "D", SizeBytes: 8}, {Serial: "N", SizeBytes: 8}}, &inv)
	for i, want := range []uint64{12, 9, 8, 8, 8} {
		if got[i].SizeBytes != want {
			t.Errorf("%s has %d bytes, want %d", got[i].Serial, got[i].SizeBytes, want)
		}
	}
}
