package linux

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// smartctlWithin bounds one run of smartctl.
const smartctlWithin = 30 * time.Second

func (m *Machine) asked(name string) smart.Drive {
	return smart.Drive{Dev: m.dev, Name: name, Timeout: smartctlWithin}
}

// Drive asks a disk how it is and what it is attached by. Sandbox disks have nothing to ask.
func (m *Machine) Drive(ctx context.Context, disk protocol.DiskRef) driver.Drive {
	if m.sandboxed() {
		return driver.Drive{Kind: driver.KindVirtual, Silent: "a file, not a drive"}
	}
	d := driver.Drive{Kind: m.kind(ctx, disk.Name)}
	if d.Kind == driver.KindVirtual {
		d.Silent = "a volume of a hypervisor or RAID controller, not a drive"
	}
	if h, err := smart.Read(ctx, m.asked(disk.Name)); err == nil {
		d.Health = &h
	} else if d.Silent == "" {
		d.Silent = err.Error()
	}
	d.Link = m.link(disk.Name, d.Health)
	return d
}

// kind asks the collector, which knows volumes from drives. What a hypervisor gives out is never a drive, whatever it
// looks like.
func (m *Machine) kind(ctx context.Context, name string) string {
	if m.hosted() {
		return driver.KindVirtual
	}
	for _, d := range m.opt.Disks(ctx) {
		switch {
		case d.Name != name:
		case d.Type == hardware.DiskNVMe:
			return driver.KindNVMe
		case d.Type != hardware.DiskSATA && d.Type != hardware.DiskSAS:
			return driver.KindVirtual
		case d.Rotational:
			return driver.KindHDD
		default:
			return driver.KindSSD
		}
	}
	return driver.KindVirtual
}

// hosted tells whether a hypervisor runs this machine: it says so in a flag of the processor.
func (m *Machine) hosted() bool {
	info, err := os.ReadFile(filepath.Join(m.prc, "cpuinfo"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(info)) {
		if key, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "flags" {
			return slices.Contains(strings.Fields(flags), "hypervisor")
		}
	}
	return false
}

// SelfTest lets a drive test itself.
func (m *Machine) SelfTest(ctx context.Context, disk protocol.DiskRef, report func(percent int)) (smart.Test, error) {
	if m.sandboxed() {
		return smart.Test{}, smart.ErrNoTest
	}
	return smart.Short(ctx, m.asked(disk.Name), report)
}

// link reads what an NVMe drive is attached by from its PCI device, of a SATA drive from its report. The best is what
// drive and slot can do together: a fast drive in an older slot is no fault. Where the slot does not tell, it is not known.
func (m *Machine) link(name string, h *smart.Health) driver.Link {
	if smart.IsNVMe(name) {
		return m.linkPCI(name)
	}
	if h == nil || h.LinkMbps == 0 {
		return driver.Link{}
	}
	l := driver.Link{Now: sata(h.LinkMbps), NowRate: float64(h.LinkMbps) / 10} // 8b/10b
	if best := min(h.LinkBestMbps, m.portMbps(name)); best > 0 {
		l.Best, l.BestRate = sata(best), float64(best)/10
	}
	return l
}

func (m *Machine) linkPCI(name string) driver.Link {
	device, err := filepath.EvalSymlinks(filepath.Join(m.sys, "block", name, "device", "device"))
	if err != nil {
		return driver.Link{}
	}
	var l driver.Link
	l.Now, l.NowRate = pciLink(text(device, "current_link_speed"), text(device, "current_link_width"))
	l.Best, l.BestRate = pciLink(text(device, "max_link_speed"), text(device, "max_link_width"))
	port := filepath.Dir(device)
	best, rate := pciLink(text(port, "max_link_speed"), text(port, "max_link_width"))
	if rate < l.BestRate { // also when it is not known
		l.Best, l.BestRate = best, rate
	}
	return l
}

// portMbps is the fastest rate of the SATA port that a disk is plugged into; 0 where it is not known.
func (m *Machine) portMbps(name string) int {
	where, err := filepath.EvalSymlinks(filepath.Join(m.sys, "block", name))
	if err != nil {
		return 0
	}
	steps := strings.Split(where, "/")
	for i, step := range steps {
		if !ataPort.MatchString(step) {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(strings.Join(steps[:i+1], "/"), "link*/ata_link/link*/hw_sata_spd_limit"))
		for _, f := range files {
			gbps, err := strconv.ParseFloat(strings.TrimSuffix(text(filepath.Dir(f), filepath.Base(f)), " Gbps"), 64)
			if err == nil && gbps > 0 && gbps < 1000 {
				return int(gbps * 1000)
			}
		}
	}
	return 0
}

var ataPort = regexp.MustCompile(`^ata[0-9]+$`)

func sata(mbps int) string { return fmt.Sprintf("SATA %.1f Gbit/s", float64(mbps)/1000) }

func text(dir, name string) string {
	t, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(t))
}

// pciLink reads "8.0 GT/s PCIe" and a number of lanes. The payload in MB/s follows from the encoding: 8b/10b up to
// 5 GT/s, 128b/130b up to 32 GT/s; from 64 GT/s on (FLIT) about as much as the signal.
func pciLink(speed, width string) (words string, rate float64) {
	gts, err := strconv.ParseFloat(strings.Fields(speed + " x")[0], 64)
	lanes, err2 := strconv.Atoi(width)
	if err != nil || err2 != nil || gts <= 0 || gts > 1000 || lanes <= 0 || lanes > 32 {
		return "", 0
	}
	rate = gts * 1000 / 8 * float64(lanes)
	if gts <= 5 {
		rate *= 0.8
	} else {
		rate *= 128.0 / 130
	}
	return fmt.Sprintf("PCIe %.1f GT/s x%d", gts, lanes), rate
}
