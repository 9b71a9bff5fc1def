package firmware

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

// option is an EFI_LOAD_OPTION with the nodes of a path.
func option(attributes uint32, name string, nodes ...[]byte) []byte {
	path := append(slices.Concat(nodes...), endOfPath, 0xFF, 4, 0)
	b := binary.LittleEndian.AppendUint32(nil, attributes)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(path)))
	return slices.Concat(b, Wide(name), path)
}

var (
	pci  = []byte{1, 1, 6, 0, 0, 3}
	card = append([]byte{messaging, messagingMAC, 37, 0}, make([]byte, 33)...)
	ip4  = append([]byte{messaging, 12, 27, 0}, make([]byte, 23)...)
	disk = append([]byte{4, 1, 42, 0}, make([]byte, 38)...)
)

func TestB34_TheNextStartIsFromTheNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		entries map[string][]byte
		order   []uint16
		want    uint16
		ok      bool
	}{
		"the first card of the boot order": {map[string][]byte{
			"Boot0001": option(active, "debian", disk), "Boot0004": option(active, "PXEv4", pci, card, ip4), "Boot0003": option(active, "PXEv4 b", pci, card, ip4),
		}, []uint16{1, 4, 3}, 4, true},
		"an entry that is not in the order": {map[string][]byte{"Boot0001": option(active, "debian", disk), "Boot0009": option(active, "PXE", pci, card)}, []uint16{1}, 9, true},
		"one that is switched off":          {map[string][]byte{"Boot0001": option(active, "debian", disk), "Boot0002": option(0, "PXE", pci, card)}, []uint16{1, 2}, 0, false},
		"a name that lies":                  {map[string][]byte{"Boot0001": option(active, "PXE network", disk)}, []uint16{1}, 0, false},
		"nothing":                           {nil, nil, 0, false},
	} {
		v := Variables(t.TempDir())
		for k, b := range c.entries {
			if err := v.Set(k, b); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.Set("BootOrder", Numbers(c.order)); err != nil {
			t.Fatal(err)
		}
		got, err := v.Next()
		if c.ok != (err == nil) || got != c.want || !c.ok && !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
		if next := v.List("BootNext"); c.ok && !slices.Equal(next, []uint16{c.want}) {
			t.Errorf("%s: the next start is %v", name, next)
		} else if !c.ok && next != nil {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestAMachineWithoutVariablesSaysSo(t *testing.T) {
	if _, err := Open(t.TempDir() + "/missing"); err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("%v", err)
	}
}

func FuzzFromNetwork(f *testing.F) {
	f.Add(option(active, "PXE", pci, card, ip4))
	f.Add(option(active, "debian", disk))
	f.Fuzz(func(t *testing.T, b []byte) { fromNetwork(b) })
}
