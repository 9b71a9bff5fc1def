package collect

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// memory reads what the kernel sees; the modules came with SMBIOS.
func (c *Collector) memory(context.Context) finding {
	data, err := c.tree.read("proc/meminfo", 1<<20)
	if err != nil {
		return trouble("/proc/meminfo", err)
	}
	total := memTotal(string(data))
	if total == 0 {
		return finding{state: hardware.SectionFailed, detail: "/proc/meminfo has no MemTotal"}
	}
	return finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) {
		to.Memory.KernelBytes = total
		to.Memory.TotalBytes = cmp.Or(to.Memory.TotalBytes, total)
	}}
}

// memTotal finds "MemTotal: 32777916 kB", in bytes.
func memTotal(text string) uint64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 54)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
