package drivertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Loop attaches a file of the test's own directory to a free loop device and detaches
// it when the test ends; flags go to losetup. Without root there is nothing to test; without losetup on a
// build machine (CI set) the test fails.
func Loop(t *testing.T, size int64, flags ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("attaching a loop device needs root")
	}
	file := filepath.Join(t.TempDir(), "backing")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", append(flags, "--show", "-f", file)...).CombinedOutput()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("losetup: %v: %s", err, out)
		}
		t.Skipf("losetup: %v: %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if err := exec.Command("losetup", "-d", dev).Run(); err != nil {
			t.Errorf("detach %s: %v", dev, err)
		}
	})
	backing, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(dev), "loop", "backing_file"))
	if err != nil || strings.TrimSpace(string(backing)) != file {
		t.Fatalf("%s is backed by %q, not by the test's file: %v", dev, backing, err)
	}
	return dev
}
