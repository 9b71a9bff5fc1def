package lldp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// value is one TLV.
func value(kind int, content ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(kind<<9|len(content))), content...)
}

func text(kind int, prefix, s string) []byte { return value(kind, []byte(prefix+s)...) }

func frame(values ...[]byte) []byte {
	head := append(append([]byte{}, Group...), 2, 0, 0, 0, 0, 1, 0x88, 0xCC)
	return append(append(head, bytes.Join(values, nil)...), 0, 0)
}

var good = frame(
	value(1, 4, 0x00, 0x1C, 0x73, 0xAA, 0xBB, 0xCC), text(2, "\x05", "Ethernet1/7"), value(3, 0, 120),
	text(4, "", "rack4 u12\x07"), text(5, "", "tor-4.example"), value(127, 0x00, 0x80, 0xC2, 1, 0, 42), value(6, 'x'), value(0),
)

func TestParseReadsANeighbour(t *testing.T) {
	got, err := Parse(good)
	want := Announcement{TTL: 2 * time.Minute, Neighbour: hardware.Neighbour{
		ChassisID: "00:1c:73:aa:bb:cc", PortID: "Ethernet1/7", PortDescription: "rack4 u12", SystemName: "tor-4.example", VLAN: 42,
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, difference (-want +got):\n%s", err, diff)
	}
}

func TestParseReadsEveryKindOfIdentifier(t *testing.T) {
	for want, id := range map[string][]byte{
		"192.0.2.1":   value(1, 5, 1, 192, 0, 2, 1),
		"2001:db8::1": value(1, append([]byte{5, 2, 0x20, 1, 0x0D, 0xB8}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)...),
		"chassis-9":   text(1, "\x07", "chassis-9"),
		"01c000":      value(1, 5, 1, 0xC0, 0),
	} {
		got, err := Parse(frame(id, text(2, "\x07", "p1"), value(3, 0, 1)))
		if err != nil || got.Neighbour.ChassisID != want {
			t.Errorf("chassis %q, error %v; want %q", got.Neighbour.ChassisID, err, want)
		}
	}
}

func TestParseRefusesWhatIsNoAnnouncement(t *testing.T) {
	other := append([]byte{}, good...)
	other[13] = 0xDD
	for name, f := range map[string][]byte{
		"nothing": nil, "another protocol": other, "no port": frame(value(1, 4, 1, 2, 3, 4, 5, 6), value(3, 0, 1)),
		"cut in a value": good[:30], "an empty chassis": frame(value(1), text(2, "\x05", "p"), value(3, 0, 1)),
	} {
		if a, err := Parse(f); fault.KindOf(err) != fault.KindInvalid {
			t.Errorf("%s: %+v, %v; want an invalid fault", name, a, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add(good[:40])
	f.Add(frame(value(1, 5, 1), value(2, 3), value(3)))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Parse(data)
		if err != nil {
			return
		}
		inv := hardware.Inventory{NICs: []hardware.NIC{{LLDP: &a.Neighbour}}}
		if a.Neighbour.ChassisID == "" || a.Neighbour.PortID == "" || a.TTL < 0 || inv.Clean() {
			t.Fatalf("unclean announcement %+v", a)
		}
	})
}
