package qemu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Firmware is what starts the machine when it is not given a kernel.
type Firmware string

// Firmwares.
const (
	BIOS Firmware = ""
	UEFI Firmware = "uefi"
)

// Machine describes one. The zero value has 512 MiB, a BIOS, and nothing to boot from.
type Machine struct {
	Memory   int // MiB
	Firmware Firmware
	Identity Identity
	Disks    []Disk
	NICs     []NIC
	Kernel   string // file; starts it without the firmware's search for a boot device
	Initrd   string
	Append   string   // the kernel's command line
	Extra    []string // more arguments of QEMU
	NetNS    string   // network namespace in which QEMU runs, for tap devices
	Reboots  bool     // a reset of the guest starts it anew; otherwise it ends the machine
	Vars     string   // UEFI variables; a copy of the empty ones below Dir when empty

	// For RunInside.
	Modules  []string          // loaded before the program starts, with options after a space: "scsi_debug dev_size_mb=64"
	Files    map[string]string // path inside → file of this machine
	Programs []string          // programs of this machine that are taken along with their libraries: "mkfs.ext4"
	Env      []string
}

// Identity is what SMBIOS tells.
type Identity struct {
	Manufacturer, Product, Serial, UUID, Board, Chassis, Asset string
}

// args are QEMU's arguments for it.
func (i Identity) args() []string {
	value := func(pairs ...string) string {
		var b strings.Builder
		for n := 0; n < len(pairs); n += 2 {
			if pairs[n+1] != "" {
				fmt.Fprintf(&b, ",%s=%s", pairs[n], strings.ReplaceAll(pairs[n+1], ",", ",,"))
			}
		}
		return b.String()
	}
	var list []string
	for kind, text := range []string{
		1: value("manufacturer", i.Manufacturer, "product", i.Product, "serial", i.Serial, "uuid", i.UUID),
		2: value("serial", i.Board),
		3: value("serial", i.Chassis, "asset", i.Asset),
	} {
		if text != "" {
			list = append(list, "-smbios", fmt.Sprintf("type=%d%s", kind, text))
		}
	}
	return list
}

// Disk is a disk and the controller that it needs.
type Disk struct {
	Bus     string // nvme, sata, scsi, virtio; with a RAID controller: megasas, mptsas1068
	Serial  string
	File    string // raw
	Options string // appended to -drive: "discard=unmap"
	Device  string // appended to -device: "wwn=0x5000c500abcdef01", "rotation_rate=1"
	Boot    int    // place among the boot devices, from 1; 0 is none

	fault string
}

// NewDisk makes an empty disk in a file of the test.
func NewDisk(t testing.TB, bus, serial string, size int64) Disk {
	t.Helper()
	file := filepath.Join(t.TempDir(), serial+".img")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return Disk{Bus: bus, Serial: serial, File: file}
}

// Failing is the disk with a bad sector of 512 bytes: what touches it fails with an I/O error. Access is
// "read" or "write".
func (d Disk) Failing(access string, sector int64) Disk {
	d.fault = fmt.Sprintf("driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=%s,"+
		"file.inject-error.0.event=none,file.inject-error.0.iotype=%s,file.inject-error.0.errno=5,file.inject-error.0.sector=%d", d.File, access, sector)
	return d
}

// id names the n-th disk in QEMU; [Running.Unplug] takes it.
func (d Disk) id(n int) string { return fmt.Sprintf("disk%d", n) }

func (d Disk) args(n int) []string {
	drive := "file=" + d.File + ",format=raw"
	if d.fault != "" {
		drive = d.fault
	}
	drive += fmt.Sprintf(",if=none,id=drive%d", n)
	if d.Options != "" {
		drive += "," + d.Options
	}
	kind, errors := "", ",werror=report,rerror=report"
	var controller []string
	switch d.Bus {
	case "nvme":
		kind, errors = "nvme", ""
		controller = []string{"-device", fmt.Sprintf("pcie-root-port,id=port%d,chassis=%d,slot=%[1]d", n, n+1)}
		kind += fmt.Sprintf(",bus=port%d", n)
	case "virtio":
		controller = []string{"-device", fmt.Sprintf("pcie-root-port,id=port%d,chassis=%d,slot=%[1]d", n, n+1)}
		kind = fmt.Sprintf("virtio-blk-pci,bus=port%d", n)
	case "scsi":
		controller = []string{"-device", fmt.Sprintf("virtio-scsi-pci,id=scsi%d", n)}
		kind = fmt.Sprintf("scsi-hd,bus=scsi%d.0", n)
	case "megasas", "megasas,use_jbod=on", "mptsas1068":
		name, options, _ := strings.Cut(d.Bus, ",")
		controller = []string{"-device", strings.TrimSuffix(fmt.Sprintf("%s,id=scsi%d,%s", name, n, options), ",")}
		kind = fmt.Sprintf("scsi-hd,bus=scsi%d.0", n)
	default:
		kind = fmt.Sprintf("ide-hd,bus=ide.%d", n) // the chipset's own AHCI controller
	}
	device := fmt.Sprintf("%s,id=%s,drive=drive%d,serial=%s%s", kind, d.id(n), n, d.Serial, errors)
	if d.Boot > 0 {
		device += fmt.Sprintf(",bootindex=%d", d.Boot)
	}
	if d.Device != "" {
		device += "," + d.Device
	}
	return append(controller, "-drive", drive, "-device", device)
}

// NIC is a network card.
type NIC struct {
	MAC   string
	Model string // virtio-net-pci when empty; e1000, e1000e
	Tap   string // interface in the machine's network namespace; none is a network without anybody else
	User  string // options of a restricted user network instead: "guestfwd=tcp:10.0.2.100:7443-tcp:127.0.0.1:7443"
	Boot  int    // place among the boot devices, from 1
	Plain bool   // without QEMU's own boot ROM: the firmware's PXE is used
}

func (c NIC) args(n int) []string {
	id := fmt.Sprintf("net%d", n)
	netdev := fmt.Sprintf("user,id=%s,restrict=on", id)
	if c.Tap != "" {
		netdev = fmt.Sprintf("tap,id=%s,ifname=%s,script=no,downscript=no", id, c.Tap)
	} else if c.User != "" {
		netdev += "," + c.User
	}
	model := c.Model
	if model == "" {
		model = "virtio-net-pci"
	}
	device := fmt.Sprintf("%s,id=nic%d,netdev=%s,mac=%s", model, n, id, c.MAC)
	if c.Boot > 0 {
		device += fmt.Sprintf(",bootindex=%d", c.Boot)
	}
	if c.Plain {
		device += ",romfile="
	}
	return []string{"-netdev", netdev, "-device", device}
}

// binary is the emulator.
const binary = "qemu-system-x86_64"

// Need skips the test where there is no emulator; in CI that is a failure.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range append([]string{binary}, programs...) {
		if _, err := look(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed; deploy/install-test-deps.sh installs it", p)
			}
			t.Skipf("%s is not installed; deploy/install-test-deps.sh installs it", p)
		}
	}
}

// look finds a program, also where only root's path leads.
func look(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %s", name)
}
