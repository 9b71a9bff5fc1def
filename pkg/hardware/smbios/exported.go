package smbios

import "strings"

// The kernel keeps some of the strings where every user may read them
// (/sys/class/dmi/id); these are the mapping's rules for a single value.

// Known returns the value, or "" for a placeholder or a blank.
func Known(value string) string { return known(value) }

// UUID returns the UUID in lower case, or "" for a placeholder or a malformed one.
func UUID(value string) string { return uuid(value) }

// ChassisType is the word for a number of the enumeration (DSP0134 7.4.1), or "".
func ChassisType(n uint64) string {
	if n == 0 || n > 0xFF {
		return ""
	}
	return known(strings.Replace(word(chassisTypes, byte(n)&0x7F, 1), outOfSpec, "", 1))
}

// RatedMHz is the rate in a processor's name: 2200 for "… @ 2.20GHz", else 0.
func RatedMHz(model string) int { return ratedMHz(model) }
