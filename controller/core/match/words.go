package match

import (
	"strconv"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
)

// nothing is what a server has of parts that it has none of.
const nothing = "none"

// texts describes the five attributes of a server.
func texts(c *hardware.Configuration) [kinds]string {
	var out [kinds]string
	for kind := range kinds {
		f := facetOf(nil, kind, c)
		if kind == kindCPU {
			out[kind] = f.cpu.String()
		} else {
			out[kind] = listText(kind, f.groups, nothing)
		}
	}
	return out
}

// wanted describes one attribute of a wish.
func (q *query) wanted(kind int) string {
	switch {
	case q.isOpen(kind):
		return "any"
	case kind == kindCPU:
		return q.cpu.String()
	case kind == kindDIMM && q.memTotal > 0:
		return unit.Bytes(q.memTotal).IEC() + " in all"
	default:
		return listText(kind, q.lists[kind], "any")
	}
}

// String leaves out what is open: "2 × Xeon E5-2650 v4 (24 cores)", "24 cores".
func (c cpu) String() string {
	s := c.model
	if c.sockets > 0 {
		if s == "" {
			s = "processor"
		}
		s = strconv.Itoa(c.sockets) + " × " + s
	}
	switch {
	case s == "" && c.cores == 0:
		return "none seen"
	case c.cores == 0:
		return s
	case s == "":
		return coresText(c.cores)
	default:
		return s + " (" + coresText(c.cores) + ")"
	}
}

func coresText(n int) string {
	if n == 1 {
		return "1 core"
	}
	return strconv.Itoa(n) + " cores"
}

func listText(kind int, gs []group, none string) string {
	if len(gs) == 0 {
		return none
	}
	b := make([]byte, 0, 64)
	for i := len(gs) - 1; i >= 0; i-- { // people put the largest first
		b = appendCount(b, gs[i].count)
		b = appendItem(b, kind, gs[i])
		if i > 0 {
			b = append(b, ", "...)
		}
	}
	return string(b)
}

func appendCount(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 10), " × "...)
}

// appendItem names one part: "32 GiB DDR4 DIMM", "1.92 TB NVMe", "10 Gbit/s port".
func appendItem(b []byte, kind int, g group) []byte {
	if g.size > 0 {
		b = append(append(b, sizeText(kind, g.size)...), ' ')
	}
	switch kind {
	case kindDIMM:
		if g.name != "" {
			b = append(append(b, g.name...), ' ')
		}
		return append(b, "DIMM"...)
	case kindDisk:
		return append(b, mediumText(g.name)...)
	case kindNIC:
		return append(b, "port"...)
	default:
		return append(b, or(g.name, "GPU of any model")...)
	}
}

func sizeText(kind int, size uint64) string {
	switch kind {
	case kindDIMM:
		return unit.Bytes(size).IEC()
	case kindDisk:
		return unit.Bytes(size).SI()
	default:
		return speedText(size)
	}
}

func speedText(mbps uint64) string {
	if mbps < 1000 {
		return strconv.FormatUint(mbps, 10) + " Mbit/s"
	}
	return strconv.FormatFloat(float64(mbps)/1000, 'f', -1, 64) + " Gbit/s"
}

var media = map[string]string{
	hardware.MediumNVMe: "NVMe", hardware.MediumSSD: "SSD", hardware.MediumHDD: "HDD",
	hardware.MediumVirtual: "virtual disk", "": "disk",
}

func mediumText(medium string) string {
	if s, ok := media[medium]; ok {
		return s
	}
	return medium + " disk"
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// changeText is one line of a build task.
func changeText(action string, n int, from, to []byte) string {
	b := append(make([]byte, 0, 80), action...)
	b = appendCount(append(b, ' '), n)
	switch action {
	case Add:
		return string(append(b, to...))
	case Remove:
		return string(append(b, from...))
	default:
		b = append(append(b, from...), " for "...)
		return string(append(appendCount(b, n), to...))
	}
}
