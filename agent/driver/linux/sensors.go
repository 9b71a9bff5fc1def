package linux

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
)

// Sensors reads hwmon and EDAC (Documentation/hwmon/sysfs-interface, driver-api/edac).
func (m *Machine) Sensors(context.Context) driver.Sensors {
	s := driver.Sensors{Temperatures: m.temperatures(), BMC: m.bmc()}
	controllers, _ := filepath.Glob(filepath.Join(m.sys, "devices/system/edac/mc/mc[0-9]*"))
	for _, mc := range controllers {
		ce, err := number64(filepath.Join(mc, "ce_count"))
		ue, err2 := number64(filepath.Join(mc, "ue_count"))
		if err == nil && err2 == nil {
			s.ECC = true
			s.Corrected += ce
			s.Uncorrected += ue
		}
	}
	return s
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
