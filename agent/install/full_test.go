package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// TestB43_AFullFileSystemIsNotASuccess gives the agent a sandbox disk that the file system
// below cannot hold.
func TestB43_AFullFileSystemIsNotASuccess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := linux.OpenSandbox(0, filepath.Join(dir, "disk")+":16MiB")
	if err != nil {
		t.Fatal(err)
	}
	m := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	p := pack(t, picture(12<<20))
	ref := protocol.DiskRef{Name: "?", Serial: "sandbox-0", SizeBytes: 16 << 20}
	got, err := Run(t.Context(), m, &store{image: p}, p.manifest(), ref, &notes{})
	if got != nil || !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%+v %v", got, err)
	}
}
