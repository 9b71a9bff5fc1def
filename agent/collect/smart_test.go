package collect

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// command writes a program that stands in for smartctl.
func command(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smartctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const healthy = `echo '{"smart_status":{"passed":true},"power_on_time":{"hours":49}}'`

func TestSMARTComesFromTheProgram(t *testing.T) {
	disks := []hardware.Disk{{Name: "sda", Type: hardware.DiskSATA}, {Name: "vda", Type: hardware.DiskVirtual}, {Name: "sdb", Type: hardware.DiskSAS}}
	for name, c := range map[string]struct {
		script, state string
		read          int
	}{
		"all disks": {healthy, hardware.SectionOK, 2},
		"a failing disk's exit status is no failure": {healthy + "; exit 8", hardware.SectionOK, 2},
		"one disk cannot be opened":                  {`case "$*" in */dev/sda) ` + healthy + ` ;; *) exit 2 ;; esac`, hardware.SectionPartial, 1},
		"no disk answers":                            {"exit 2", hardware.SectionFailed, 0},
		"this user may not open disks":               {`echo '{"smartctl":{"messages":[{"string":"/dev/sda: Permission denied"}]}}'; exit 2`, hardware.SectionDenied, 0},
		"nonsense":                                   {"echo nonsense", hardware.SectionFailed, 0},
		"endless output":                             {"head -c 30000000 /dev/zero", hardware.SectionFailed, 0},
	} {
		collector := New(Options{Smartctl: command(t, c.script), Timeout: 20 * time.Second})
		inv := hardware.Inventory{Disks: append([]hardware.Disk(nil), disks...)}
		collector.collect(t.Context(), &inv, "smart", collector.smart(inv.Disks))
		read := 0
		for _, d := range inv.Disks {
			if d.SMART != nil {
				read++
				if !d.SMART.Passed || d.SMART.PowerOnDays != 2 || d.SMART.WearPercent != -1 {
					t.Errorf("%s: %+v", name, d.SMART)
				}
			}
		}
		if read != c.read || state(inv, "smart") != c.state {
			t.Errorf("%s: %d disks read, section %+v; want %d and %s", name, read, inv.Sections, c.read, c.state)
		}
	}
}

func TestSMARTIsAbsentWithoutTheProgram(t *testing.T) {
	collector := New(Options{Smartctl: filepath.Join(t.TempDir(), "none")})
	f := collector.smart([]hardware.Disk{{Name: "sda", Type: hardware.DiskSATA}})(context.Background())
	if f.state != hardware.SectionAbsent || !strings.Contains(f.detail, "smartmontools") {
		t.Errorf("%+v", f)
	}
}
