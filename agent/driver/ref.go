package driver

import (
	"context"
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// Ref is the name of an inventory's disk.
func Ref(d hardware.Disk) protocol.DiskRef {
	return protocol.DiskRef{Name: d.Name, Serial: d.Serial, WWN: d.WWN, SizeBytes: d.SizeBytes}
}

// Same tells whether both names mean one disk: equal size, an equal serial or WWN, and neither
// of the two contradicts. The kernel name means nothing.
func Same(a, b protocol.DiskRef) bool {
	if a.SizeBytes != b.SizeBytes {
		return false
	}
	serial, wwn := compare(a.Serial, b.Serial), compare(a.WWN, b.WWN)
	return serial >= 0 && wwn >= 0 && serial+wwn > 0
}

// compare is 1 for equal, -1 for different, 0 where one side does not know.
func compare(a, b string) int {
	switch {
	case a == "" || b == "":
		return 0
	case strings.EqualFold(a, b):
		return 1
	default:
		return -1
	}
}

// Describe names a disk for a person: "sda (serial S4NXNX0N, 480 GB)".
func Describe(r protocol.DiskRef) string {
	who := "without serial"
	switch {
	case r.Serial != "":
		who = "serial " + r.Serial
	case r.WWN != "":
		who = "WWN " + r.WWN
	}
	return fmt.Sprintf("%s (%s, %s)", r.Name, who, unit.Bytes(r.SizeBytes).SI())
}

// Find looks for the one disk of the list that want names. Faults: invalid when want
// has neither serial nor WWN, not_found when no disk fits, refused when several
// do: a disk that is seen twice is shared or badly labelled.
func Find(list []protocol.DiskRef, want protocol.DiskRef) (protocol.DiskRef, error) {
	if want.Serial == "" && want.WWN == "" {
		return protocol.DiskRef{}, fault.Invalid("disk %s is named without serial and WWN; a kernel name is not enough to touch a disk", want.Name)
	}
	var found []protocol.DiskRef
	for _, r := range list {
		if Same(r, want) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return protocol.DiskRef{}, fault.NotFound("this machine has no disk %s", Describe(want))
	case 1:
		return found[0], nil
	default:
		return protocol.DiskRef{}, fault.Refused("disk %s is seen as %s and %s: a shared disk, or two with one serial", Describe(want), found[0].Name, found[1].Name)
	}
}

// Check asks the open disk who it is and refuses unless that is want (rule B44).
func Check(ctx context.Context, d Disk, want protocol.DiskRef) error {
	now, err := d.Identify(ctx)
	if err != nil {
		return fmt.Errorf("ask disk %s who it is: %w", Describe(want), err)
	}
	if !Same(now, want) {
		return fault.Refused("disk %s is now %s; nothing was done to it", Describe(want), Describe(now))
	}
	return nil
}

// Open finds the disk that want names, opens it and checks it again. The error's kinds are
// those of Find, Disks.Open and Check.
func Open(ctx context.Context, disks Disks, want protocol.DiskRef, mode Mode) (Disk, error) {
	list, err := disks.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	found, err := Find(list, want)
	if err != nil {
		return nil, err
	}
	d, err := disks.Open(ctx, found.Name, mode)
	if err != nil {
		return nil, fmt.Errorf("open disk %s: %w", Describe(found), err)
	}
	if err := Check(ctx, d, want); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}
