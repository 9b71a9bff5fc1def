package smbios

import (
	"math"
	"strconv"
	"strings"
)

// placeholders are what vendors leave where a value belongs, in lower case.
var placeholders = map[string]bool{
	"": true, "--": true, "-": true, "none": true, "n/a": true, "na": true, "null": true, "(null)": true,
	"unknown": true, "undefined": true, "not defined": true, "not specified": true, "not available": true,
	"not applicable": true, "not provided": true, "not present": true, "not settable": true, "not set": true,
	"to be filled by o.e.m.": true, "to be filled by oem": true, "to be filled by o.e.m": true,
	"filled by o.e.m.": true, "fill by oem": true, "o.e.m.": true, "oem": true, "tbd": true, "invalid": true,
	"default": true, "default string": true, "<bad index>": true, "<out of spec>": true, "unset": true,
	"no dimm": true, "[empty]": true, "empty": true, "no asset tag": true, "no asset information": true,
	"asset tag": true, "system serial number": true, "system manufacturer": true, "system product name": true,
	"system version": true, "system sku": true, "sku": true, "sku number": true, "family": true,
	"type1family": true, "base board serial number": true, "board serial number": true,
	"chassis serial number": true, "chassis manufacturer": true, "chassis version": true, "serial number": true,
	"chassis asset tag": true, "base board asset tag": true, "base board version": true, "product name": true,
	"empty string": true, "other": true, "reserved": true, "not installed": true,
}

// known returns the value, or "" for a placeholder: one of the usual texts, or
// nothing but zeros, letters F or X, dots, dashes and the like.
func known(value string) string {
	value = strings.TrimSpace(value)
	low := strings.ToLower(value)
	if placeholders[low] || strings.HasPrefix(low, "to be filled by") {
		return ""
	}
	for _, fill := range []string{"0", "f", "x", ".", "-", "_", " ", "*", "?", "#"} {
		if strings.Trim(strings.TrimPrefix(low, "0x"), fill) == "" && len(value) > 1 {
			return ""
		}
	}
	if low == "0" || low == "x" || low == "." {
		return ""
	}
	return value
}

// moduleText also drops names of fields that some firmware puts into the fields
// of an empty or unreadable module: "Dimm3_PartNum", "Array1_PartNumber0".
func moduleText(value string) string {
	value = known(value)
	low := strings.ToLower(value)
	for _, word := range []string{"partnum", "sernum", "manufacturer_name", "_manufacturer", "assettag", "serialnum"} {
		if strings.Contains(low, word) {
			return ""
		}
	}
	if low == "manufacturer" || strings.HasPrefix(low, "manufacturer0") {
		return ""
	}
	return value
}

// blankUUIDs are those of whole series of boards.
var blankUUIDs = map[string]bool{
	"00000000-0000-0000-0000-000000000000": true,
	"ffffffff-ffff-ffff-ffff-ffffffffffff": true,
	"03000200-0400-0500-0006-000700080009": true,
	"00020003-0004-0005-0006-000700080009": true, // the same in the other byte order
}

// uuid returns a UUID in lower case, or "" for a placeholder and for anything
// that is none.
func uuid(value string) string {
	u := strings.ToLower(strings.TrimSpace(value))
	if len(u) != 36 || blankUUIDs[u] {
		return ""
	}
	for i, c := range []byte(u) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		if dash != (c == '-') || !dash && !hex {
			return ""
		}
	}
	return u
}

var sizeUnits = map[string]uint64{
	"bytes": 1, "byte": 1, "b": 1, "kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20,
	"gb": 1 << 30, "gib": 1 << 30, "tb": 1 << 40, "tib": 1 << 40, "pb": 1 << 50,
}

// size reads "32 GB", "4096 kB", "1.5 TB" or "1,5 TB": firmware units are binary.
func size(value string) (uint64, bool) {
	number, unit := quantity(value)
	scale, ok := sizeUnits[strings.ToLower(unit)]
	n, err := strconv.ParseFloat(strings.Replace(number, ",", ".", 1), 64)
	if !ok || err != nil || n < 0 || n*float64(scale) >= math.MaxInt64 || math.IsNaN(n) {
		return 0, false
	}
	return uint64(n * float64(scale)), true
}

// quantity splits "2933 MT/s" or "32GB" into number and unit.
func quantity(value string) (number, unit string) {
	value = strings.TrimSpace(value)
	end := strings.IndexFunc(value, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != ',' })
	if end < 0 {
		return value, ""
	}
	return value[:end], strings.TrimSpace(value[end:])
}

// count reads a number with or without a unit; 0 when it is none.
func count(value string) int {
	number, _ := quantity(value)
	n, err := strconv.ParseUint(number, 0, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// vendors fold the many ways in which makers of chips write themselves.
var vendors = []struct{ prefix, name string }{
	{"genuineintel", "Intel"},
	{"intel", "Intel"},
	{"authenticamd", "AMD"},
	{"advanced micro", "AMD"},
	{"amd", "AMD"},
	{"ampere", "Ampere"},
	{"sk hynix", "SK Hynix"},
	{"hynix", "SK Hynix"},
	{"hyundai", "SK Hynix"},
	{"samsung", "Samsung"},
	{"micron", "Micron"},
	{"kingston", "Kingston"},
}

// jedec are the JEP106 ids (bank, id) that modules give instead of a name. The
// first digit may carry the parity bit.
var jedec = map[string]string{
	"00ce": "Samsung", "80ce": "Samsung", "ce00": "Samsung", "00ad": "SK Hynix", "80ad": "SK Hynix", "ad00": "SK Hynix",
	"002c": "Micron", "802c": "Micron", "2c00": "Micron", "0198": "Kingston", "9801": "Kingston", "830b": "Nanya",
	"030b": "Nanya", "859b": "Crucial", "059b": "Crucial", "014f": "Transcend", "04cb": "A-DATA", "84cb": "A-DATA",
	"00c1": "Infineon", "80c1": "Infineon", "0551": "Qimonda", "8551": "Qimonda", "02fe": "Elpida", "82fe": "Elpida",
}

// VendorName is the short name of a maker of processors or memory: "Intel(R)
// Corporation" and "GenuineIntel" are "Intel", "80CE04B380CE" is "Samsung".
// Unknown makers stay as they are written.
func VendorName(value string) string {
	low := strings.ToLower(value)
	for _, v := range vendors {
		if strings.HasPrefix(low, v.prefix) {
			return v.name
		}
	}
	code := strings.TrimPrefix(low, "0x")
	if len(code) >= 4 && strings.Trim(code, "0123456789abcdef") == "" {
		if name, ok := jedec[code[:4]]; ok {
			return name
		}
	}
	return value
}
