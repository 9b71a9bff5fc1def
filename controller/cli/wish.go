package cli

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
)

// wishFlags are the parts of a configuration as flags.
type wishFlags struct {
	file, arch, cpu, memory  string
	sockets, cores           int
	dimms, disks, nics, gpus []string
}

var wishNames = []string{"config", "arch", "cpu", "memory", "sockets", "cores", "dimm", "disk", "nic", "gpu"}

func addWish(f *pflag.FlagSet) *wishFlags {
	w := &wishFlags{}
	f.StringVar(&w.file, "config", "", "file with the configuration (JSON); the other flags change it")
	f.StringVar(&w.arch, "arch", "", "x86_64 or aarch64")
	f.StringVar(&w.cpu, "cpu", "", "model of the processors: 'Xeon E5-2650 v4'")
	f.IntVar(&w.sockets, "sockets", 0, "number of processors")
	f.IntVar(&w.cores, "cores", 0, "cores of all processors together")
	f.StringVar(&w.memory, "memory", "", "memory: 256GiB")
	f.StringArrayVar(&w.dimms, "dimm", nil, "memory modules: 8x32GiB or 8x32GiB:DDR4")
	f.StringArrayVar(&w.disks, "disk", nil, "disks: 2x480GB:ssd (nvme, ssd, hdd, virtual)")
	f.StringArrayVar(&w.nics, "nic", nil, "network ports: 2x10G")
	f.StringArrayVar(&w.gpus, "gpu", nil, "accelerators: 1xMODEL")
	return w
}

func (w *wishFlags) given(f *pflag.FlagSet) bool {
	for _, name := range wishNames {
		if f.Changed(name) {
			return true
		}
	}
	return false
}

// configuration tells all that is wrong at once.
func (w *wishFlags) configuration() (hardware.Configuration, error) {
	var c hardware.Configuration
	if w.file != "" {
		if err := readJSON(w.file, &c); err != nil {
			return c, err
		}
	}
	var check fault.Check
	w.scalars(&c, &check)
	each(w.dimms, "--dimm", &check, func(n int, what string) error {
		size, kind, _ := strings.Cut(what, ":")
		b, err := unit.ParseBytes(size)
		c.DIMMs = append(c.DIMMs, hardware.DIMMGroup{Count: n, SizeBytes: uint64(b), Type: strings.ToUpper(kind)})
		return err
	})
	each(w.disks, "--disk", &check, func(n int, what string) error {
		size, medium, _ := strings.Cut(what, ":")
		b, err := unit.ParseBytes(size)
		c.Disks = append(c.Disks, hardware.DiskGroup{Count: n, SizeBytes: uint64(b), Medium: strings.ToLower(medium)})
		if err == nil {
			err = knownMedium(medium)
		}
		return err
	})
	each(w.nics, "--nic", &check, func(n int, what string) error {
		mbps, err := speed(what)
		c.NICs = append(c.NICs, hardware.NICGroup{Count: n, SpeedMbps: mbps})
		return err
	})
	each(w.gpus, "--gpu", &check, func(n int, what string) error {
		c.GPUs = append(c.GPUs, hardware.GPUGroup{Count: n, Model: what})
		return nil
	})
	return c.AsSold(), asMisuse(check.Err("the configuration cannot be read"))
}

func (w *wishFlags) scalars(c *hardware.Configuration, check *fault.Check) {
	if w.arch != "" {
		c.Arch = w.arch
	}
	if w.cpu != "" {
		c.CPUModel = hardware.FoldCPUModel(w.cpu)
	}
	if w.sockets != 0 {
		c.Sockets = w.sockets
	}
	if w.cores != 0 {
		c.Cores = w.cores
	}
	if w.memory != "" {
		b, err := unit.ParseBytes(w.memory)
		if err != nil {
			check.Add("--memory", "%v", err)
		}
		c.MemoryBytes = uint64(b)
	}
}

// each reads groups: COUNTxWHAT, or WHAT for one.
func each(groups []string, flag string, check *fault.Check, read func(n int, what string) error) {
	for _, g := range groups {
		n, what := 1, g
		if count, rest, ok := strings.Cut(g, "x"); ok {
			if i, err := strconv.Atoi(count); err == nil {
				n, what = i, rest
			}
		}
		if n < 1 || n > 4096 {
			check.Add(flag, "%q counts %d; give 1 to 4096", g, n)
			continue
		}
		if err := read(n, what); err != nil {
			check.Add(flag, "%q: %v", g, err)
		}
	}
}

func knownMedium(m string) error {
	switch strings.ToLower(m) {
	case "", hardware.MediumNVMe, hardware.MediumSSD, hardware.MediumHDD, hardware.MediumVirtual:
		return nil
	}
	return fault.Invalid("the medium %q is not known; give nvme, ssd, hdd or virtual", m)
}

// speed reads "10G", "2.5G", "100M" or a number of Mbit/s.
func speed(s string) (int, error) {
	t := strings.ToUpper(strings.TrimSpace(s))
	factor := 1.0
	if rest, ok := strings.CutSuffix(t, "G"); ok {
		t, factor = rest, 1000
	} else {
		t = strings.TrimSuffix(t, "M")
	}
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || v <= 0 || v > 1e6 {
		return 0, fault.Invalid("the speed %q is not known; give for example 10G or 2.5G", s)
	}
	return int(v*factor + 0.5), nil
}

func readJSON(file string, v any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return fault.Invalid("read %s: %w", file, err)
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fault.Invalid("%s is not the JSON that is expected: %w", file, err)
	}
	return nil
}
