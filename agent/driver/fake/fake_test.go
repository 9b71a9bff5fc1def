package fake

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func machine(sizes ...uint64) (*Machine, *Pages) {
	inv := hardware.Inventory{Simulated: true}
	for i, size := range sizes {
		inv.Disks = append(inv.Disks, hardware.Disk{Name: "sd" + string(rune('a'+i)), Serial: "F" + string(rune('1'+i)), SizeBytes: size})
	}
	store := NewPages()
	return New(func() hardware.Inventory { return inv }, store), store
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Subject {
		m, _ := machine(8<<20, 480_103_981_056)
		return drivertest.Subject{Disks: m, Want: protocol.DiskRef{Serial: "F1", SizeBytes: 8 << 20}}
	})
}

func TestPowerConformance(t *testing.T) {
	drivertest.RunPower(t, func(*testing.T) drivertest.Switched {
		m, _ := machine(8 << 20)
		var done []string
		var broken error
		m.Switch = func(reboot bool) error {
			if broken != nil {
				return broken
			}
			done = append(done, map[bool]string{false: "off", true: "reboot"}[reboot])
			return nil
		}
		return drivertest.Switched{Machine: m, Done: func() []string { return done }, Fail: func(err error) { broken = err }}
	})
}

func TestEqualPagesAreKeptOnce(t *testing.T) {
	m, store := machine(1<<40, 1<<40, 1<<40)
	data := bytes.Repeat([]byte("steel"), 4*pageSize)
	for i := range 3 {
		m.Disk(i).Fill(0, data)
	}
	if got := m.Disk(0).Kept(); got != 20 {
		t.Errorf("one disk keeps %d pages", got)
	}
	if got := store.Len(); got > 20 {
		t.Errorf("three disks of equal content keep %d pages", got)
	}
	for i := range 3 {
		m.Disk(i).Forget()
	}
	if got := store.Len(); got != 0 {
		t.Errorf("%d pages are left of empty disks", got)
	}
}

func TestZeroingKeepsNothing(t *testing.T) {
	m, store := machine(1 << 40)
	disk := m.Disk(0)
	disk.Fill(pageSize/2, bytes.Repeat([]byte{1}, 3*pageSize))
	h, err := disk.begin(driver.Write)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.(driver.Zeroer).Zero(0, 1<<40); err != nil || disk.Kept() != 0 || store.Len() != 0 {
		t.Errorf("after zeroing: %v, %d pages, %d in store", err, disk.Kept(), store.Len())
	}
}

func TestFaultsAreFelt(t *testing.T) {
	m, _ := machine(1 << 20)
	disk := m.Disk(0)
	h, err := m.Open(context.Background(), "sda", driver.Write)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, driver.Block)
	p[0] = 7
	disk.Change(func(d *Disk) { d.Lies = true })
	if _, err := h.WriteAt(p, 0); err != nil || disk.Kept() != 0 {
		t.Errorf("a lying disk: %v, keeps %d pages", err, disk.Kept())
	}
	disk.Change(func(d *Disk) { d.Fault = func(Op, int64, int64) error { return syscall.EIO } })
	if _, err := h.ReadAt(p, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("a dying disk: %v", err)
	}
	disk.Change(func(d *Disk) { d.Gone = true })
	if _, err := h.ReadAt(p, 0); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("a removed disk: %v", err)
	}
}

func TestASlowDiskTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := machine(64 << 20)
		m.Disk(0).BytesPerSec = 32 << 20
		h, _ := m.Open(t.Context(), "sda", driver.Read)
		start := time.Now()
		for off := int64(0); off < 64<<20; off += 8 << 20 {
			if _, err := h.ReadAt(make([]byte, 8<<20), off); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("64 MiB at 32 MiB/s took %v", d)
		}
	})
}
