package collect

import (
	"context"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// pciClasses are the base classes worth selling or repairing.
var pciClasses = map[string]string{"0x01": "storage", "0x02": "network", "0x03": "display", "0x12": "accelerator"}

// consoles are display controllers that nobody computes with, by vendor id: BMCs
// and the screens of virtual machines.
var consoles = map[string]bool{
	"1a03": true, "102b": true, "18ca": true, "126f": true, "103c": true, "19a2": true, "1013": true, "1b36": true,
	"1234": true, "1af4": true, "15ad": true, "80ee": true, "1414": true, "5853": true, "19e5": true, "1050": true,
}

type function struct {
	address, class string
	vendor, device string // four hexadecimal digits
	driver         string
	memory         uint64
}

// pci lists the functions that matter and the accelerators among them.
func (c *Collector) pci(context.Context) finding {
	functions, err := c.functions()
	if err != nil {
		return trouble("PCI bus in /sys/bus/pci", err)
	}
	names, known := c.pciNames(functions)
	var devices []hardware.PCI
	var gpus []hardware.GPU
	for _, f := range functions {
		vendor, device := names.of(f.vendor, f.device)
		devices = append(devices, hardware.PCI{Address: f.address, Class: f.class, Vendor: vendor, Device: device, Driver: f.driver})
		if f.class == "accelerator" || f.class == "display" && !consoles[f.vendor] {
			gpus = append(gpus, hardware.GPU{Vendor: vendor, Model: device, PCIAddress: f.address, MemoryBytes: f.memory})
		}
	}
	f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) { to.PCI, to.GPUs = devices, gpus }}
	switch {
	case len(devices) == 0:
		f.state, f.detail = hardware.SectionAbsent, "no storage, network, display or accelerator device is on the PCI bus"
	case !known:
		f.state, f.detail = hardware.SectionPartial, "no pci.ids is installed (package pci.ids or hwdata): devices are shown by their numbers"
	}
	return f
}

// functions reads the bus; virtual functions (SR-IOV) belong to their card.
func (c *Collector) functions() ([]function, error) {
	const bus = "sys/bus/pci/devices/"
	addresses, err := c.tree.list("sys/bus/pci/devices")
	if err != nil {
		return nil, err
	}
	var found []function
	for _, address := range addresses {
		class := c.tree.text(bus + address + "/class") // 0x020000
		kind, ok := pciClasses[class[:min(4, len(class))]]
		if !ok || c.tree.exists(bus+address+"/physfn") || len(found) >= hardware.MaxPCI {
			continue
		}
		found = append(found, function{
			address: address, class: kind,
			vendor: strings.TrimPrefix(strings.ToLower(c.tree.text(bus+address+"/vendor")), "0x"),
			device: strings.TrimPrefix(strings.ToLower(c.tree.text(bus+address+"/device")), "0x"),
			driver: c.tree.base(bus + address + "/driver"),
			memory: c.tree.number(bus + address + "/mem_info_vram_total"),
		})
	}
	return found, nil
}
