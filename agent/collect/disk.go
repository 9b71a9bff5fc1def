package collect

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// notDisks begin the names of block devices that hold no system of their own.
var notDisks = []string{"loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "rbd", "drbd", "bcache", "zd", "mtdblock", "ubi", "dasd"}

// disks reads whole block devices from /sys/block.
func (c *Collector) disks(context.Context) finding {
	names, err := c.tree.list("sys/block")
	if err != nil {
		return trouble("/sys/block", err)
	}
	var found []hardware.Disk
	raid := 0
	for _, name := range names {
		d, volume, ok := c.disk(name)
		if !ok {
			continue
		}
		if volume {
			raid++
		}
		found = append(found, d)
	}
	f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) { to.Disks = found }}
	if raid > 0 {
		f.state = hardware.SectionPartial
		f.detail = fmt.Sprintf("composed by a RAID controller: %d of %d disks; those behind it are not listed", raid, len(found))
	}
	if len(found) == 0 {
		f.state, f.detail = hardware.SectionAbsent, "there is no disk"
	}
	return f
}

// disk reads one device and tells whether a RAID controller composed it; ok is
// false when it is none that can hold a system.
func (c *Collector) disk(name string) (d hardware.Disk, volume, ok bool) {
	if slices.ContainsFunc(notDisks, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return d, false, false
	}
	dir := "sys/block/" + name
	where, err := c.tree.real(dir)
	nvme := strings.HasPrefix(name, "nvme")
	if err != nil || c.tree.text(dir+"/hidden") == "1" || strings.Contains(where, "/virtual/") && !nvme {
		return d, false, false
	}
	device := c.deviceOf(dir, where)
	a := func(attribute string) string { return c.tree.text(device + "/" + attribute) }
	d = hardware.Disk{
		Name:       name,
		Rotational: c.tree.text(dir+"/queue/rotational") == "1",
		Model:      join(a("model")),
		Firmware:   join(cmp.Or(a("firmware_rev"), a("rev"))),
		SizeBytes:  c.tree.number(dir+"/size") << 9, // the unit is 512 bytes whatever the sector size
		SectorSize: int(c.tree.number(dir + "/queue/logical_block_size")),
		Removable:  c.tree.text(dir+"/removable") == "1",
		ReadOnly:   c.tree.text(dir+"/ro") == "1",
	}
	if v := a("vendor"); !strings.HasPrefix(v, "0x") { // of virtio, a number
		d.Vendor = join(v)
	}
	onRAID := c.onRAID(where, device)
	d.Type = diskType(name, where, d.Vendor, d.Model, onRAID)
	volume = d.Type == hardware.DiskVirtual && (onRAID || raidVolume(d.Vendor, d.Model))
	d.WWN = worldWideName(cmp.Or(c.tree.text(dir+"/wwid"), a("wwid")))
	d.Serial = c.diskSerial(dir, device)
	if d.Vendor == "ATA" {
		d.Vendor = "" // a protocol, not a maker
	}
	return d, volume, d.SizeBytes > 0 || !d.Removable
}

// deviceOf is the directory of the device that the disk belongs to. Copies often
// lack the link; the device is then above "block/sda", or above "nvme0n1".
func (c *Collector) deviceOf(dir, where string) string {
	if device, err := c.tree.real(dir + "/device"); err == nil {
		return device
	}
	up := path.Dir(where)
	if path.Base(up) == "block" {
		up = path.Dir(up)
	}
	return up
}

// diskSerial looks where the kernel keeps it: virtio beside the disk, NVMe and
// some controllers at the device, SCSI and ATA in vital product data page 0x80, or
// at the end of a "t10." name.
func (c *Collector) diskSerial(dir, device string) string {
	if s := cmp.Or(c.tree.text(dir+"/serial"), c.tree.text(device+"/serial")); s != "" {
		return join(s)
	}
	if page, err := c.tree.read(device+"/vpd_pg80", 4<<10); err == nil && len(page) > 4 {
		n := int(page[2])<<8 | int(page[3])
		if s := join(string(page[4:min(4+n, len(page))])); s != "" {
			return s
		}
	}
	if words := strings.Fields(c.tree.text(device + "/wwid")); len(words) > 2 && strings.HasPrefix(words[0], "t10.") {
		return words[len(words)-1]
	}
	return ""
}

// worldWideName keeps the names that are unique in the world.
func worldWideName(wwid string) string {
	for _, prefix := range []string{"naa.", "eui.", "uuid.", "nvme."} {
		if strings.HasPrefix(wwid, prefix) {
			return join(wwid)
		}
	}
	return ""
}

// join folds the spaces with which SCSI pads its fields.
func join(s string) string {
	return strings.Join(strings.Fields(strings.Trim(s, "\x00")), " ")
}
