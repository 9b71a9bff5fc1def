package firmware

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

// Dir is where Linux shows the variables.
const Dir = "/sys/firmware/efi/efivars"

const (
	global     = "-8be4df61-93ca-11d2-aa0d-00e098032b8c" // EFI_GLOBAL_VARIABLE
	attributes = 7                                       // kept through power-off, seen by firmware and system
)

// Open makes the variables of this machine readable in dir, and mounts them there if need be. The error says why there are none.
func Open(dir string) (Variables, error) {
	if err := unix.Mount("efivarfs", dir, "efivarfs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) && !present(dir) {
		return "", fmt.Errorf("mount the firmware's variables: %w", err)
	}
	return Variables(dir), nil
}

// variables is the directory of efivarfs.
type Variables string

func present(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "BootOrder"+global))
	return err == nil
}

func (v Variables) Path(name string) string { return filepath.Join(string(v), name+global) }

// get is the value of a variable; nil when there is none.
func (v Variables) Get(name string) []byte {
	b, err := os.ReadFile(v.Path(name))
	if err != nil || len(b) < 4 {
		return nil
	}
	return b[4:]
}

// set writes a variable in one write, as the kernel wants it.
func (v Variables) Set(name string, value []byte) error {
	f, err := os.OpenFile(v.Path(name), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(append(binary.LittleEndian.AppendUint32(nil, attributes), value...))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (v Variables) Remove(name string) error {
	if err := os.Remove(v.Path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// list is a variable that holds numbers of entries.
func (v Variables) List(name string) []uint16 {
	var list []uint16
	for b := v.Get(name); len(b) >= 2; b = b[2:] {
		list = append(list, binary.LittleEndian.Uint16(b))
	}
	return list
}

func Numbers(list []uint16) []byte {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	return b
}

// entries are the numbers that are taken.
func (v Variables) Entries() []uint16 {
	paths, _ := filepath.Glob(v.Path("Boot????"))
	var list []uint16
	for _, p := range paths {
		if n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(p), global)[4:], 16, 16); err == nil {
			list = append(list, uint16(n))
		}
	}
	return list
}

func (v Variables) Free() (uint16, error) {
	taken := v.Entries()
	for n := range uint16(256) {
		if !slices.Contains(taken, n) {
			return n, nil
		}
	}
	return 0, fault.Refused("the firmware's menu is full: remove entries with efibootmgr")
}

// wide is text in UTF-16 with its end.
func Wide(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
