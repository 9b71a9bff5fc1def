package fleet

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// IdentityKeys are the index keys of an identity: "uuid:…", "serial:…", "mac:…".
// Two servers that share one are one machine or a conflict (rule X1).
func IdentityKeys(i hardware.Identity) []string {
	var keys []string
	add := func(kind, v string) {
		if v != "" {
			keys = append(keys, kind+":"+strings.ToLower(v))
		}
	}
	add("uuid", i.UUID)
	add("serial", i.SystemSerial)
	add("board", i.BoardSerial)
	for _, m := range i.MACs {
		add("mac", m)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Match tells how two identities stand to each other.
type Match int

// Matches.
const (
	Distinct Match = iota // nothing in common
	Same                  // everything that either names is equal, and that is enough to be sure
	Clash                 // something is equal and something is not
)

// Compare tells whether a and b are one machine. A machine that names no UUID and no
// serial, only MACs, is the same when all its MACs are.
func Compare(a, b hardware.Identity) (Match, []string) {
	ka, kb := IdentityKeys(a), IdentityKeys(b)
	var shared []string
	for _, k := range ka {
		if slices.Contains(kb, k) {
			shared = append(shared, k)
		}
	}
	switch {
	case len(shared) == 0:
		return Distinct, nil
	case slices.Equal(ka, kb):
		return Same, shared
	}
	return Clash, shared
}
