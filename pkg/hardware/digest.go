package hardware

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Digest is the hexadecimal SHA-256 of the canonical encoding (JSON in field
// order; a list that is nil is an empty one). Equal inventories have equal
// digests on every machine and run, whatever they travelled through.
func (inv *Inventory) Digest() string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(inv.canonical()); err != nil {
		panic("hardware: an inventory holds only texts and numbers: " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// canonical is a copy that has no nil list. Texts and elements are shared.
func (inv *Inventory) canonical() *Inventory {
	c := *inv
	c.Identity.MACs = filled(c.Identity.MACs)
	c.Memory.DIMMs = filled(c.Memory.DIMMs)
	c.CPUs, c.Disks, c.GPUs = filled(c.CPUs), filled(c.Disks), filled(c.GPUs)
	c.PCI, c.Sections = filled(c.PCI), filled(c.Sections)
	c.NICs = append([]NIC{}, c.NICs...)
	for i := range c.NICs {
		c.NICs[i].Addresses = filled(c.NICs[i].Addresses)
	}
	return &c
}

func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
