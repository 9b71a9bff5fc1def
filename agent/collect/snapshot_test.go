package collect

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/testdata"
)

// TestB12_SnapshotsOfRealMachines reads trees that others recorded. What they
// hold is stated here by hand, from looking into them.
func TestB12_SnapshotsOfRealMachines(t *testing.T) {
	for archive, want := range map[string]struct {
		line string
		nics int
		gpu  string // address of the only one
	}{
		"linux-amd64-415ee03b8c4d1c4f07ae2e9d8b3d3d6d": {"1 × Core i7-1270P (12 cores), 32 GiB, 1 × 1.02 TB NVMe", 0, "0000:00:02.0"},
		"linux-amd64-61797caf7c0b6bca1725ad7975ed4773": {"1 × Ryzen 5 1600 (6 cores), 32 GiB, 1 × 1 TB HDD, 1 × 500 GB SSD, 1 × 256 GB SSD, 4 × network port", 4, "0000:0a:00.0"},
		"linux-amd64-8581cf3a529e5d8b97ea876eade2f60d": {"2 × Xeon L5640 (12 cores), 64 GiB, 1 × 500 GB virtual disk", 0, ""},
		"linux-amd64-accel":                            {"2 × Xeon Gold 5218R (2 cores), 2 GiB, 1 × 20 GiB virtual disk", 0, "0000:00:04.0"},
		"linux-amd64-accel-nvidia":                     {"1 × Xeon E5-2695 v4 (8 cores), 30 GiB, 1 × 50 GB virtual disk", 0, "0000:06:00.0"},
		"linux-amd64-offlineCPUs":                      {"2 × Xeon (Skylake, IBRS) (2 cores), 8 GiB", 0, ""},
		"linux-arm64-c288e0776090cd558ef793b2a4e61939": {"1 × Neoverse-N1 (1 core), 1.88 GiB, 1 × 9 GB NVMe, aarch64", 0, ""},
	} {
		t.Run(archive, func(t *testing.T) {
			root := t.TempDir()
			if err := untar(testdata.Shared(t, "server-dumps", "proc-sys-snapshots", archive+".tar.gz"), root); err != nil {
				t.Fatal(err)
			}
			inv := New(Options{Root: root}).Inventory(t.Context())
			got := inv.Configuration()
			got.GPUs = nil // their names depend on the pci.ids of whoever runs the test
			if got.String() != want.line || len(inv.NICs) != want.nics {
				t.Errorf("%d ports, %s\nwant %d ports, %s", len(inv.NICs), got, want.nics, want.line)
			}
			if gpus := addresses(inv.GPUs); gpus != want.gpu {
				t.Errorf("accelerators at %q; want %q", gpus, want.gpu)
			}
			for _, s := range inv.Sections {
				if s.State == hardware.SectionFailed {
					t.Errorf("section %s failed: %s", s.Name, s.Detail)
				}
			}
		})
	}
}

func addresses(gpus []hardware.GPU) string {
	var all []string
	for _, g := range gpus {
		all = append(all, g.PCIAddress)
	}
	return strings.Join(all, " ")
}

// unread are parts of the trees that no collector reads: most of their files.
var unread = regexp.MustCompile(`devices/system/(memory|node)/|/cpu[0-9]+/(cache|power)|/power/`)

// untar unpacks directories, files and links of an archive below root.
func untar(archive, root string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for members := tar.NewReader(plain); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("the archive wants to write to %s", header.Name)
		}
		if unread.MatchString(header.Name) {
			continue
		}
		if err := extract(header, members, filepath.Join(root, header.Name)); err != nil {
			return err
		}
	}
}

func extract(header *tar.Header, content io.Reader, path string) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return tie(path, header.Linkname)
	case tar.TypeReg:
		data, err := io.ReadAll(content)
		return errors.Join(err, put(path, data))
	default:
		return nil
	}
}
