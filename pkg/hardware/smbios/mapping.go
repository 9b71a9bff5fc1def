package smbios

import (
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Gap is one thing that the mapping met and did not understand.
type Gap struct {
	Type  int    // of the structure
	Key   string // field
	Value string // as the firmware wrote it; "" when the field itself is unknown
	Why   string // a few words
}

// Inventory maps the table to the parts of an inventory that firmware knows:
// System, Board, Chassis, Firmware, CPUs, Memory and Identity. Sections stay
// empty. What could not be read is returned beside it, in the table's order.
func (t *Table) Inventory() (hardware.Inventory, []Gap) {
	m := mapping{table: t}
	m.unknownFields()
	m.system()
	m.board()
	m.chassis()
	m.firmware()
	m.processors()
	m.memory()
	if t.Truncated {
		m.gap(typeEnd, "", "", "the table was cut")
	}
	m.inv.Clean()
	return m.inv, m.gaps
}

type mapping struct {
	table *Table
	inv   hardware.Inventory
	gaps  []Gap
}

func (m *mapping) gap(kind int, key, value, why string) {
	if len(m.gaps) < maxStructures {
		m.gaps = append(m.gaps, Gap{kind, key, value, why})
	}
}

func (m *mapping) system() {
	for _, s := range m.table.of(typeSystem)[:min(1, len(m.table.of(typeSystem)))] {
		m.inv.System = hardware.System{
			Vendor:  known(s.Get("Manufacturer")),
			Product: known(s.Get("Product Name")),
			Version: known(s.Get("Version")),
			SKU:     known(s.Get("SKU Number")),
			Family:  known(s.Get("Family")),
		}
		m.inv.Identity.SystemSerial = known(s.Get("Serial Number"))
		m.inv.Identity.UUID = uuid(s.Get("UUID"))
		if u := known(s.Get("UUID")); u != "" && m.inv.Identity.UUID == "" && !blankUUIDs[strings.ToLower(u)] {
			m.gap(typeSystem, "UUID", u, "malformed")
		}
	}
}

// board prefers the main board among riser cards and backplanes.
func (m *mapping) board() {
	boards := m.table.of(typeBoard)
	if len(boards) == 0 {
		return
	}
	s := boards[0]
	if i := slices.IndexFunc(boards, func(b *Structure) bool { return b.Get("Type") == "Motherboard" }); i >= 0 {
		s = boards[i]
	}
	m.inv.Board = hardware.Board{
		Vendor:  known(s.Get("Manufacturer")),
		Product: known(s.Get("Product Name")),
		Version: known(s.Get("Version")),
	}
	m.inv.Identity.BoardSerial = known(s.Get("Serial Number"))
}

func (m *mapping) chassis() {
	all := m.table.of(typeChassis)
	if len(all) == 0 {
		return
	}
	s := all[0]
	m.inv.Chassis = hardware.Chassis{
		Vendor:   known(s.Get("Manufacturer")),
		Type:     m.word(s, "Type"),
		AssetTag: known(s.Get("Asset Tag")),
	}
	m.inv.Identity.ChassisSerial = known(s.Get("Serial Number"))
}

func (m *mapping) firmware() {
	all := m.table.of(typeFirmware)
	if len(all) == 0 {
		return
	}
	s := all[0]
	m.inv.Firmware = hardware.Firmware{
		Vendor:  known(s.Get("Vendor")),
		Version: known(s.Get("Version")),
		Date:    known(s.Get("Release Date")),
	}
}

// word reads an enumeration; a value beyond the reader's list is a gap.
func (m *mapping) word(s *Structure, key string) string {
	v := s.Get(key)
	if v == outOfSpec {
		m.gap(s.Type, key, v, "newer than the reader, or wrong")
	}
	return known(v)
}

// number reads a count within its bounds; 0 when it is unknown.
func (m *mapping) number(s *Structure, key string, most int) int {
	v := known(s.Get(key))
	if v == "" {
		return 0
	}
	n := count(v)
	if n <= 0 || n > most {
		m.gap(s.Type, key, v, "not a number up to "+strconv.Itoa(most))
		return 0
	}
	return n
}
