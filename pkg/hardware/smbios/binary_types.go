package smbios

import "fmt"

func (r raw) system(s *Structure, e entry) {
	r.texts(s, at{"Manufacturer", 4}, at{"Product Name", 5}, at{"Version", 6}, at{"Serial Number", 7})
	if r.has(0x18) {
		s.set("UUID", formatUUID(r.b[8:24], e.major > 2 || e.major == 2 && e.minor >= 6))
	}
	r.texts(s, at{"SKU Number", 0x19}, at{"Family", 0x1A})
}

// formatUUID writes 16 bytes; since version 2.6 the first three groups are
// little-endian.
func formatUUID(b []byte, little bool) string {
	if little {
		b = []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func (r raw) chassis(s *Structure) {
	r.texts(s, at{"Manufacturer", 4}, at{"Version", 6}, at{"Serial Number", 7}, at{"Asset Tag", 8})
	if r.has(6) {
		s.set("Type", word(chassisTypes, r.b[5]&0x7F, 1)) // bit 7 is the lock
	}
}

func (r raw) processor(s *Structure) {
	if !r.has(0x1A) {
		return
	}
	r.texts(s, at{"Socket Designation", 4}, at{"Manufacturer", 7}, at{"Version", 0x10})
	r.words(s, 5, "Type", processorTypes)
	s.set("Signature", r.signature())
	s.set("Max Speed", megahertz(r.u16(0x14)))
	s.set("Current Speed", megahertz(r.u16(0x16)))
	s.set("Status", processorStatus(r.b[0x18]))
	r.texts(s, at{"Serial Number", 0x20}, at{"Asset Tag", 0x21}, at{"Part Number", 0x22})
	r.cores(s, "Core Count", 0x23, 0x2A)
	r.cores(s, "Core Enabled", 0x24, 0x2C)
	r.cores(s, "Thread Count", 0x25, 0x2E)
}

// signature tells ARM processors (families 0x100 to 0x119) from x86 ones.
func (r raw) signature() string {
	family := uint16(r.b[6])
	if family == 0xFE && r.has(0x2A) {
		family = r.u16(0x28)
	}
	eax := r.u32(8)
	switch {
	case family >= 0x100 && family <= 0x119:
		return fmt.Sprintf("Implementor 0x%02x, Variant 0x%x, Architecture %d, Part 0x%03x, Revision %d",
			eax>>24, eax>>20&0xF, eax>>16&0xF, eax>>4&0xFFF, eax&0xF)
	case eax == 0:
		return "Unknown"
	}
	fam, model := eax>>8&0xF, eax>>4&0xF
	if fam == 0xF {
		fam += eax >> 20 & 0xFF
	}
	if fam == 6 || fam >= 0xF {
		model += eax >> 12 & 0xF0
	}
	return fmt.Sprintf("Family %d, Model %d, Stepping %d", fam, model, eax&0xF)
}

func megahertz(n uint16) string {
	if n == 0 {
		return "Unknown"
	}
	return fmt.Sprintf("%d MHz", n)
}

func processorStatus(b byte) string {
	if b&0x40 == 0 {
		return "Unpopulated"
	}
	return "Populated, " + word(processorStates, b&7, 0)
}

// cores reads a count of one byte, or of two where one does not suffice.
func (r raw) cores(s *Structure, key string, narrow, wide int) {
	if !r.has(narrow + 1) {
		return
	}
	n := uint16(r.b[narrow])
	if n == 0xFF && r.has(wide+2) {
		n = r.u16(wide)
	}
	if n == 0 {
		s.set(key, "Unknown")
		return
	}
	s.set(key, fmt.Sprint(n))
}

func (r raw) array(s *Structure) {
	if !r.has(0x0F) {
		return
	}
	r.words(s, 4, "Location", arrayLocations)
	r.words(s, 5, "Use", arrayUses)
	r.words(s, 6, "Error Correction Type", arrayCorrections)
	s.set("Number Of Devices", fmt.Sprint(r.u16(0x0D)))
}

func (r raw) module(s *Structure) {
	if !r.has(0x15) {
		return
	}
	s.set("Array Handle", fmt.Sprintf("0x%04X", r.u16(4)))
	s.set("Size", r.moduleSize())
	r.words(s, 0x0E, "Form Factor", moduleForms)
	r.texts(s, at{"Locator", 0x10}, at{"Bank Locator", 0x11})
	r.words(s, 0x12, "Type", moduleTypes)
	if r.has(0x17) {
		s.set("Speed", r.moduleSpeed())
	}
	r.texts(s, at{"Manufacturer", 0x17}, at{"Serial Number", 0x18}, at{"Asset Tag", 0x19}, at{"Part Number", 0x1A})
	if r.has(0x1C) {
		s.set("Rank", rank(r.b[0x1B]&0xF))
	}
}

func rank(n byte) string {
	if n == 0 {
		return "Unknown"
	}
	return fmt.Sprint(n)
}

// moduleSize: 0 is an empty socket, 0x7FFF points to the extended size in MB, bit
// 15 means kB.
func (r raw) moduleSize() string {
	switch n := r.u16(0x0C); {
	case n == 0:
		return "No Module Installed"
	case n == 0xFFFF:
		return "Unknown"
	case n == 0x7FFF && r.has(0x20):
		return fmt.Sprintf("%d MB", r.u32(0x1C)&0x7FFFFFFF)
	case n&0x8000 != 0:
		return fmt.Sprintf("%d kB", n&0x7FFF)
	default:
		return fmt.Sprintf("%d MB", n)
	}
}

func (r raw) moduleSpeed() string {
	n := uint32(r.u16(0x15))
	if n == 0xFFFF && r.has(0x58) {
		n = r.u32(0x54)
	}
	if n == 0 {
		return "Unknown"
	}
	return fmt.Sprintf("%d MT/s", n)
}
