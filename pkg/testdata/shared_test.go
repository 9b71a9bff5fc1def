package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindWalksUpToTheSamples(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "project", "pkg", "thing")
	want := filepath.Join(root, "shared", "data", "lldp", "a.xml")
	for _, dir := range []string{deep, filepath.Dir(want)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(want, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, ok := find(deep, "lldp", "a.xml"); !ok || got != want {
		t.Errorf("find = %q, %v; want %q", got, ok, want)
	}
	if got, ok := find(deep, "lldp", "no-such-sample"); ok {
		t.Errorf("find invented %q", got)
	}
}
