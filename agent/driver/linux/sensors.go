package linux

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
)

// Sensors reads hwmon, EDAC and the counters of machine checks (Documentation/hwmon/sysfs-interface, driver-api/edac).
func (m *Machine) Sensors(context.Context) driver.Sensors {
	s := driver.Sensors{Temperatures: m.temperatures(), Fans: m.fans(), BMC: m.bmc()}
	controllers, _ := filepath.Glob(filepath.Join(m.sys, "devices/system/edac/mc/mc[0-9]*"))
	for _, mc := range controllers {
		ce, err := number64(filepath.Join(mc, "ce_count"))
		ue, err2 := number64(filepath.Join(mc, "ue_count"))
		if err == nil && err2 == nil {
			s.ECC = true
			s.Corrected += ce
			s.Uncorrected += ue
			s.DIMMs = append(s.DIMMs, dimms(mc)...)
		}
	}
	m.machineChecks(&s)
	return s
}

// dimms reads the counters of the modules of one memory controller: of modules, or in older kernels of channels of rows.
func dimms(mc string) []driver.DIMM {
	var list []driver.DIMM
	for _, form := range []struct{ label, ce, ue string }{
		{"dimm*/dimm_label", "dimm_ce_count", "dimm_ue_count"},
		{"rank*/dimm_label", "dimm_ce_count", "dimm_ue_count"},
		{"csrow*/ch*_dimm_label", "_ce_count", ""},
	} {
		labels, _ := filepath.Glob(filepath.Join(mc, form.label))
		for _, path := range labels {
			list = append(list, dimm(path, form.ce, form.ue))
		}
		if len(list) > 0 {
			break
		}
	}
	return list
}

func dimm(path, ce, ue string) driver.DIMM {
	d := driver.DIMM{Label: filepath.Base(filepath.Dir(path))}
	if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) != "" {
		d.Label = strings.TrimSpace(string(text))
	}
	dir, stem := filepath.Dir(path), ""
	if channel, ok := strings.CutSuffix(filepath.Base(path), "_dimm_label"); ok {
		stem = channel
	}
	d.Corrected, _ = number64(filepath.Join(dir, stem+ce))
	if ue != "" {
		d.Uncorrected, _ = number64(filepath.Join(dir, ue))
	}
	return d
}

// machineChecks reads the lines of /proc/interrupts that count errors of the processors: MCE are exceptions, THR and DFR
// are interrupts about corrected and deferred ones. All processors of a line are added up.
func (m *Machine) machineChecks(s *driver.Sensors) {
	text, err := os.ReadFile(filepath.Join(m.prc, "interrupts"))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "MCE:":
			s.MachineChecks += sum(f[1:])
			s.Checked = true
		case "THR:", "DFR:":
			s.Deferred += sum(f[1:])
		}
	}
}

// sum adds up the leading numbers.
func sum(fields []string) (n uint64) {
	for _, f := range fields {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return n
		}
		n += v
	}
	return n
}

func (m *Machine) bmc() bool {
	found, _ := filepath.Glob(filepath.Join(m.sys, "class/ipmi/ipmi[0-9]*"))
	return len(found) > 0
}

func (m *Machine) temperatures() []driver.Temperature {
	inputs, _ := filepath.Glob(filepath.Join(m.sys, "class/hwmon/hwmon*/temp*_input"))
	var list []driver.Temperature
	for _, input := range inputs {
		now, ok := celsius(input)
		if !ok {
			continue
		}
		stem := strings.TrimSuffix(input, "_input")
		high, _ := celsius(stem + "_max")
		critical, _ := celsius(stem + "_crit")
		list = append(list, driver.Temperature{Name: label(stem), Celsius: now, High: high, Critical: critical})
	}
	return list
}

// fans reads fans. One that stands still and has no limit may be a plug without a fan, and is left out.
func (m *Machine) fans() []driver.Fan {
	inputs, _ := filepath.Glob(filepath.Join(m.sys, "class/hwmon/hwmon*/fan*_input"))
	var list []driver.Fan
	for _, input := range inputs {
		rpm, err := number64(input)
		stem := strings.TrimSuffix(input, "_input")
		least, _ := number64(stem + "_min")
		alarm, _ := number64(stem + "_alarm")
		if err != nil || rpm == 0 && least == 0 {
			continue
		}
		list = append(list, driver.Fan{Name: label(stem), RPM: float64(rpm), Least: float64(least), Alarm: alarm == 1})
	}
	return list
}

// celsius reads thousandths of a degree. Values that no sensor of a running machine
// has (broken or unconnected ones say -128 or 0) are left out.
func celsius(path string) (float64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	c := float64(n) / 1000
	return c, err == nil && c > 0 && c < 200
}

func label(stem string) string {
	chip, _ := os.ReadFile(filepath.Join(filepath.Dir(stem), "name"))
	name, err := os.ReadFile(stem + "_label")
	if err != nil {
		name = []byte(filepath.Base(stem))
	}
	return strings.TrimSpace(string(chip)) + " " + strings.TrimSpace(string(name))
}
