package collect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
)

// processor is one logical processor of /proc/cpuinfo.
type processor struct {
	number, pkg, core int // core and pkg are -1 when not told
	siblings          string
	vendor, model     string
	arch              string
	flags             []string
}

// cpus reads the sockets from the kernel and joins them with the firmware's.
func (c *Collector) cpus(context.Context) finding {
	data, err := c.tree.read("proc/cpuinfo", maxFile)
	if err != nil {
		return trouble("/proc/cpuinfo", err)
	}
	processors := parseCPUInfo(string(data))
	for i := range processors {
		c.topology(&processors[i])
	}
	kernel := sockets(processors)
	for i := range kernel {
		c.clock(&kernel[i], processors)
	}
	if len(kernel) == 0 {
		return finding{state: hardware.SectionFailed, detail: "/proc/cpuinfo names no processor"}
	}
	return finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) { to.CPUs = joinSockets(to.CPUs, kernel) }}
}

// joinSockets gives the kernel's sockets the firmware's labels. Where both count
// differently (a virtual machine, a disabled socket) the kernel is believed.
func joinSockets(firmware, kernel []hardware.CPU) []hardware.CPU {
	if len(firmware) != len(kernel) {
		return kernel
	}
	for i, fw := range firmware {
		k := &kernel[i]
		k.Socket = cmp.Or(fw.Socket, k.Socket)
		k.BaseMHz = cmp.Or(k.BaseMHz, fw.BaseMHz)
		k.Vendor = cmp.Or(k.Vendor, fw.Vendor)
		if k.Arch == "aarch64" { // the kernel knows the core's design only
			k.Model = cmp.Or(fw.Model, k.Model)
		}
		k.Model = cmp.Or(k.Model, fw.Model)
	}
	return kernel
}

// parseCPUInfo reads the paragraphs of /proc/cpuinfo of x86 and arm64.
func parseCPUInfo(text string) []processor {
	var all []processor
	p := processor{number: -1, pkg: -1, core: -1}
	part := map[string]string{}
	flush := func() {
		if p.number >= 0 && len(all) < 1<<16 {
			p.fill(part)
			all = append(all, p)
		}
		p, part = processor{number: -1, pkg: -1, core: -1}, map[string]string{}
	}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "processor" && p.number >= 0 {
			flush() // arm64 kernels may leave out the blank line
		}
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case !ok:
		case key == "processor":
			p.number = integer(value, -1)
		default:
			part[key] = value
		}
	}
	flush()
	return all
}

func (p *processor) fill(part map[string]string) {
	p.pkg = integer(part["physical id"], -1)
	p.core = integer(part["core id"], -1)
	p.model = strings.Join(strings.Fields(part["model name"]), " ")
	p.vendor = smbios.VendorName(part["vendor_id"])
	switch {
	case part["CPU implementer"] != "":
		p.arch = "aarch64"
		p.vendor, p.model = armName(part["CPU implementer"], part["CPU part"])
		p.flags = notable(part["Features"])
	case part["flags"] != "":
		p.flags = notable(part["flags"])
		p.arch = "i686"
		if slices.Contains(strings.Fields(part["flags"]), "lm") {
			p.arch = "x86_64"
		}
	}
}

func integer(s string, none int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<20 {
		return none
	}
	return n
}

// notableFlags are those that decide what a machine can be used for.
var notableFlags = map[string]bool{
	"vmx": true, "svm": true, "ept": true, "npt": true, "sev": true, "sev_es": true, "sev_snp": true, "sgx": true,
	"tdx_guest": true, "aes": true, "sha_ni": true, "pclmulqdq": true, "rdrand": true, "sse4_2": true, "avx": true,
	"avx2": true, "avx512f": true, "avx512_vnni": true, "avx512_bf16": true, "avx_vnni": true, "amx_tile": true,
	"amx_int8": true, "amx_bf16": true, "vaes": true, "gfni": true, "hypervisor": true,
	"asimd": true, "pmull": true, "sha1": true, "sha2": true, "sha3": true, "sha512": true, "crc32": true, "atomics": true,
	"sve": true, "sve2": true, "i8mm": true, "bf16": true, "sme": true,
}

func notable(flags string) []string {
	var kept []string
	for _, f := range strings.Fields(flags) {
		if notableFlags[f] {
			kept = append(kept, f)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// topology asks sysfs for package and core where it tells; the list of siblings
// names a core even where core ids repeat on several dies.
func (c *Collector) topology(p *processor) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/", p.number)
	if p.pkg < 0 {
		p.pkg = integer(c.tree.text(dir+"physical_package_id"), -1)
	}
	if p.core < 0 {
		p.core = integer(c.tree.text(dir+"core_id"), -1)
	}
	p.siblings = cmp.Or(c.tree.text(dir+"core_cpus_list"), c.tree.text(dir+"thread_siblings_list"))
}

// sockets groups processors into populated sockets, sorted by package.
func sockets(processors []processor) []hardware.CPU {
	type socket struct {
		cpu   hardware.CPU
		cores map[string]bool
	}
	byPackage := map[int]*socket{}
	for _, p := range processors {
		s := byPackage[p.pkg]
		if s == nil {
			s = &socket{cores: map[string]bool{}, cpu: hardware.CPU{
				Socket: strconv.Itoa(max(p.pkg, 0)), Vendor: p.vendor, Model: p.model, Arch: p.arch, Flags: p.flags,
			}}
			byPackage[p.pkg] = s
		}
		s.cpu.Threads++
		s.cores[p.coreKey()] = true
	}
	var all []hardware.CPU
	for _, s := range byPackage {
		s.cpu.Cores = len(s.cores)
		all = append(all, s.cpu)
	}
	slices.SortFunc(all, func(a, b hardware.CPU) int {
		return cmp.Or(cmp.Compare(len(a.Socket), len(b.Socket)), cmp.Compare(a.Socket, b.Socket))
	})
	return all
}

func (p processor) coreKey() string {
	switch {
	case p.siblings != "":
		return "s" + p.siblings
	case p.core >= 0:
		return "c" + strconv.Itoa(p.core)
	default:
		return "p" + strconv.Itoa(p.number)
	}
}

// clock reads the rated and the best frequency, in kHz, of the socket's first
// processor; few drivers tell the first.
func (c *Collector) clock(cpu *hardware.CPU, processors []processor) {
	i := slices.IndexFunc(processors, func(p processor) bool { return strconv.Itoa(max(p.pkg, 0)) == cpu.Socket })
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/", processors[i].number)
	cpu.BaseMHz = cmp.Or(int(c.tree.number(dir+"base_frequency")/1000), smbios.RatedMHz(cpu.Model))
	cpu.MaxMHz = int(c.tree.number(dir+"cpuinfo_max_freq") / 1000)
}
