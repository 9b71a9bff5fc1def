package collect

import (
	"cmp"
	"context"
	"strings"

	"github.com/shirou/gopsutil/v3/host"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// hypervisors are told by what their firmware calls itself.
var hypervisors = []struct{ word, name string }{
	{"kvm", "kvm"},
	{"qemu", "kvm"},
	{"bochs", "kvm"},
	{"openstack", "kvm"},
	{"red hat", "kvm"},
	{"ovirt", "kvm"},
	{"vmware", "vmware"},
	{"virtualbox", "virtualbox"},
	{"innotek", "virtualbox"},
	{"xen", "xen"},
	{"amazon ec2", "aws"},
	{"google compute", "gce"},
	{"digitalocean", "kvm"},
	{"hetzner vserver", "kvm"},
	{"virtual machine", "hyperv"},
	{"parallels", "parallels"},
	{"bhyve", "bhyve"},
	{"firecracker", "firecracker"},
}

// virtualization tells what the machine runs in; the innermost counts, so a
// container in a virtual machine is a container.
func (c *Collector) virtualization(system hardware.System) reader {
	return func(ctx context.Context) finding {
		kind := cmp.Or(c.container(), hypervisor(system), c.kernelHypervisor())
		if kind == "" && c.tree.live() {
			if name, role, err := host.VirtualizationWithContext(ctx); err == nil && role == "guest" {
				kind = name
			}
		}
		f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) { to.Virtualization = kind }}
		if kind == "" {
			f.detail = "no sign of a container or a hypervisor"
		}
		return f
	}
}

// container finds what the usual runtimes leave for programs inside.
func (c *Collector) container() string {
	switch {
	case c.tree.exists(".dockerenv"):
		return "docker"
	case c.tree.exists("run/.containerenv"):
		return "podman"
	}
	if name := c.tree.text("run/systemd/container"); name != "" {
		return name
	}
	environment, err := c.tree.read("proc/1/environ", 64<<10)
	if err != nil {
		return ""
	}
	for v := range strings.SplitSeq(string(environment), "\x00") {
		if name, ok := strings.CutPrefix(v, "container="); ok {
			return name
		}
	}
	return ""
}

func hypervisor(system hardware.System) string {
	words := strings.ToLower(system.Vendor + " " + system.Product)
	if strings.Contains(words, "amazon ec2") && strings.Contains(words, ".metal") {
		return ""
	}
	for _, h := range hypervisors {
		if strings.Contains(words, h.word) {
			return h.name
		}
	}
	return ""
}

// kernelHypervisor asks the kernel: Xen tells its name, x86 processors show a flag.
func (c *Collector) kernelHypervisor() string {
	if kind := c.tree.text("sys/hypervisor/type"); kind != "" {
		if strings.Contains(c.tree.text("proc/xen/capabilities"), "control_d") {
			return "" // the control domain owns the metal
		}
		return kind
	}
	data, err := c.tree.read("proc/cpuinfo", maxFile)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "flags") {
			if strings.Contains(line+" ", " hypervisor ") {
				return "vm"
			}
			break
		}
	}
	return ""
}
