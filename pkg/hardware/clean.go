package hardware

import (
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an inventory that came from outside.
const (
	MaxString    = 256 // bytes of any text
	MaxCPUs      = 64
	MaxDIMMs     = 1024
	MaxDisks     = 4096
	MaxNICs      = 256
	MaxAddresses = 64 // of one NIC
	MaxGPUs      = 256
	MaxPCI       = 4096
	MaxSections  = 64
	MaxFlags     = 256 // of one CPU
	MaxMACs      = 1024
	maxScanned   = 16 << 10 // bytes of a text that are looked at
	maxNumber    = 1 << 30
	maxBytes     = 1 << 50 // 1 PiB; sums of any list stay far below the end of uint64
)

// Clean bounds everything in an inventory that an agent sent: texts become valid
// UTF-8 without control characters and of at most [MaxString] bytes, lists are
// cut, counts are brought between zero and a billion, sizes below 1 PiB, unknown section states read
// failed. It reports whether anything was changed. Cleaning twice changes nothing.
func (inv *Inventory) Clean() bool {
	changed := inv.cut()
	if sanitise(reflect.ValueOf(inv).Elem(), "") {
		changed = true
	}
	for i := range inv.Sections {
		if !knownState[inv.Sections[i].State] {
			inv.Sections[i].State, changed = SectionFailed, true
		}
	}
	return changed
}

var knownState = map[string]bool{
	SectionOK: true, SectionPartial: true, SectionAbsent: true, SectionFailed: true, SectionDenied: true,
}

func (inv *Inventory) cut() bool {
	changed := limit(&inv.CPUs, MaxCPUs)
	changed = limit(&inv.Memory.DIMMs, MaxDIMMs) || changed
	changed = limit(&inv.Disks, MaxDisks) || changed
	changed = limit(&inv.NICs, MaxNICs) || changed
	changed = limit(&inv.GPUs, MaxGPUs) || changed
	changed = limit(&inv.PCI, MaxPCI) || changed
	changed = limit(&inv.Sections, MaxSections) || changed
	changed = limit(&inv.Identity.MACs, MaxMACs) || changed
	for i := range inv.CPUs {
		changed = limit(&inv.CPUs[i].Flags, MaxFlags) || changed
	}
	for i := range inv.NICs {
		changed = limit(&inv.NICs[i].Addresses, MaxAddresses) || changed
	}
	return changed
}

func limit[T any](list *[]T, n int) bool {
	if len(*list) <= n {
		return false
	}
	*list = (*list)[:n:n]
	return true
}

// sanitise walks one value; field is the name of the struct field it sits in.
func sanitise(v reflect.Value, field string) (changed bool) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			changed = sanitise(v.Field(i), v.Type().Field(i).Name) || changed
		}
	case reflect.Slice:
		for i := range v.Len() {
			changed = sanitise(v.Index(i), field) || changed
		}
	case reflect.Pointer:
		if !v.IsNil() {
			changed = sanitise(v.Elem(), field)
		}
	case reflect.String:
		if s := CleanString(v.String()); s != v.String() {
			v.SetString(s)
			changed = true
		}
	case reflect.Int:
		if n := bounded(v.Int(), field); n != v.Int() {
			v.SetInt(n)
			changed = true
		}
	case reflect.Uint64:
		if v.Uint() > maxBytes {
			v.SetUint(maxBytes)
			changed = true
		}
	}
	return changed
}

// bounded keeps a number sane; only the wear of a disk may be -1 (unknown).
func bounded(n int64, field string) int64 {
	var least int64
	if field == "WearPercent" {
		least = -1
	}
	return min(max(n, least), maxNumber)
}

// CleanString returns s as valid UTF-8 without control and format characters,
// trimmed, at most [MaxString] bytes long.
func CleanString(s string) string {
	if len(s) > maxScanned {
		s = cutAt(s, maxScanned)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexFunc(s, unwanted) >= 0 {
		s = strings.Map(func(r rune) rune {
			if unwanted(r) {
				return -1
			}
			return r
		}, s)
	}
	s = strings.TrimSpace(s)
	if len(s) > MaxString {
		s = strings.TrimSpace(cutAt(s, MaxString))
	}
	return s
}

// cutAt takes the first n bytes of s, fewer when they end inside a character.
func cutAt(s string, n int) string {
	for back := n; back > n-utf8.UTFMax; back-- {
		if utf8.RuneStart(s[back]) {
			return s[:back]
		}
	}
	return s[:n] // no UTF-8 at all
}

// unwanted are characters that hide or move text: controls and formats (such as
// the right-to-left override), and the two separators that end lines.
func unwanted(r rune) bool {
	if r < 0x7F {
		return r < ' '
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}
