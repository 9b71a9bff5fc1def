package assemble

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"
)

const limit = 40 << 20 // of the archive

func need(t *testing.T) {
	t.Helper()
	for _, p := range []string{"apt-get", "dpkg-deb", "/usr/sbin/depmod", "cpio", "/usr/sbin/smartctl", "/usr/bin/busybox"} {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed; deploy/install-test-deps.sh installs it", p)
			}
			t.Skipf("%s is not installed; deploy/install-test-deps.sh installs it", p)
		}
	}
}

func build(t *testing.T) (string, Manifest) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	dir := t.TempDir()
	m, err := Build(ctx, Options{Out: dir, Cache: "../../../.cache/kernel", Version: "1.2.3", Tell: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	return dir, m
}

func TestTheSameInputsGiveTheSameBytes(t *testing.T) {
	need(t)
	first, m := build(t)
	second, _ := build(t)
	for _, file := range []string{KernelFile, InitrdFile, ManifestFile} {
		a, errA := os.ReadFile(filepath.Join(first, file))
		b, errB := os.ReadFile(filepath.Join(second, file))
		if errA != nil || errB != nil || !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("%s differs between two builds (%d and %d bytes; %v, %v)", file, len(a), len(b), errA, errB)
		}
	}
	theManifestIsTrue(t, first, m)
	theArchiveHoldsOnlyWhatIsMeant(t, first)
}

func theManifestIsTrue(t *testing.T, dir string, m Manifest) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	var written Manifest
	if err := json.Unmarshal(raw, &written); err != nil || written.InitrdSHA256 != m.InitrdSHA256 || written.Agent != "1.2.3" || written.Kernel == "" {
		t.Errorf("%v %s", err, raw)
	}
	for file, want := range map[string]string{KernelFile: m.KernelSHA256, InitrdFile: m.InitrdSHA256} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		sum := sha256.Sum256(raw)
		if err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not what the manifest tells: %v", file, err)
		}
	}
	if m.InitrdBytes > limit {
		t.Errorf("the archive has %d bytes; servers load it over the network: %d at most", m.InitrdBytes, limit)
	}
	if len(m.Left) != 0 {
		t.Errorf("left out: %v", m.Left)
	}
}

func theArchiveHoldsOnlyWhatIsMeant(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, InitrdFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("cpio", "--quiet", "-t")
	cmd.Stdin = lz4.NewReader(f)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	for _, want := range []string{"init", "bin/steelyard-agent", "usr/sbin/smartctl", "bin/busybox", "bin/sh", "bin/dmesg", "bin/ip", "dev/console", "etc/passwd"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, driver := range []string{
		"nvme", "ahci", "virtio_blk", "virtio_net", "megaraid_sas", "mpt3sas", "e1000e", "igb", "ixgbe", "i40e", "ice", "bnxt_en", "tg3", "mlx5_core", "ipmi_si", "ipmi_devintf", "sd_mod", "ext4", "xfs", "vfat", "btrfs", "efivarfs",
	} {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(strings.TrimSuffix(n, ".zst"), "/"+driver+".ko") }) {
			t.Errorf("the driver %s is missing", driver)
		}
	}
	for _, n := range names {
		for _, bad := range []string{"sbin/modprobe", "bin/bash", "etc/shadow", ".pem", "bonding.ko"} {
			if strings.HasSuffix(n, bad) {
				t.Errorf("%s has no place in it", n)
			}
		}
		if name, command := strings.CutPrefix(n, "bin/"); command && slices.Contains(unwanted, name) {
			t.Errorf("busybox is %s here, which would do harm", name)
		}
	}
}
