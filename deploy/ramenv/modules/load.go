package modules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
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
	f, err := os.Open(filepath.Join(l.Index.Dir, l.Index.File(name)))
	if err != nil {
		return fmt.Errorf("load module %s: %w", name, err)
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), options, 0)
	if err == nil || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil // ENODEV: a driver without its device
	}
	return fmt.Errorf("load module %s: %w", name, err)
}

// Devices loads what the devices that are there ask for, until no device asks for more: a driver may
// find devices of its own. It returns the drivers that could not be loaded.
func (l *Loader) Devices(sys string) error {
	var failed []error
	asked := map[string]bool{}
	for {
		before := len(l.tried)
		for _, modalias := range Aliases(sys) {
			if !asked[modalias] {
				asked[modalias] = true
				failed = append(failed, l.Want(modalias))
			}
		}
		if len(l.tried) == before {
			return errors.Join(failed...)
		}
	}
}

// Aliases lists what the devices below sys (/sys) call themselves, each once, sorted.
func Aliases(sys string) []string {
	var list []string
	_ = filepath.WalkDir(filepath.Join(sys, "devices"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "modalias" {
			return nil //nolint:nilerr // a device that goes away while it is looked at
		}
		text, err := os.ReadFile(path)
		if word := strings.TrimSpace(string(text)); err == nil && word != "" {
			list = append(list, word)
		}
		return nil
	})
	slices.Sort(list)
	return slices.Compact(list)
}
