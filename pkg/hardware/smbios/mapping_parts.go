package smbios

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func (m *mapping) processors() {
	for _, s := range m.table.of(typeProcessor) {
		if populated(s) {
			m.inv.CPUs = append(m.inv.CPUs, m.processor(s))
		}
	}
}

// populated tells whether a processor sits in the socket. Structures of very old
// tables have no status: there the name decides.
func populated(s *Structure) bool {
	switch s.Get("Type") {
	case "Math Processor", "DSP Processor", "Video Processor":
		return false
	}
	if status := s.Get("Status"); status != "" {
		return strings.HasPrefix(status, "Populated")
	}
	return known(s.Get("Version")) != ""
}

func (m *mapping) processor(s *Structure) hardware.CPU {
	cpu := hardware.CPU{
		Socket:  known(s.Get("Socket Designation")),
		Vendor:  VendorName(known(s.Get("Manufacturer"))),
		Model:   strings.Join(strings.Fields(known(s.Get("Version"))), " "),
		Arch:    arch(s.Get("Signature")),
		Cores:   m.number(s, "Core Count", 1024),
		Threads: m.number(s, "Thread Count", 4096),
	}
	m.word(s, "Type")
	if cpu.Model == "" {
		m.gap(s.Type, "Version", s.Get("Version"), "a populated socket without a model")
	}
	if cpu.Cores > 0 && cpu.Threads > 0 && (cpu.Threads < cpu.Cores || cpu.Threads > 8*cpu.Cores) {
		m.gap(s.Type, "Thread Count", s.Get("Thread Count"), "does not fit "+strconv.Itoa(cpu.Cores)+" cores")
		cpu.Threads = 0
	}
	cpu.BaseMHz = ratedMHz(cpu.Model)
	if cpu.BaseMHz == 0 {
		cpu.BaseMHz = m.number(s, "Current Speed", 20_000)
	}
	return cpu // Max Speed is the socket's, not the processor's: not mapped
}

// ratedMHz finds 2200 in "… @ 2.20GHz".
func ratedMHz(model string) int {
	_, rate, ok := strings.Cut(model, "@")
	number, unit := quantity(rate)
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !strings.EqualFold(unit, "GHz") || n <= 0 || n > 20 {
		return 0
	}
	return int(math.Round(n * 1000))
}

// arch reads the architecture from the signature; "" when it does not tell.
func arch(signature string) string {
	switch {
	case strings.HasPrefix(signature, "Implementor"):
		return "aarch64"
	case strings.Contains(signature, "Family") && strings.Contains(signature, "Stepping"):
		return "x86_64"
	default:
		return ""
	}
}

var corrections = map[string]string{
	"None": "none", "Parity": "parity", "Single-bit ECC": "single-bit", "Multi-bit ECC": "multi-bit", "CRC": "crc",
}

// memory sums the modules of the arrays that hold system memory.
func (m *mapping) memory() {
	other := map[string]bool{} // handles of arrays that hold something else
	for _, s := range m.table.of(typeArray) {
		if use := s.Get("Use"); use != "System Memory" && known(use) != "" {
			other[s.Handle] = true
			continue
		}
		m.inv.Memory.Slots += m.number(s, "Number Of Devices", hardware.MaxDIMMs)
		if ecc, ok := corrections[s.Get("Error Correction Type")]; ok && m.inv.Memory.ECC == "" {
			m.inv.Memory.ECC = ecc
		}
	}
	slots := 0
	for _, s := range m.table.of(typeModule) {
		if other[s.Get("Array Handle")] && s.Get("Array Handle") != "" || flash(s) {
			continue
		}
		slots++
		if d, ok := m.module(s); ok && len(m.inv.Memory.DIMMs) < hardware.MaxDIMMs {
			m.inv.Memory.DIMMs = append(m.inv.Memory.DIMMs, d)
			m.inv.Memory.TotalBytes += d.SizeBytes
		}
	}
	m.inv.Memory.Slots = max(m.inv.Memory.Slots, slots)
}

// flash modules hold the firmware itself.
func flash(s *Structure) bool {
	return slices.Contains([]string{"Flash", "ROM", "EEPROM", "FEPROM", "EPROM"}, s.Get("Type")) ||
		strings.EqualFold(s.Get("Locator"), "System ROM")
}

// module reads one socket; false when it is empty or its size is not known.
func (m *mapping) module(s *Structure) (hardware.DIMM, bool) {
	text := s.Get("Size")
	if strings.EqualFold(text, "No Module Installed") || strings.EqualFold(text, "Not Installed") || known(text) == "" {
		if part := moduleText(s.Get("Part Number")); part != "" && strings.EqualFold(text, "Unknown") {
			m.gap(s.Type, "Size", text, "a module whose size the firmware does not know")
		}
		return hardware.DIMM{}, false
	}
	n, ok := size(text)
	if !ok || n == 0 || n > 64<<40 {
		m.gap(s.Type, "Size", text, "not a size up to 64 TB")
		return hardware.DIMM{}, false
	}
	if n == 0x7FFF<<20 {
		n = 32 << 30 // the largest number before the extended size came: 32 GiB less one MB
	}
	return hardware.DIMM{
		Slot:       cmp.Or(moduleText(s.Get("Locator")), moduleText(s.Get("Bank Locator"))),
		SizeBytes:  n,
		Type:       m.word(s, "Type"),
		SpeedMTs:   m.number(s, "Speed", 100_000),
		FormFactor: m.word(s, "Form Factor"),
		Vendor:     VendorName(moduleText(s.Get("Manufacturer"))),
		Part:       moduleText(s.Get("Part Number")),
		Serial:     moduleText(s.Get("Serial Number")),
		Rank:       m.number(s, "Rank", 64),
	}, true
}
