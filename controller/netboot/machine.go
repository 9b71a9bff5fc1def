package netboot

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
)

// Machine is who asks, as its firmware says.
type Machine struct {
	MAC      string // of the card that it boots from, lower case with colons
	UUID     string // "" a placeholder, or none
	Arch     string // iPXE's buildarch: i386 (also 64-bit BIOS machines), x86_64, arm64
	Platform string // pcbios or efi
	Serial   string // for the screen only
}

// maxParameter bounds each text that a machine sends.
const maxParameter = 128

// machineOf reads the parameters of a request. Errors: invalid.
func machineOf(q url.Values) (Machine, error) {
	get := func(name string) string {
		v := q.Get(name)
		return hardware.CleanString(v[:min(len(v), maxParameter)])
	}
	mac, err := net.ParseMAC(strings.ReplaceAll(get("mac"), "-", ":"))
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || slices.Max(mac) == 0 {
		return Machine{}, fault.Invalid("mac is %.40q, which is no address of a network card", get("mac"))
	}
	return Machine{
		MAC: mac.String(), UUID: smbios.UUID(smbios.Known(get("uuid"))), Arch: get("buildarch"), Platform: get("platform"), Serial: smbios.Known(get("serial")),
	}, nil
}

// keys are the identity keys under which the machine may be known.
func (m Machine) keys() []string {
	return fleet.IdentityKeys(hardware.Identity{UUID: m.UUID, MACs: []string{m.MAC}})
}

// standings finds the servers that the machine may be. Who left the fleet counts only where nobody in it has its parts.
func (m Machine) standings(snap *store.Snapshot) []Standing {
	keys := m.keys()
	ids := holders(snap, keys)
	if len(ids) == 0 {
		for i, k := range keys {
			keys[i] = fleet.RetiredKey(k)
		}
		ids = holders(snap, keys)
	}
	var list []Standing
	for _, id := range ids {
		s, ok := store.Servers.In(snap, id)
		if !ok {
			continue
		}
		st := Standing{Server: s}
		if op, ok := store.Operations.In(snap, s.Operation); ok {
			st.Operation = op
		}
		list = append(list, st)
	}
	return list
}

func holders(snap *store.Snapshot, keys []string) (ids []string) {
	for _, k := range keys {
		if h, ok := store.Identities.In(snap, k); ok {
			ids = append(ids, h.Servers...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
