package testdata

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Shared returns the path of one sample below the directory "shared/data", e.g.
//
//	dumps := testdata.Shared(t, "server-dumps", "dmidecode")
//
// The directory is looked for beside each parent of the package under test. The
// test is skipped when there is no such directory or no such sample: both are
// true of a clone that came without them.
func Shared(t testing.TB, parts ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the working directory: %v", err)
	}
	path, ok := find(dir, parts...)
	if !ok {
		t.Skipf("no sample %s beside the project", filepath.Join(append([]string{"shared", "data"}, parts...)...))
	}
	return path
}

// find walks from dir to the root and returns the first existing
// shared/data/parts….
func find(dir string, parts ...string) (string, bool) {
	for {
		path := filepath.Join(append([]string{dir, "shared", "data"}, parts...)...)
		if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
			return path, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
