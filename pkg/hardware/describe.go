package hardware

import (
	"fmt"
	"strconv"
	"strings"
)

// Key is a canonical text of the configuration: equal for two configurations if
// and only if they hold the same parts, in whatever order they were listed. It is
// stable between releases of one schema, so it may be stored and indexed by.
func (c Configuration) Key() string {
	c = c.Normalise()
	b := make([]byte, 0, 160)
	b = strconv.AppendQuote(b, c.Arch)
	b = strconv.AppendQuote(b, c.CPUModel)
	b = number(b, ' ', uint64(max(c.Sockets, 0)))
	b = number(b, ' ', uint64(max(c.Cores, 0)))
	b = number(b, ' ', c.MemoryBytes)
	for _, g := range c.DIMMs {
		b = strconv.AppendQuote(number(number(b, 'm', uint64(g.Count)), 'x', g.SizeBytes), g.Type)
	}
	for _, g := range c.Disks {
		b = strconv.AppendQuote(number(number(b, 'd', uint64(g.Count)), 'x', g.SizeBytes), g.Medium)
	}
	for _, g := range c.NICs {
		b = number(number(b, 'n', uint64(g.Count)), 'x', uint64(max(g.SpeedMbps, 0)))
	}
	for _, g := range c.GPUs {
		b = strconv.AppendQuote(number(b, 'g', uint64(g.Count)), g.Model)
	}
	return string(b)
}

func number(b []byte, before byte, n uint64) []byte {
	return strconv.AppendUint(append(b, before), n, 10)
}

// String is one line for a person: "2 × Xeon E5-2650 v4 (24 cores), 256 GiB (8 ×
// 32 GiB DDR4), 2 × 480 GB SSD, 4 × 10 Gbit/s". What is zero is left out.
func (c Configuration) String() string {
	c = c.Normalise()
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(c.processors())
	add(c.memory())
	for _, g := range c.Disks {
		add(fmt.Sprintf("%d × %s", g.Count, joined(sizeText(g.SizeBytes), mediumNames[g.Medium])))
	}
	for _, g := range c.NICs {
		add(fmt.Sprintf("%d × %s", g.Count, speedText(g.SpeedMbps)))
	}
	for _, g := range c.GPUs {
		add(fmt.Sprintf("%d × %s", g.Count, g.Model))
	}
	if c.Arch != "" && c.Arch != "x86_64" {
		add(c.Arch)
	}
	if len(parts) == 0 {
		return "any server"
	}
	return strings.Join(parts, ", ")
}

var mediumNames = map[string]string{
	MediumNVMe: "NVMe", MediumSSD: "SSD", MediumHDD: "HDD", MediumVirtual: "virtual disk",
}

func (c Configuration) processors() string {
	s := c.CPUModel
	if c.Sockets > 0 {
		if s == "" {
			s = "CPU"
		}
		s = fmt.Sprintf("%d × %s", c.Sockets, s)
	}
	switch {
	case c.Cores <= 0:
		return s
	case s == "":
		return plural(c.Cores, "core")
	default:
		return s + " (" + plural(c.Cores, "core") + ")"
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (c Configuration) memory() string {
	var groups []string
	for _, g := range c.DIMMs {
		groups = append(groups, fmt.Sprintf("%d × %s", g.Count, joined(binaryText(g.SizeBytes), g.Type)))
	}
	modules := strings.Join(groups, " + ")
	switch {
	case c.MemoryBytes == 0:
		return modules
	case modules == "":
		return binaryText(c.MemoryBytes)
	default:
		return binaryText(c.MemoryBytes) + " (" + modules + ")"
	}
}

func joined(words ...string) string {
	return strings.TrimSpace(strings.Join(words, " "))
}

// sizeText writes a disk's size, decimal unless it is a whole number of GiB.
func sizeText(size uint64) string {
	switch {
	case size == 0:
		return ""
	case size%gibibyte == 0 && size%gigabyte != 0:
		return binaryText(size)
	case size >= 1000*gigabyte:
		return decimal(size, 1000*gigabyte) + " TB"
	case size >= gigabyte:
		return decimal(size, gigabyte) + " GB"
	default:
		return decimal(size, megabyte) + " MB"
	}
}

func binaryText(size uint64) string {
	switch {
	case size >= 1<<40:
		return decimal(size, 1<<40) + " TiB"
	case size >= gibibyte:
		return decimal(size, gibibyte) + " GiB"
	default:
		return decimal(size, 1<<20) + " MiB"
	}
}

// decimal writes at most two places and no trailing zeros.
func decimal(n, unit uint64) string {
	s := strconv.FormatFloat(float64(n)/float64(unit), 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func speedText(mbps int) string {
	switch {
	case mbps <= 0:
		return "network port"
	case mbps >= 1000:
		return decimal(uint64(mbps), 1000) + " Gbit/s"
	default:
		return strconv.Itoa(mbps) + " Mbit/s"
	}
}
