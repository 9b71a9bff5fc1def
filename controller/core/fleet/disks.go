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

// Untouchable lists disks that would have to be erased and cannot be. While there
// is one the machine cannot be proven clean.
func Untouchable(environment string, inv *hardware.Inventory) []hardware.Disk {
	if environment == protocol.EnvSandbox {
		return nil
	}
	var list []hardware.Disk
	for i := range inv.Disks {
		if hindrance(&inv.Disks[i]) != "" {
			list = append(list, inv.Disks[i])
		}
	}
	return list
}

// hindrance says why a disk that holds, or may hold, somebody's data cannot be erased; ""
// for every other one. A failing disk often goes read-only, or shows no capacity
// until it is switched off and on; an external SATA port calls its disks removable.
func hindrance(d *hardware.Disk) string {
	inside := d.Type == hardware.DiskNVMe || d.Type == hardware.DiskSATA || d.Type == hardware.DiskSAS
	switch {
	case d.Type == hardware.DiskUSB, d.Removable && (!inside || d.SizeBytes == 0):
		return ""
	case d.Removable:
		return "that calls itself removable"
	case d.Serial == "" && d.WWN == "":
		return "without serial number and WWN"
	case d.ReadOnly:
		return "that is read-only"
	case d.SizeBytes == 0:
		return "that shows no capacity"
	}
	return ""
}

// NewDisks lists fixed disks that are in now and were not in before: nobody knows
// what is on them. A disk that went and came back is new.
//
// Two disks of one name are two disks.
func NewDisks(environment string, before, now *hardware.Inventory) []hardware.Disk {
	known := map[protocol.DiskRef]int{}
	for _, d := range holders(environment, before) {
		known[nameless(d)]++
	}
	return slices.DeleteFunc(holders(environment, now), func(d hardware.Disk) bool {
		known[nameless(d)]--
		return known[nameless(d)] >= 0
	})
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
	done := map[protocol.DiskRef]int{}
	for _, r := range erased {
		r.Name = ""
		done[r]++
	}
	return !slices.ContainsFunc(holders(environment, inv), func(d hardware.Disk) bool {
		done[nameless(d)]--
		return done[nameless(d)] < 0
	})
}

// Beyond lists what is in now and was not in before, whatever the system calls it. A disk may have given back what it hid of its end.
func Beyond(before, now []protocol.DiskRef) []protocol.DiskRef {
	return slices.DeleteFunc(slices.Clone(now), func(n protocol.DiskRef) bool {
		return slices.ContainsFunc(before, func(b protocol.DiskRef) bool { return b.Serial == n.Serial && b.WWN == n.WWN })
	})
}

// Holds reports whether a machine reported a disk that is in refs, and which one. A disk without serial number and WWN is like
// any other one.
func Holds(inv *hardware.Inventory, refs []protocol.DiskRef) (hardware.Disk, bool) {
	for _, d := range inv.Disks {
		if d.Serial == "" && d.WWN == "" {
			continue
		}
		mine := nameless(d)
		if slices.ContainsFunc(refs, func(r protocol.DiskRef) bool { r.Name = ""; return r == mine }) {
			return d, true
		}
	}
	return hardware.Disk{}, false
}

// Ref names a disk in commands and permits.
func Ref(d hardware.Disk) protocol.DiskRef {
	return protocol.DiskRef{Name: d.Name, Serial: d.Serial, WWN: d.WWN, SizeBytes: d.SizeBytes}
}

// EraseRefs names every disk that an erase of the machine must cover. It is
// refused when one of them cannot be named or written.
func EraseRefs(s *Server, inv *hardware.Inventory) ([]protocol.DiskRef, error) {
	if s.Environment == protocol.EnvRescue {
		return nil, fault.Refused("server %s runs the rescue system, in which nothing is erased; boot the RAM environment to erase its disks", s.ID)
	}
	if s.Environment == protocol.EnvInstalled {
		return nil, fault.Refused("server %s runs an installed system; boot the RAM environment to erase its disks", s.ID)
	}
	if bad := Untouchable(s.Environment, inv); len(bad) > 0 {
		return nil, fault.Refused("server %s has a disk %s (%s, %s); it cannot be erased safely: take it out",
			s.ID, hindrance(&bad[0]), bad[0].Name, unit.Bytes(bad[0].SizeBytes).SI())
	}
	var refs []protocol.DiskRef
	for _, d := range Targets(s.Environment, inv) {
		refs = append(refs, Ref(d))
	}
	return refs, nil
}

// Regain notes in an inventory what disks have given back of themselves during an erase. It reports whether there was any.
func Regain(inv *hardware.Inventory, list []protocol.Erasure) (changed bool) {
	for _, e := range list {
		for i, d := range inv.Disks {
			if e.Regained == 0 || e.Disk.Serial != d.Serial || e.Disk.WWN != d.WWN || e.Disk.SizeBytes != d.SizeBytes {
				continue
			}
			if !changed {
				inv.Disks, changed = slices.Clone(inv.Disks), true
			}
			inv.Disks[i].SizeBytes += e.Regained
		}
	}
	return changed
}

// Grown is refs with the sizes that the same disks have now, where those are bigger: a drive that hid its end has given it back,
// and the next permit names the whole of it. Nothing else about a disk may change between two permits of one erase.
func Grown(refs []protocol.DiskRef, inv *hardware.Inventory) []protocol.DiskRef {
	refs = slices.Clone(refs)
	for i := range refs {
		same := func(d hardware.Disk) bool { return d.Serial == refs[i].Serial && d.WWN == refs[i].WWN }
		n := slices.IndexFunc(inv.Disks, same)
		if n < 0 || inv.Disks[n].Type == hardware.DiskNVMe || slices.ContainsFunc(inv.Disks[n+1:], same) {
			continue
		}
		refs[i].SizeBytes = max(refs[i].SizeBytes, inv.Disks[n].SizeBytes)
	}
	return refs
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
