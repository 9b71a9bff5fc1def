// Package library tells which shared libraries a program of this machine needs, by reading its header: nothing
// is run, so the answer does not depend on the environment of who asks.
package library

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folders is where Debian's loader looks.
var folders = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// Of lists the files that a program needs beside itself: its loader and all its libraries, each
// under the path where the loader looks for it. A static program needs none.
func Of(program string) ([]string, error) {
	found := map[string]bool{}
	if err := collect(program, found); err != nil {
		return nil, fmt.Errorf("find the libraries of %s: %w", program, err)
	}
	list := make([]string, 0, len(found))
	for path := range found {
		list = append(list, path)
	}
	slices.Sort(list)
	return list, nil
}

func collect(file string, found map[string]bool) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			raw := make([]byte, min(p.Filesz, 256))
			if _, err := p.ReadAt(raw, 0); err != nil {
				return err
			}
			found[strings.TrimRight(string(raw), "\x00")] = true
		}
	}
	names, err := f.ImportedLibraries()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		path, err := find(name)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if !found[path] {
			found[path] = true
			if err := collect(path, found); err != nil {
				return err
			}
		}
	}
	return nil
}

func find(name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the library %s is in none of %s", name, strings.Join(folders, ", "))
}
