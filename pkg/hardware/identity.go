package hardware

import (
	"slices"
	"strings"
)

// Overlap names the fields in which two identities claim the same thing, in a
// fixed order: "uuid", "system_serial", "board_serial", "chassis_serial", "mac",
// "machine_id". Any of them on two servers is a clash (rule X1), also a serial
// such as "1234567890" that a vendor burnt into a whole series. The machine id is
// compared only when neither side has anything better: cloned systems share it.
func (id Identity) Overlap(other Identity) []string {
	var fields []string
	for _, f := range id.pairs(other) {
		if f.equal() {
			fields = append(fields, f.name)
		}
	}
	if len(id.SharedMACs(other)) > 0 {
		fields = append(fields, "mac")
	}
	if !id.physical() && !other.physical() && (pair{"", id.MachineID, other.MachineID}).equal() {
		fields = append(fields, "machine_id")
	}
	return fields
}

// Same tells whether both identities are those of one machine: nothing that
// both know contradicts, and at least one thing agrees. Where both know MACs,
// one at least must agree: a serial alone never makes two machines one.
func (id Identity) Same(other Identity) bool {
	for _, f := range id.pairs(other) {
		if f.a != "" && f.b != "" && !f.equal() {
			return false
		}
	}
	if len(id.MACs) > 0 && len(other.MACs) > 0 && len(id.SharedMACs(other)) == 0 {
		return false
	}
	return len(id.Overlap(other)) > 0
}

// SharedMACs are the permanent MACs that both identities hold, sorted.
func (id Identity) SharedMACs(other Identity) []string {
	var shared []string
	for _, mac := range id.MACs {
		if mac != "" && slices.ContainsFunc(other.MACs, func(m string) bool { return strings.EqualFold(m, mac) }) {
			shared = append(shared, strings.ToLower(mac))
		}
	}
	slices.Sort(shared)
	return slices.Compact(shared)
}

// physical tells whether anything but the installed system names the machine.
func (id Identity) physical() bool {
	return id.UUID != "" || id.SystemSerial != "" || id.BoardSerial != "" || id.ChassisSerial != "" || len(id.MACs) > 0
}

type pair struct{ name, a, b string }

func (p pair) equal() bool { return p.a != "" && strings.EqualFold(p.a, p.b) }

func (id Identity) pairs(other Identity) []pair {
	return []pair{
		{"uuid", id.UUID, other.UUID},
		{"system_serial", id.SystemSerial, other.SystemSerial},
		{"board_serial", id.BoardSerial, other.BoardSerial},
		{"chassis_serial", id.ChassisSerial, other.ChassisSerial},
	}
}
