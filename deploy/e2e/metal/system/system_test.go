package system

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

func TestTheSystemStartsFromEveryKindOfDiskAndFirmware(t *testing.T) {
	qemu.Need(t, append(Programs, "depmod")...)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	image := filepath.Join(t.TempDir(), "system.img")
	if err := Build(ctx, filepath.Dir(qemu.Cache()), image); err != nil {
		t.Fatal(err)
	}
	for name, firmware := range map[string]qemu.Firmware{"nvme": qemu.BIOS, "sata": qemu.BIOS, "nvme by UEFI": qemu.UEFI} {
		t.Run(name, func(t *testing.T) {
			bus, _, _ := strings.Cut(name, " ")
			disk := qemu.Disk{Bus: bus, Serial: "D1", File: image, Options: "snapshot=on", Boot: 1}
			m := qemu.Start(t, qemu.Machine{Firmware: firmware, Disks: []qemu.Disk{disk}})
			began := time.Now()
			if err := m.WaitLine("login:", 2*time.Minute); err != nil {
				t.Fatal(err)
			}
			t.Logf("%.1f s to the login", time.Since(began).Seconds())
		})
	}
}
