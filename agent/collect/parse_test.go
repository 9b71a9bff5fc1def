package collect

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestDiskTypes(t *testing.T) {
	const pci = "sys/devices/pci0000:00/0000:00:1f.2/"
	for _, c := range []struct {
		name, where, vendor, model string
		raid                       bool
		want                       string
	}{
		{"nvme0n1", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "", "x", false, hardware.DiskNVMe},
		{"sda", pci + "ata1/host0/target0:0:0/0:0:0:0/block/sda", "ATA", "INTEL SSD", false, hardware.DiskSATA},
		{"sda", pci + "ata1/host0/target0:0:0/0:0:0:0/block/sda", "", "", true, hardware.DiskSATA},
		{"sda", pci + "host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda", "SEAGATE", "ST1200MM", false, hardware.DiskSAS},
		{"sda", pci + "host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda", "ATA", "HGST HUS72", false, hardware.DiskSATA},
		{"sda", pci + "host0/target0:2:0/0:2:0:0/block/sda", "DELL", "PERC H730P Mini", false, hardware.DiskVirtual},
		{"sda", pci + "host0/target0:1:0/0:1:0:0/block/sda", "HP", "LOGICAL VOLUME", false, hardware.DiskVirtual},
		{"sda", pci + "host0/target0:1:0/0:1:0:0/block/sda", "XYZ", "thing", true, hardware.DiskVirtual},
		{"sda", pci + "host0/target0:1:0/0:1:0:0/block/sda", "XYZ", "thing", false, hardware.DiskUnknown},
		{"sda", pci + "usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sda", "SanDisk", "Ultra", false, hardware.DiskUSB},
		{"sda", "sys/devices/LNXSYSTM:00/ACPI0004:00/VMBUS:00/abc/host0/block/sda", "Msft", "Virtual Disk", false, hardware.DiskVirtual},
		{"sda", pci + "host2/target2:0:0/2:0:0:0/block/sda", "VMware", "Virtual disk", false, hardware.DiskVirtual},
		{"xvda", "sys/devices/vbd-51712/block/xvda", "", "", false, hardware.DiskVirtual},
		{"vda", pci + "virtio2/block/vda", "", "", false, hardware.DiskVirtual},
		{"mmcblk0", "sys/devices/platform/soc/mmc0/mmc0:0001/block/mmcblk0", "", "", false, hardware.DiskUnknown},
	} {
		if got := diskType(c.name, c.where, c.vendor, c.model, c.raid); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestHypervisorsAreToldByTheirFirmware(t *testing.T) {
	for _, c := range []struct{ vendor, product, want string }{
		{"QEMU", "Standard PC (Q35 + ICH9, 2009)", "kvm"},
		{"VMware, Inc.", "VMware7,1", "vmware"},
		{"Xen", "HVM domU", "xen"},
		{"Microsoft Corporation", "Virtual Machine", "hyperv"},
		{"Amazon EC2", "m5.large", "aws"},
		{"Amazon EC2", "m5.metal", ""},
		{"innotek GmbH", "VirtualBox", "virtualbox"},
		{"Dell Inc.", "PowerEdge R640", ""},
		{"Microsoft Corporation", "Surface", ""},
	} {
		if got := hypervisor(hardware.System{Vendor: c.vendor, Product: c.product}); got != c.want {
			t.Errorf("%s %s: %q; want %q", c.vendor, c.product, got, c.want)
		}
	}
}

func TestContainersAreTold(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"docker": {".dockerenv": ""}, "podman": {"run/.containerenv": ""}, "systemd-nspawn": {"run/systemd/container": "systemd-nspawn\n"},
		"lxc": {"proc/1/environ": "PATH=/bin\x00container=lxc\x00"}, "": {"proc/cpuinfo": "flags: fpu\n"},
	} {
		root := t.TempDir()
		for name, content := range files {
			check(t, put(root+"/"+name, []byte(content)))
		}
		if inv := New(Options{Root: root}).Inventory(t.Context()); inv.Virtualization != want {
			t.Errorf("%v: %q; want %q", files, inv.Virtualization, want)
		}
	}
}

func TestCoresOfEveryTopology(t *testing.T) {
	text := ""
	for _, p := range []string{"0 0 0", "1 0 1", "2 0 0", "3 0 1", "4 1 0", "5 1 1"} {
		f := strings.Fields(p)
		text += "processor : " + f[0] + "\nphysical id : " + f[1] + "\ncore id : " + f[2] + "\nflags : lm\n\n"
	}
	got := sockets(parseCPUInfo(text))
	if len(got) != 2 || got[0].Cores != 2 || got[0].Threads != 4 || got[1].Cores != 2 || got[1].Threads != 2 || got[1].Arch != "x86_64" {
		t.Errorf("%+v", got)
	}
	joined := joinSockets([]hardware.CPU{{Socket: "P0", BaseMHz: 5}, {Socket: "P1", Model: "fw"}}, got)
	if joined[0].Socket != "P0" || joined[0].BaseMHz != 5 || joined[1].Model != "fw" || joined[1].Cores != 2 {
		t.Errorf("joined %+v", joined)
	}
	if other := joinSockets(make([]hardware.CPU, 4), got); len(other) != 2 {
		t.Errorf("the firmware's count won: %+v", other)
	}
}

func TestLLDPNeighboursReachTheirPorts(t *testing.T) {
	collector := New(Options{Neighbour: func(nic string) (hardware.Neighbour, bool) {
		return hardware.Neighbour{ChassisID: "c", PortID: nic}, nic == "eno1"
	}})
	inv := hardware.Inventory{NICs: []hardware.NIC{{Name: "eno1"}, {Name: "eno2"}}}
	collector.collect(context.Background(), &inv, "lldp", collector.lldp(inv.NICs))
	if inv.NICs[0].LLDP == nil || inv.NICs[0].LLDP.PortID != "eno1" || inv.NICs[1].LLDP != nil || state(inv, "lldp") != hardware.SectionPartial {
		t.Errorf("%+v, %+v", inv.NICs, inv.Sections)
	}
}

func TestLinkModes(t *testing.T) {
	for name, want := range map[string]int{"10000baseT/Full": 10000, "25000baseCR/Full": 25000, "Autoneg": 0, "FEC_RS": 0, "99999999999999999999baseT": 0} {
		if got := modeSpeed(name); got != want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestOSRelease(t *testing.T) {
	got := parseRelease("# comment\nNAME='single'\nPRETTY_NAME=\"a \\\"b\\\" \\$c\"\nID=plain\nbroken\nEMPTY=\nQ=\"\n")
	if got["NAME"] != "single" || got["PRETTY_NAME"] != `a "b" $c` || got["ID"] != "plain" || got["Q"] != `"` {
		t.Errorf("%q", got)
	}
}

func FuzzCPUInfo(f *testing.F) {
	f.Add("processor : 0\nphysical id : 1\nflags : lm avx\n\nprocessor : 1\n")
	f.Add("processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c\nprocessor : 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		processors := parseCPUInfo(text)
		threads := 0
		for _, cpu := range sockets(processors) {
			threads += cpu.Threads
			if cpu.Cores < 1 || cpu.Cores > cpu.Threads || !slices.IsSorted(cpu.Flags) {
				t.Fatalf("%+v", cpu)
			}
		}
		if threads != len(processors) {
			t.Fatalf("%d threads of %d processors", threads, len(processors))
		}
	})
}
