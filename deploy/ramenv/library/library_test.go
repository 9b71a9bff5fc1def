package library

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAProgramsLibrariesAreFoundByItsHeader(t *testing.T) {
	list, err := Of("/bin/ls")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(list) || !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "/ld-linux") }) ||
		!slices.ContainsFunc(list, func(s string) bool { return strings.HasSuffix(s, "/libc.so.6") }) {
		t.Errorf("ls needs %v", list)
	}
	for _, l := range list {
		if _, err := os.Stat(l); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsNoProgramIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if list, err := Of(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v %v", list, err)
	}
	if _, err := find("libnothing-of-the-kind.so.0"); err == nil || !strings.Contains(err.Error(), "libnothing") {
		t.Errorf("a library that is nowhere: %v", err)
	}
}
