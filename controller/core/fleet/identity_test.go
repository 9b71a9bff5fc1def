package fleet

import (
	"slices"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestX1_IdentityIsSameDistinctOrAClash(t *testing.T) {
	a := hardware.Identity{UUID: "4c4c", SystemSerial: "SN1", BoardSerial: "B1", MACs: []string{"02:01", "02:02"}}
	changed := func(f func(*hardware.Identity)) hardware.Identity {
		b := a
		f(&b)
		return b
	}
	for name, c := range map[string]struct {
		b    hardware.Identity
		want Match
	}{
		"itself":           {a, Same},
		"upper case":       {changed(func(b *hardware.Identity) { b.SystemSerial = "sn1" }), Same},
		"another machine":  {hardware.Identity{UUID: "9", SystemSerial: "SN2", MACs: []string{"02:03"}}, Distinct},
		"same serial only": {hardware.Identity{UUID: "9", SystemSerial: "SN1", MACs: []string{"02:03"}}, Clash},
		"same MAC only":    {hardware.Identity{UUID: "9", SystemSerial: "SN2", MACs: []string{"02:02"}}, Clash},
		"board replaced":   {changed(func(b *hardware.Identity) { b.BoardSerial = "B2" }), Clash},
		"nothing known":    {hardware.Identity{}, Distinct},
	} {
		if got, shared := Compare(a, c.b); got != c.want || (got != Distinct) != (len(shared) > 0) {
			t.Errorf("%s: got %v %v, want %v", name, got, shared, c.want)
		}
		if got, _ := Compare(c.b, a); got != c.want {
			t.Errorf("%s, turned round: got %v", name, got)
		}
	}
}

func TestB44_OnlyNamedFixedDisksAreTargets(t *testing.T) {
	inv := hardware.Inventory{Disks: []hardware.Disk{
		{Name: "sda", Serial: "S1", SizeBytes: 480e9},
		{Name: "sdb", Serial: "S2", SizeBytes: 960e9},
		{Name: "sdc", Serial: "S3", SizeBytes: 100e9, Rotational: true},
		{Name: "sdd", Serial: "U1", SizeBytes: 8e9, Type: hardware.DiskUSB},
		{Name: "sde", Serial: "R1", SizeBytes: 8e9, ReadOnly: true},
		{Name: "sdf", Serial: "sandbox-0", SizeBytes: 1 << 20},
	}}
	if got := len(Targets(protocol.EnvRAM, &inv)); got != 4 {
		t.Fatalf("%d targets", got)
	}
	if got := Targets(protocol.EnvSandbox, &inv); len(got) != 1 || got[0].Name != "sdf" {
		t.Fatalf("a sandbox offers %+v", got)
	}
	d, err := InstallTarget(protocol.EnvRAM, &inv, 10e9)
	if err != nil || d.Serial != "S1" {
		t.Fatalf("target %+v, %v", d, err)
	}
	if _, err := InstallTarget(protocol.EnvRAM, &inv, 10e12); !fault.Is(err, fault.KindRefused) {
		t.Fatalf("too large: %v", err)
	}
	s := &Server{ID: "srv-1", Environment: protocol.EnvRAM}
	inv.Disks = slices.Delete(inv.Disks, 4, 5) // read-only: no target, and never proven empty
	if _, err := EraseRefs(s, &inv); err != nil {
		t.Fatal(err)
	}
	inv.Disks = append(inv.Disks, hardware.Disk{Name: "sdg", SizeBytes: 1e9})
	if _, err := EraseRefs(s, &inv); !fault.Is(err, fault.KindRefused) {
		t.Fatalf("a disk without a name: %v", err)
	}
	s.Environment = protocol.EnvInstalled
	if _, err := EraseRefs(s, &inv); !fault.Is(err, fault.KindRefused) {
		t.Fatalf("an installed system: %v", err)
	}
}
