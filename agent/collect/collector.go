package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Options of a Collector. The zero value reads the live machine.
type Options struct {
	Root    string        // "" or "/" is the live machine; else a copy of one
	Timeout time.Duration // for each collector; 0 is 10 seconds
	// Neighbour tells what LLDP heard on a port; nil when nobody listens. It is
	// the method of a Listener of the package lldp on [Collector.Ports].
	Neighbour func(nic string) (hardware.Neighbour, bool)
	// Smartctl is the command to run; "" looks for smartctl on the PATH.
	Smartctl string
}

// Collector reads the inventory of one machine. It keeps nothing between two
// calls and may be used by several goroutines.
type Collector struct {
	tree    tree
	options Options
}

// New returns a Collector; it reads nothing yet.
func New(o Options) *Collector {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	return &Collector{tree: newTree(o.Root), options: o}
}

// Inventory reads everything. It blocks for as long as the slowest parts take,
// each at most [Options.Timeout]; SMART may take that long for each disk. When
// ctx ends, the parts that are not read yet are failed sections.
func (c *Collector) Inventory(ctx context.Context) hardware.Inventory {
	inv := hardware.Inventory{Schema: 1}
	c.collect(ctx, &inv, "smbios", c.smbios)
	c.collect(ctx, &inv, "cpu", c.cpus)
	c.collect(ctx, &inv, "memory", c.memory)
	c.collect(ctx, &inv, "disks", c.disks)
	c.collect(ctx, &inv, "smart", c.smart(inv.Disks))
	c.collect(ctx, &inv, "pci", c.pci)
	c.collect(ctx, &inv, "nics", c.nics)
	c.collect(ctx, &inv, "lldp", c.lldp(inv.NICs))
	c.collect(ctx, &inv, "os", c.system)
	c.collect(ctx, &inv, "virtualization", c.virtualization(inv.System))
	finish(&inv)
	return inv
}

// finding is what one collector brings back. It sets the inventory in a function,
// so that a collector that comes back too late changes nothing any more.
type finding struct {
	state  string // one of hardware.Section…
	detail string
	set    func(*hardware.Inventory)
}

type reader func(context.Context) finding

// collect runs one collector apart from the others and records how it fared.
func (c *Collector) collect(ctx context.Context, inv *hardware.Inventory, name string, read reader) {
	timeout := c.options.Timeout
	if name == "smart" {
		timeout *= time.Duration(max(1, len(inv.Disks)))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found := make(chan finding, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				found <- finding{state: hardware.SectionFailed, detail: fmt.Sprintf("the collector met something it cannot read: %v", p)}
			}
		}()
		found <- read(ctx)
	}()
	var f finding
	select {
	case f = <-found:
	case <-ctx.Done():
		f = finding{state: hardware.SectionFailed, detail: "no answer in time: " + ctx.Err().Error()}
	}
	if f.set != nil {
		f.set(inv)
	}
	inv.Sections = append(inv.Sections, hardware.Section{Name: name, State: f.state, Detail: f.detail})
}

// trouble turns an error into the section that tells absent, denied and failed apart.
func trouble(what string, err error) finding {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return finding{state: hardware.SectionAbsent, detail: "there is no " + what}
	case errors.Is(err, fs.ErrPermission):
		return finding{state: hardware.SectionDenied, detail: "only root may read " + what}
	default:
		return finding{state: hardware.SectionFailed, detail: fmt.Sprintf("read %s: %v", what, err)}
	}
}

// finish joins what several collectors brought: names of ports, the identity and
// the order of lists.
func finish(inv *hardware.Inventory) {
	byAddress := map[string]string{}
	for _, d := range inv.PCI {
		byAddress[d.Address] = d.Vendor + " " + d.Device
	}
	inv.Identity.MACs = []string{}
	for i, n := range inv.NICs {
		inv.NICs[i].Model = byAddress[n.PCIAddress]
		if n.PermanentMAC != "" {
			inv.Identity.MACs = append(inv.Identity.MACs, n.PermanentMAC)
		}
	}
	slices.Sort(inv.Identity.MACs)
	inv.Identity.MACs = slices.Compact(inv.Identity.MACs)
	slices.SortFunc(inv.Sections, func(a, b hardware.Section) int { return cmp.Compare(a.Name, b.Name) })
	for i := range inv.CPUs {
		inv.CPUs[i].Arch = cmp.Or(inv.CPUs[i].Arch, inv.OS.Arch)
	}
	inv.OS.Arch = cmp.Or(inv.OS.Arch, firstArch(inv.CPUs))
	inv.Clean()
	fillLists(inv)
}

func firstArch(cpus []hardware.CPU) string {
	if len(cpus) == 0 {
		return ""
	}
	return cpus[0].Arch
}

// fillLists makes empty lists of those that are nil, as the API shows them.
func fillLists(inv *hardware.Inventory) {
	inv.CPUs = append([]hardware.CPU{}, inv.CPUs...)
	inv.Memory.DIMMs = append([]hardware.DIMM{}, inv.Memory.DIMMs...)
	inv.Disks = append([]hardware.Disk{}, inv.Disks...)
	inv.NICs = append([]hardware.NIC{}, inv.NICs...)
	inv.GPUs = append([]hardware.GPU{}, inv.GPUs...)
	inv.PCI = append([]hardware.PCI{}, inv.PCI...)
}
