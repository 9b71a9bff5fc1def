package fleet

import (
	"cmp"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// SandboxPrefix begins the serial of every loop file that a sandbox agent offers
// as a disk. In that environment nothing else is ever a target.
const SandboxPrefix = "sandbox-"

// Targets lists the disks of a machine that may be erased or written: named by
// serial or WWN (a disk without either is never touched), neither removable nor read-only, and in
// a sandbox only what the agent made itself.
func Targets(environment string, inv *hardware.Inventory) []hardware.Disk {
	var list []hardware.Disk
	for _, d := range inv.Disks {
		switch {
		case d.Serial == "" && d.WWN == "", d.SizeBytes == 0:
		case d.Removable, d.ReadOnly, d.Type == hardware.DiskUSB:
		case environment == protocol.EnvSandbox && !strings.HasPrefix(d.Serial, SandboxPrefix):
		default:
			list = append(list, d)
		}
	}
	return list
}

// Untouchable lists fixed disks that would have to be erased and cannot be named
// safely. While there is one the machine cannot be proven clean.
func Untouchable(environment string, inv *hardware.Inventory) []hardware.Disk {
	if environment == protocol.EnvSandbox {
		return nil
	}
	var list []hardware.Disk
	for _, d := range inv.Disks {
		if d.Serial == "" && d.WWN == "" && !d.Removable && d.Type != hardware.DiskUSB {
			list = append(list, d)
		}
	}
	return list
}

// NewDisks lists fixed disks that are in now and were not in before: nobody knows
// what is on them. A disk that went and came back is new.
func NewDisks(environment string, before, now *hardware.Inventory) []hardware.Disk {
	known := map[protocol.DiskRef]bool{}
	for _, d := range holders(environment, before) {
		known[nameless(d)] = true
	}
	return slices.DeleteFunc(holders(environment, now), func(d hardware.Disk) bool { return known[nameless(d)] })
}

// holders are the disks that must be proven empty before the machine is given away.
func holders(environment string, inv *hardware.Inventory) []hardware.Disk {
	return append(Targets(environment, inv), Untouchable(environment, inv)...)
}

func nameless(d hardware.Disk) protocol.DiskRef {
	r := Ref(d)
	r.Name = ""
	return r
}

// Covers reports whether erased names every disk that must be proven empty.
func Covers(erased []protocol.DiskRef, environment string, inv *hardware.Inventory) bool {
	return !slices.ContainsFunc(holders(environment, inv), func(d hardware.Disk) bool {
		return !slices.ContainsFunc(erased, func(r protocol.DiskRef) bool {
			r.Name = ""
			return r == nameless(d)
		})
	})
}

// Ref names a disk in commands and permits.
func Ref(d hardware.Disk) protocol.DiskRef {
	return protocol.DiskRef{Name: d.Name, Serial: d.Serial, WWN: d.WWN, SizeBytes: d.SizeBytes}
}

// EraseRefs names every disk that an erase of the machine must cover. It is
// refused when one of them cannot be named.
func EraseRefs(s *Server, inv *hardware.Inventory) ([]protocol.DiskRef, error) {
	if s.Environment == protocol.EnvInstalled {
		return nil, fault.Refused("server %s runs an installed system; boot the RAM environment to erase its disks", s.ID)
	}
	if bad := Untouchable(s.Environment, inv); len(bad) > 0 {
		return nil, fault.Refused("server %s has a disk without serial number and WWN (%s, %s); it cannot be erased safely: take it out or erase it by hand",
			s.ID, bad[0].Name, unit.Bytes(bad[0].SizeBytes).SI())
	}
	var refs []protocol.DiskRef
	for _, d := range Targets(s.Environment, inv) {
		refs = append(refs, Ref(d))
	}
	return refs, nil
}

// InstallTarget chooses the disk that gets the operating system: the smallest
// without rotation that is large enough, else the smallest with; ties by serial.
func InstallTarget(environment string, inv *hardware.Inventory, need uint64) (protocol.DiskRef, error) {
	list := slices.DeleteFunc(Targets(environment, inv), func(d hardware.Disk) bool { return d.SizeBytes < need })
	if len(list) == 0 {
		return protocol.DiskRef{}, fault.Refused("no disk of the server can hold the image of %s", unit.Bytes(need).SI())
	}
	return Ref(slices.MinFunc(list, func(a, b hardware.Disk) int {
		if a.Rotational != b.Rotational {
			if b.Rotational {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.SizeBytes, b.SizeBytes), cmp.Compare(a.Serial+a.WWN, b.Serial+b.WWN))
	})), nil
}
