package modules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/archive"
)

// Loader loads modules into the running kernel. It is for one goroutine.
type Loader struct {
	Index *Index
	tried map[string]bool
}

// Want loads what a module's name or an alias means, with options for the module itself, and all that it
// needs. What is loaded already, built in or unknown is no error; [Loader.Index] tells whether it is known.
func (l *Loader) Want(word string, options ...string) error {
	var failed []error
	for _, name := range l.Index.Resolve(word) {
		order := l.Index.Order(name)
		for i, n := range order {
			text := ""
			if i == len(order)-1 {
				text = strings.Join(options, " ")
			}
			failed = append(failed, l.load(n, text))
		}
	}
	return errors.Join(failed...)
}

func (l *Loader) load(name, options string) error {
	if l.tried[name] {
		return nil
	}
	if l.tried == nil {
		l.tried = map[string]bool{}
	}
	l.tried[name] = true
	err := insert(filepath.Join(l.Index.Dir, l.Index.File(name)), options)
	if err == nil || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil // ENODEV: a driver without its device
	}
	return fmt.Errorf("load module %s: %w", name, err)
}

// insert gives a module to the kernel; it may be [archive.Packed].
func insert(file, options string) error {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		image, err := archive.ReadPacked(file)
		if err != nil {
			return err
		}
		return unix.InitModule(image, options)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), options, 0)
}

// Devices loads what the devices that are there ask for, until no device asks for more: a driver may
// find devices of its own. Network cards are first, because what they are needed for takes longest. It returns the
// drivers that could not be loaded.
func (l *Loader) Devices(sys string) error {
	var failed []error
	asked := map[string]bool{}
	for _, wanted := range []func(string) bool{isNetwork, func(string) bool { return true }} {
		for before := -1; len(l.tried) != before; {
			before = len(l.tried)
			for _, modalias := range Aliases(sys) {
				if !asked[modalias] && wanted(modalias) {
					asked[modalias] = true
					failed = append(failed, l.Want(modalias))
				}
			}
		}
	}
	return errors.Join(failed...)
}

// isNetwork tells whether a modalias is that of a network card: a PCI device of class 02, or a card behind virtio (the
// form of both is in the kernel's scripts/mod/file2alias.c).
func isNetwork(modalias string) bool {
	return strings.HasPrefix(modalias, "pci:") && strings.Contains(modalias, "bc02") || strings.HasPrefix(modalias, "virtio:d00000001v")
}

// Aliases lists what the devices of the buses and classes below sys (/sys) call themselves, each once, sorted.
func Aliases(sys string) []string {
	var list []string
	for _, pattern := range []string{"bus/*/devices/*/modalias", "class/*/*/modalias"} {
		files, _ := filepath.Glob(filepath.Join(sys, pattern))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if word := strings.TrimSpace(string(text)); err == nil && word != "" { // a device may go away while it is looked at
				list = append(list, word)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
