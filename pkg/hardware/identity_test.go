package hardware

import (
	"slices"
	"testing"
)

func TestX1_ClashesOfIdentityAreNamed(t *testing.T) {
	a := Identity{UUID: "11", BoardSerial: "1234567890", MACs: []string{"00:aa", "00:bb"}}
	for name, c := range map[string]struct {
		other Identity
		want  []string
		same  bool
	}{
		"nothing in common":   {Identity{UUID: "22", BoardSerial: "x", MACs: []string{"00:cc"}}, nil, false},
		"duplicate serial":    {Identity{UUID: "22", BoardSerial: "1234567890", MACs: []string{"00:cc"}}, []string{"board_serial"}, false},
		"serial, no uuid":     {Identity{BoardSerial: "1234567890", MACs: []string{"00:cc"}}, []string{"board_serial"}, false},
		"duplicate mac":       {Identity{UUID: "22", BoardSerial: "x", MACs: []string{"00:BB"}}, []string{"mac"}, false},
		"itself":              {a, []string{"uuid", "board_serial", "mac"}, true},
		"a card was added":    {Identity{UUID: "11", BoardSerial: "1234567890", MACs: []string{"00:aa", "00:ee"}}, []string{"uuid", "board_serial", "mac"}, true},
		"SMBIOS not readable": {Identity{MACs: []string{"00:aa", "00:bb"}}, []string{"mac"}, true},
		"no identity at all":  {Identity{}, nil, false},
		"cloned system":       {Identity{UUID: "22", MachineID: "m"}, nil, false},
	} {
		if got := a.Overlap(c.other); !slices.Equal(got, c.want) {
			t.Errorf("%s: overlap %v; want %v", name, got, c.want)
		}
		if got, back := a.Same(c.other), c.other.Same(a); got != c.same || back != c.same {
			t.Errorf("%s: same %v and %v; want %v", name, got, back, c.same)
		}
	}
}

func TestX1_MachineIDIsAFallbackOnly(t *testing.T) {
	a, b := Identity{MachineID: "m"}, Identity{MachineID: "m"}
	if !a.Same(b) || !slices.Equal(a.Overlap(b), []string{"machine_id"}) {
		t.Error("two machines that know nothing else but one machine id are told apart")
	}
	if a.MACs = []string{"00:aa"}; a.Same(b) {
		t.Error("a cloned machine id made two machines one")
	}
}
