// Package unit holds quantities that are numbers in records and words on
// screens. Only bytes need a type of their own: durations are time.Duration.
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes.
type Bytes uint64

// Binary (IEC 80000-13) and decimal (SI) multiples. Memory is counted in the
// first, disks are sold in the second.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40

	KB Bytes = 1e3
	MB Bytes = 1e6
	GB Bytes = 1e9
	TB Bytes = 1e12
)

// IEC prints b with a binary unit: "64 GiB", "1.5 TiB".
func (b Bytes) IEC() string {
	return b.format(1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"})
}

// SI prints b with a decimal unit: "480 GB", "1.92 TB".
func (b Bytes) SI() string {
	return b.format(1000, []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"})
}

func (b Bytes) format(base float64, names []string) string {
	v, i := float64(b), 0
	for math.Round(v*100)/100 >= base && i < len(names)-1 {
		v /= base
		i++
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) + " " + names[i]
}

var multiples = map[string]Bytes{
	"": 1, "b": 1, "k": KB, "kb": KB, "m": MB, "mb": MB, "g": GB, "gb": GB, "t": TB, "tb": TB,
	"kib": KiB, "mib": MiB, "gib": GiB, "tib": TiB,
}

// ParseBytes reads "512GiB", "1.92 TB", "4096". A number without a unit is bytes.
func ParseBytes(s string) (Bytes, error) {
	t := strings.ToLower(strings.TrimSpace(s))
	i := strings.LastIndexAny(t, "0123456789.")
	if i < 0 {
		return 0, fmt.Errorf("size %q has no number; write for example 64GiB or 1.92TB", s)
	}
	m, ok := multiples[strings.TrimSpace(t[i+1:])]
	if !ok {
		return 0, fmt.Errorf("size %q has an unknown unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", s)
	}
	number := strings.TrimSpace(t[:i+1])
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsFunc(number, notDecimal) || v*float64(m) >= 1<<63 {
		return 0, fmt.Errorf("size %q is not a number of bytes that fits; write for example 64GiB or 1.92TB", s)
	}
	return Bytes(v*float64(m) + 0.5), nil
}

// notDecimal finds what ParseFloat would take and a person would not write:
// signs, exponents, "inf".
func notDecimal(r rune) bool { return r != '.' && (r < '0' || r > '9') }
