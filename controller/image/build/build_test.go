package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

// The image itself is built and started in deploy/e2e/metal/install.

func TestB43_WhatCannotBeBuiltIsSaidAtOnce(t *testing.T) {
	tell := func(now string) { t.Errorf("work was begun: %s", now) }
	dir := t.TempDir()
	if err := Run(t.Context(), Options{Name: "plan-9", Output: filepath.Join(dir, "x"), Tell: tell}); !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), Debian12) {
		t.Errorf("an unknown recipe: %v", err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), Options{Name: Debian12, Output: taken, Tell: tell})
	want := map[bool]string{true: "exists", false: "needs root"}[os.Geteuid() == 0]
	if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "needs these Debian packages") {
		t.Errorf("an output that exists: %v", err)
	}
	if got, err := os.ReadFile(taken); err != nil || string(got) != "somebody's" {
		t.Errorf("it holds %q now: %v", got, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestB43_AProgramThatIsMissingIsNamedWithItsPackage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("asked before: root")
	}
	was := programs
	programs = append(programs[:len(programs):len(programs)], struct{ name, packet string }{"no-such-program", "no-such-package"})
	t.Cleanup(func() { programs = was })
	err := Run(t.Context(), Options{Name: Debian12, Output: filepath.Join(t.TempDir(), "x"), Tell: func(string) {}})
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "apt-get install") || !strings.Contains(err.Error(), "no-such-package") {
		t.Errorf("%v", err)
	}
}
