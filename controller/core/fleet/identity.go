package fleet

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
)

// IdentityKeys are the index keys of an identity: "uuid:…", "serial:…", "mac:…".
// Two servers that share one are one machine or a conflict (rule X1). What a vendor left
// unfilled ("To be filled by O.E.M.", a UUID of zeros) is no part of an identity.
func IdentityKeys(i hardware.Identity) []string {
	var keys []string
	add := func(kind, v string) {
		if v != "" {
			keys = append(keys, kind+":"+strings.ToLower(v))
		}
	}
	i = tidy(i)
	add("uuid", i.UUID)
	add("serial", i.SystemSerial)
	add("board", i.BoardSerial)
	for _, m := range i.MACs {
		add("mac", m)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// tidy is an identity without placeholders, its MACs in lower case and sorted.
func tidy(i hardware.Identity) hardware.Identity {
	i.SystemSerial, i.BoardSerial, i.ChassisSerial = smbios.Known(i.SystemSerial), smbios.Known(i.BoardSerial), smbios.Known(i.ChassisSerial)
	if i.UUID = smbios.Known(i.UUID); len(i.UUID) == 36 {
		i.UUID = smbios.UUID(i.UUID)
	}
	var macs []string
	for _, m := range i.MACs {
		if strings.Trim(m, "0:-.") != "" && strings.Trim(m, "fF:-.") != "" {
			macs = append(macs, strings.ToLower(m))
		}
	}
	slices.Sort(macs)
	i.MACs = slices.Compact(macs)
	return i
}

// identifies reports whether a key tells one machine from all others: a serial number that
// a vendor burnt into a whole series ("1234567890") does not. It still clashes (rule X1).
func identifies(key string) bool {
	kind, value, _ := strings.Cut(key, ":")
	if kind == "uuid" || kind == "mac" {
		return true
	}
	const up, down = "012345678901234567890", "098765432109876543210"
	repeated := strings.Trim(value, value[:1]) == ""
	return !repeated && !strings.Contains(up, value) && !strings.Contains(down, value)
}

// Match tells how two identities stand to each other.
type Match int

// Matches.
const (
	Distinct Match = iota // nothing in common
	Same                  // everything that either names is equal, and that is enough to be sure
	Clash                 // something is equal and something is not, or what is equal tells nothing
)

// Compare tells whether a and b are one machine. A machine that names no UUID and no
// serial, only MACs, is the same when all its MACs are. A serial number of a whole series
// makes nothing the same.
func Compare(a, b hardware.Identity) (Match, []string) {
	ka, kb := IdentityKeys(a), IdentityKeys(b)
	shared := Shared(ka, kb)
	switch {
	case len(shared) == 0:
		return Distinct, nil
	case slices.Equal(ka, kb) && slices.ContainsFunc(shared, identifies):
		return Same, shared
	}
	return Clash, shared
}

// Shared lists the keys of a that are in b.
func Shared(a, b []string) []string {
	var shared []string
	for _, k := range a {
		if slices.Contains(b, k) {
			shared = append(shared, k)
		}
	}
	return shared
}
