package configure

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/firmware"
)

// espKind is the type of an EFI system partition, as stored.
var espKind = [16]byte{0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B}

// fstab warns of entries that name nothing on the disk. names are those that its file systems and partitions have.
func (o *outcome) fstab(t tree, names []string) {
	root := false
	for line := range strings.Lines(t.read("etc/fstab")) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		what, where := strings.ReplaceAll(fields[0], `"`, ""), fields[1]
		root = root || where == "/"
		switch {
		case strings.HasPrefix(what, "/dev/sd"), strings.HasPrefix(what, "/dev/vd"), strings.HasPrefix(what, "/dev/nvme"), strings.HasPrefix(what, "/dev/hd"):
			o.warn("fstab mounts %s on %s: such a name is another disk on another machine; use UUID=", what, where)
		case strings.HasPrefix(what, "UUID="), strings.HasPrefix(what, "PARTUUID="), strings.HasPrefix(what, "LABEL="):
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, what) }) {
				o.warn("fstab mounts %s on %s, which is nothing on this disk", what, where)
			}
		}
	}
	if !root {
		o.warn("fstab names no root file system")
	}
}

// names are what fstab can call the partitions of a disk.
func names(m io.ReaderAt, t *table) []string {
	var list []string
	for _, p := range t.parts {
		list = append(list, "PARTUUID="+t.partUUID(p))
		if fs, ok := identify(m, p); ok {
			list = append(list, "UUID="+fs.uuid, "LABEL="+fs.label)
		} else if f, err := openFAT(m, p); err == nil {
			list = append(list, "UUID="+f.serial, "LABEL="+f.label)
		} else if swap, err := readAt(m, p.start, 4096); err == nil && bytes.Equal(swap[4086:], []byte("SWAPSPACE2")) {
			list = append(list, "UUID="+uuid(swap[1036:]), "LABEL="+text(swap[1052:1068]))
		}
	}
	return list
}

// loaders are where a machine or an installed system keeps a boot loader for UEFI; the first is what firmware tries by
// itself.
var loaders = []string{"EFI/BOOT/BOOTX64.EFI", "EFI/DEBIAN/SHIMX64.EFI", "EFI/DEBIAN/GRUBX64.EFI", "EFI/UBUNTU/SHIMX64.EFI", "EFI/ROCKY/SHIMX64.EFI", "EFI/CENTOS/SHIMX64.EFI", "EFI/REDHAT/SHIMX64.EFI", "EFI/SYSTEMD/SYSTEMD-.EFI"}

// loader finds the boot loader for UEFI. esp is nil without one.
func loader(m io.ReaderAt, t *table) (esp *partition, path string) {
	for i, p := range t.parts {
		if p.kind != espKind && p.mbrKind != 0xEF {
			continue
		}
		f, err := openFAT(m, p)
		if err != nil {
			continue
		}
		for _, name := range loaders {
			if f.has(name) {
				return &t.parts[i], name
			}
		}
	}
	return nil, ""
}

// boot sees to it that the firmware of this machine finds the system.
func (o *outcome) boot(m io.ReaderAt, t *table, w Wish) {
	esp, from := loader(m, t)
	if _, err := os.Stat(filepath.Dir(firmware.Dir)); err != nil {
		if bytes.Equal(t.mbr[:440], make([]byte, 440)) {
			o.warn("this machine starts by a BIOS, and the image has no boot loader for it")
		}
		return
	}
	if esp == nil {
		o.warn("this machine starts by UEFI, and the image has no EFI system partition with a known boot loader")
		return
	}
	number, err := enter(firmware.Dir, bootOption{table: t, esp: *esp, path: from, name: "Steelyard: " + w.Image})
	if err != nil && from == loaders[0] {
		o.warn("no boot entry was written (%v); the firmware has to find %s by itself", err, from)
		return
	}
	if err != nil {
		o.warn("no boot entry was written, and the image has no %s: the machine may not start: %v", loaders[0], err)
		return
	}
	o.did("boot entry Boot%04X for %s", number, from)
}
