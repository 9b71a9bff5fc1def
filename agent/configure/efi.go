package configure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Variables of UEFI (specification 2.10, chapters 3 and 8). In efivarfs a file is the attributes, four bytes, and the value.
const (
	bootVendor = "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	attributes = 7 // kept through power-off, seen by firmware and system
	ours       = "Steelyard: "
)

// bootOption is an entry of the firmware's menu.
type bootOption struct {
	table *table
	esp   partition
	path  string // of the loader, with slashes
	name  string
}

// enter writes the entry, removes those that earlier installations wrote, and lets the firmware try it behind the entry that this
// machine was started by: what comes first, such as the network, stays first. The very next start uses the entry.
func enter(dir string, b bootOption) (uint16, error) {
	if err := unix.Mount("efivarfs", dir, "efivarfs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) && !hasVariables(dir) {
		return 0, fmt.Errorf("mount the firmware's variables: %w", err)
	}
	v := variables(dir)
	order := v.list("BootOrder")
	for _, old := range v.ownEntries() {
		if err := v.remove(fmt.Sprintf("Boot%04X", old)); err != nil {
			return 0, err
		}
		order = slices.DeleteFunc(order, func(n uint16) bool { return n == old })
	}
	number, err := v.free()
	if err != nil {
		return 0, err
	}
	at := 0
	if now := v.list("BootCurrent"); len(now) == 1 {
		at = slices.Index(order, now[0]) + 1
	}
	order = slices.Insert(order, at, number)
	return number, errors.Join(
		v.set(fmt.Sprintf("Boot%04X", number), b.encode()),
		v.set("BootOrder", numbers(order)),
		v.set("BootNext", numbers([]uint16{number})),
	)
}

// variables is the directory of efivarfs.
type variables string

func hasVariables(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "BootOrder"+bootVendor))
	return err == nil
}

func (v variables) path(name string) string { return filepath.Join(string(v), name+bootVendor) }

// get is the value of a variable; nil when there is none.
func (v variables) get(name string) []byte {
	b, err := os.ReadFile(v.path(name))
	if err != nil || len(b) < 4 {
		return nil
	}
	return b[4:]
}

// set writes a variable in one write, as the kernel wants it.
func (v variables) set(name string, value []byte) error {
	f, err := os.OpenFile(v.path(name), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(append(binary.LittleEndian.AppendUint32(nil, attributes), value...))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (v variables) remove(name string) error {
	if err := os.Remove(v.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// list is a variable that holds numbers of entries.
func (v variables) list(name string) []uint16 {
	var list []uint16
	for b := v.get(name); len(b) >= 2; b = b[2:] {
		list = append(list, binary.LittleEndian.Uint16(b))
	}
	return list
}

func numbers(list []uint16) []byte {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	return b
}

// entries are the numbers that are taken.
func (v variables) entries() []uint16 {
	paths, _ := filepath.Glob(v.path("Boot????"))
	var list []uint16
	for _, p := range paths {
		if n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(p), bootVendor)[4:], 16, 16); err == nil {
			list = append(list, uint16(n))
		}
	}
	return list
}

// ownEntries are those that an installation wrote, by their description.
func (v variables) ownEntries() []uint16 {
	mark := wide(ours)
	mark = mark[:len(mark)-2]
	return slices.DeleteFunc(v.entries(), func(n uint16) bool {
		b := v.get(fmt.Sprintf("Boot%04X", n))
		return len(b) < 6+len(mark) || string(b[6:6+len(mark)]) != string(mark)
	})
}

func (v variables) free() (uint16, error) {
	taken := v.entries()
	for n := range uint16(256) {
		if !slices.Contains(taken, n) {
			return n, nil
		}
	}
	return 0, fault.Refused("the firmware's menu is full: remove entries with efibootmgr")
}

// wide is text in UTF-16 with its end.
func wide(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// encode is an EFI_LOAD_OPTION: the partition by its id, the loader by its path.
func (b bootOption) encode() []byte {
	le := binary.LittleEndian
	drive := []byte{4, 1, 42, 0} // media, hard drive
	drive = le.AppendUint32(drive, uint32(b.esp.number))
	drive = le.AppendUint64(drive, b.esp.start/b.table.sector)
	drive = le.AppendUint64(drive, b.esp.size/b.table.sector)
	if b.table.gpt != nil {
		drive = append(drive, b.esp.id[:]...)
		drive = append(drive, 2, 2)
	} else {
		id := make([]byte, 16)
		copy(id, b.table.mbr[440:444])
		drive = append(drive, id...)
		drive = append(drive, 1, 1)
	}
	name := wide(`\` + strings.ReplaceAll(b.path, "/", `\`))
	file := append(le.AppendUint16([]byte{4, 4}, uint16(4+len(name))), name...)
	path := slices.Concat(drive, file, []byte{0x7F, 0xFF, 4, 0})
	option := le.AppendUint16(le.AppendUint32(nil, 1), uint16(len(path)))
	return slices.Concat(option, wide(b.name), path)
}
