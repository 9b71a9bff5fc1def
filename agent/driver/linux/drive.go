package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/ata"
	"github.com/steelyard/steelyard/agent/driver/nvme"
	"github.com/steelyard/steelyard/agent/driver/scsi"
	wait "github.com/steelyard/steelyard/pkg/pause"
)

// drive is an open block device with a drive behind it that takes commands.
type drive struct {
	*handle
	machine *Machine
	name    string
}

// nvmeNamespace is NVME_IOCTL_ID: the id of the namespace behind a block device.
const nvmeNamespace = 0x4E40

// Rungs asks the drive how it can empty itself. A device without a drive that takes commands has no rungs.
func (d *drive) Rungs(context.Context) ([]driver.Rung, error) {
	if strings.HasPrefix(d.name, "nvme") {
		id, err := control(d.file, nvmeNamespace, nil)
		if err != nil {
			return nil, fmt.Errorf("ask for the namespace's id: %w", err)
		}
		return nvme.Drive{Send: sendNVMe(d.file)}.Rungs(uint32(id))
	}
	switch is, err := d.isATA(); {
	case err != nil:
		return nil, err
	case is:
		return ata.Drive{Send: d.send()}.Rungs()
	}
	if !d.takesSCSI() {
		return nil, nil
	}
	return scsi.Drive{Send: d.send()}.Rungs()
}

// Unallocated is what an NVMe drive has in no namespace. Others have no such thing.
func (d *drive) Unallocated(context.Context) (uint64, error) {
	if !strings.HasPrefix(d.name, "nvme") {
		return 0, nil
	}
	c, err := nvme.Drive{Send: sendNVMe(d.file)}.Controller()
	return c.Free, err
}

// takesSCSI tells whether the device takes SCSI commands: SG_GET_VERSION_NUM.
func (d *drive) takesSCSI() bool {
	var version int32
	_, err := control(d.file, 0x2282, unsafe.Pointer(&version))
	return err == nil && version >= 30000
}

// isATA tells whether an ATA drive answers, behind libata or the translation of a SAS controller. A drive that says that it is one
// and does not answer now is an error: what it can and what it hides is not known then.
func (d *drive) isATA() (bool, error) {
	vendor, err := os.ReadFile(filepath.Join(d.machine.sys, "block", d.name, "device", "vendor"))
	if err != nil || strings.TrimSpace(string(vendor)) != "ATA" || !d.takesSCSI() {
		return false, nil
	}
	_, err = ata.Drive{Send: d.send()}.Identify()
	var refused ata.Refusal
	var sense scsi.Sense
	if errors.As(err, &refused) || errors.As(err, &sense) && sense.Key == scsi.KeyIllegal {
		return false, nil // its controller passes no ATA commands on
	}
	return err == nil, err
}

func (d *drive) send() scsi.Send { return scsi.Patient(sendSCSI(d.file)) }

// Clipped asks an ATA drive whether it hides its end. Others have no such thing.
func (d *drive) Clipped(context.Context) (*driver.Clip, error) {
	if is, err := d.isATA(); !is {
		return nil, err
	}
	return ata.Drive{Send: d.send()}.Clipped()
}

// How long the kernel may take to see that a disk has another size.
const (
	resizeWithin = 30 * time.Second
	resizeGlance = 100 * time.Millisecond
)

// Unclip gives the end back and waits until the kernel sees the size that the disk has then.
func (d *drive) Unclip(ctx context.Context) error {
	if err := (ata.Drive{Send: d.send()}).Unclip(); err != nil {
		return err
	}
	if err := d.lookAgain(); err != nil {
		return err
	}
	for until := time.Now().Add(resizeWithin); ; {
		var now uint64
		if err := d.ioctl(unix.BLKGETSIZE64, unsafe.Pointer(&now)); err != nil {
			return err
		}
		if int64(now) > d.size {
			return nil
		}
		if time.Now().After(until) {
			return errors.New("the drive took the command, and the kernel still sees the old size; start the server anew, then erase")
		}
		if err := wait.For(ctx, resizeGlance); err != nil {
			return err
		}
	}
}

// lookAgain lets the kernel read the size again. One that translates for an ATA port itself keeps the size that it found
// when it found the disk, and asks the disk anew only when the port is scanned.
func (d *drive) lookAgain() error {
	device := filepath.Join(d.machine.sys, "block", d.name, "device")
	where, err := filepath.EvalSymlinks(device)
	if err != nil {
		return err
	}
	if hosts, _ := filepath.Glob(filepath.Join(where, "..", "..", "scsi_host", "host*", "scan")); len(hosts) == 1 && strings.Contains(where, "/ata") {
		if err := os.WriteFile(hosts[0], []byte("- - -"), 0); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(device, "rescan"), []byte("1"), 0)
}

// looseSpaces names the NVMe namespaces that exist and are no disk here.
func (m *Machine) looseSpaces() (list []string, err error) {
	controllers, err := filepath.Glob(filepath.Join(m.sys, "class", "nvme", "nvme*"))
	if err != nil {
		return nil, err
	}
	for _, c := range controllers {
		name := filepath.Base(c)
		f, err := os.OpenFile(filepath.Join(m.dev, name), os.O_RDONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its namespaces: %w", name, err)
		}
		found, err := loose(name, nvme.Drive{Send: sendNVMe(f)})
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("ask %s for its namespaces: %w", name, err)
		}
		list = append(list, found...)
	}
	return list, nil
}

func loose(name string, d nvme.Drive) (list []string, err error) {
	c, err := d.Controller()
	if err != nil {
		return nil, err
	}
	ids, err := d.Loose(c)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		list = append(list, fmt.Sprintf("namespace %d of %s (serial %s) exists and is attached to nothing: attach it (nvme attach-ns /dev/%s -n %d) or delete it (nvme delete-ns)", id, name, c.Serial, name, id))
	}
	return list, nil
}

// raidDrivers are the kernel's drivers of controllers that compose volumes, and how a volume of theirs is told from a
// disk where neither has a SAS address: by the channel that its address host:channel:target:unit has.
var raidDrivers = map[string]func(channel int) bool{
	"megaraid_sas": func(c int) bool { return c >= 2 },
	"megaraid":     func(int) bool { return true },
	"mpt3sas":      func(c int) bool { return c == 1 },
	"mptsas":       func(c int) bool { return c == 1 },
	"hpsa":         func(int) bool { return true },
	"aacraid":      func(c int) bool { return c == 0 },
	"smartpqi":     func(int) bool { return true },
	"arcmsr":       func(int) bool { return true },
	"3w-sas":       func(int) bool { return true },
	"3w-9xxx":      func(int) bool { return true },
	"ips":          func(int) bool { return true },
}

// raidClass begins the PCI class of a controller in RAID mode.
const raidClass = "0x0104"

// behindControllers names the RAID controllers whose disks this machine does not see.
func (m *Machine) behindControllers() (list []string, err error) {
	devices, err := filepath.Glob(filepath.Join(m.sys, "bus", "pci", "devices", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range devices {
		link, err := os.Readlink(filepath.Join(dir, "driver"))
		if err != nil {
			continue // no driver: nothing of it is seen, and nothing reads or writes through it
		}
		name := filepath.Base(link)
		isVolume, known := raidDrivers[name]
		if !known {
			continue
		}
		class, err := os.ReadFile(filepath.Join(dir, "class"))
		if err != nil {
			return nil, err
		}
		volumes, disks, err := m.composed(filepath.Base(dir), isVolume)
		if err != nil {
			return nil, err
		}
		switch {
		case len(volumes) > 0:
			list = append(list, fmt.Sprintf("the disks behind RAID controller %s (%s) are not visible, only volumes of them (%s): set it to HBA or JBOD mode, or clear its configuration", filepath.Base(dir), name, strings.Join(volumes, ", ")))
		case disks == 0 && strings.HasPrefix(string(class), raidClass):
			list = append(list, fmt.Sprintf("RAID controller %s (%s) shows no disk at all and may have some: set it to HBA or JBOD mode, or switch it off in the machine's setup", filepath.Base(dir), name))
		}
	}
	return list, nil
}

// composed lists the volumes that hang on a controller and counts its disks.
func (m *Machine) composed(controller string, isVolume func(channel int) bool) (volumes []string, disks int, err error) {
	all, err := os.ReadDir(filepath.Join(m.sys, "block"))
	if err != nil {
		return nil, 0, err
	}
	for _, b := range all {
		if m.Bus(b.Name()) != controller {
			continue
		}
		device, err := filepath.EvalSymlinks(filepath.Join(m.sys, "block", b.Name(), "device"))
		if err != nil {
			return nil, 0, err
		}
		if volume(device, isVolume) {
			volumes = append(volumes, b.Name())
		} else {
			disks++
		}
	}
	return volumes, disks, nil
}

func volume(device string, byChannel func(int) bool) bool {
	if level, err := os.ReadFile(filepath.Join(device, "raid_level")); err == nil {
		return strings.TrimSpace(string(level)) != "N/A"
	}
	if _, err := os.Stat(filepath.Join(device, "sas_address")); err == nil {
		return false
	}
	parts := strings.Split(filepath.Base(device), ":")
	if len(parts) != 4 {
		return true
	}
	channel, err := strconv.Atoi(parts[1])
	return err != nil || byChannel(channel)
}

// Hidden says what the machine does not show: volumes instead of disks, and namespaces without a disk. In a sandbox
// the machine is somebody's, and nothing of it is to be erased.
func (m *Machine) Hidden(ctx context.Context) ([]string, error) {
	if m.sandboxed() {
		return nil, ctx.Err()
	}
	behind, e1 := m.behindControllers()
	spaces, e2 := m.looseSpaces()
	return append(behind, spaces...), errors.Join(e1, e2, ctx.Err())
}

// Bus is the PCI function that a disk hangs on.
func (m *Machine) Bus(name string) string {
	where, err := filepath.EvalSymlinks(filepath.Join(m.sys, "block", filepath.Base(name)))
	if err != nil {
		return ""
	}
	steps := strings.Split(where, string(filepath.Separator))
	for i := len(steps) - 1; i >= 0; i-- {
		if strings.Count(steps[i], ":") == 2 && strings.Contains(steps[i], ".") {
			return steps[i]
		}
	}
	return ""
}
