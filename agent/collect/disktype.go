package collect

import (
	"regexp"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// virtualMakers call themselves so in the SCSI inquiry of their disks.
var virtualMakers = []string{"vmware", "qemu", "vbox", "msft", "virtual", "google", "xen", "nutanix", "digitalocean", "hcloud"}

// raidMakers and raidModels name volumes that a controller composes.
var (
	raidMakers = []string{"avago", "lsi", "broadcom", "perc", "adaptec", "areca", "3ware", "smartpqi"}
	raidModels = []string{"logical volume", "perc", "raid", "megaraid", "virtual disk", "boss", "smart array", "logicaldrv"}
)

// diskType tells what a disk is attached by, from its place in the device tree
// and the name it gives itself.
func diskType(name, where, vendor, model string, raid bool) string {
	vendor, model = strings.ToLower(vendor), strings.ToLower(model)
	switch {
	case strings.HasPrefix(name, "nvme"):
		return hardware.DiskNVMe
	case strings.Contains(where, "/usb"):
		return hardware.DiskUSB
	case strings.HasPrefix(name, "vd"), strings.HasPrefix(name, "xvd"), strings.Contains(where, "/virtio"),
		strings.Contains(where, "VMBUS"), strings.Contains(where, "/session"), contains(virtualMakers, vendor):
		return hardware.DiskVirtual
	case raidVolume(vendor, model):
		return hardware.DiskVirtual
	case ataPort.MatchString(where), vendor == "ata":
		return hardware.DiskSATA
	case strings.Contains(where, "/end_device-"), strings.Contains(where, "/rport-"):
		return hardware.DiskSAS
	case raid:
		return hardware.DiskVirtual
	default:
		return hardware.DiskUnknown
	}
}

var ataPort = regexp.MustCompile(`/ata[0-9]+/`)

// raidVolume tells a composed volume from a disk, by its own words.
func raidVolume(vendor, model string) bool {
	vendor, model = strings.ToLower(vendor), strings.ToLower(model)
	if vendor == "ata" {
		return contains([]string{"raid vd", "boss vd", "marvell"}, model)
	}
	return (contains(raidModels, model) || strings.HasPrefix(model, "mr9")) && !contains(virtualMakers, vendor) || vendor != "" && contains(raidMakers, vendor)
}

func contains(words []string, s string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// onRAID tells whether the disk is a volume of a controller of PCI class RAID:
// real disks behind one have an address on the SAS fabric.
func (c *Collector) onRAID(where, device string) bool {
	address := lastPCI(where)
	if address == "" || c.tree.exists(device+"/sas_address") {
		return false
	}
	return strings.HasPrefix(c.tree.text("sys/bus/pci/devices/"+address+"/class"), "0x0104")
}

var pciAddress = regexp.MustCompile(`^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)

// lastPCI is the PCI function nearest to a device: "0000:3b:00.0", or "".
func lastPCI(where string) string {
	steps := strings.Split(where, "/")
	for i := len(steps) - 1; i >= 0; i-- {
		if pciAddress.MatchString(steps[i]) {
			return steps[i]
		}
	}
	return ""
}
