package configure

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestB43_WindowsGetsAConfigDrive reads the drive with other programs than ours. Windows itself is not started.
func TestB43_WindowsGetsAConfigDrive(t *testing.T) {
	for _, label := range []string{"gpt", "dos"} {
		d := newDisk(t, 100<<20)
		small := filepath.Join(t.TempDir(), "small")
		ok(t, os.WriteFile(small, nil, 0o600))
		ok(t, os.Truncate(small, 64<<20))
		run(t, "label: "+label+"\nstart=2048, size=100000, type="+map[string]string{"gpt": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "dos": "7"}[label]+"\n", "sfdisk", "-q", small)
		run(t, "", "dd", "if="+small, "of="+d.path, "bs=1M", "conv=notrunc", "status=none")
		w := wish()
		w.OSFamily, w.UserData = "windows", strings.Repeat("#ps1\r\n", 2000)
		for range 2 { // again is the same
			done, _, err := d.configure(w)
			ok(t, err)
			if done != "config drive for cloudbase-init on partition 2" {
				t.Errorf("told: %s", done)
			}
		}
		table := run(t, "", "sfdisk", "--dump", d.path)
		if !strings.Contains(table, "size=       32768") {
			t.Fatalf("%s: no partition of 16 MiB:\n%s", label, table)
		}
		end := int64(100 << 20)
		if label == "gpt" {
			end = (100<<20 - 34*512) >> 20 << 20
		}
		drive := filepath.Join(t.TempDir(), "drive")
		run(t, "", "dd", "if="+d.path, "of="+drive, "bs=1M", "skip="+strconv.FormatInt((end-driveBytes)>>20, 10), "count=16", "status=none")
		run(t, "", "fsck.vfat", "-n", drive)
		if said := run(t, "", "mlabel", "-s", "-i", drive); !strings.Contains(said, "CONFIG-2") {
			t.Errorf("label: %s", said)
		}
		for name, want := range w.configDrive()["openstack"].(folder)["latest"].(folder) {
			if got := run(t, "", "mtype", "-i", drive, "::/openstack/latest/"+name); got != strings.TrimSpace(want.(string)) {
				t.Errorf("%s: %q, not %q", name, got, want)
			}
		}
		d.free()
	}
}
