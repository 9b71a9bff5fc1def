package linux

import (
	"context"
	"path/filepath"
	"time"
)

// throttled counts how often the processors slowed themselves down for heat since boot. The cores of a socket
// share the counter of their package (Documentation/ABI/testing/sysfs-devices-system-cpu): it counts once each.
func (m *Machine) throttled() uint64 {
	var sum uint64
	cores, _ := filepath.Glob(filepath.Join(m.sys, "devices/system/cpu/cpu[0-9]*/thermal_throttle"))
	for _, dir := range cores {
		n, _ := number64(filepath.Join(dir, "core_throttle_count"))
		sum += n
		n, _ = number64(filepath.Join(dir, "package_throttle_count"))
		sum += n
	}
	return sum
}

// slowestMHz looks at the clocks until ctx ends, and gives the lowest one of a processor under load; the first look
// comes when they had time to rise. 0 where clocks are not told.
func (m *Machine) slowestMHz(ctx context.Context) int {
	slowest := uint64(0)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return int(slowest / 1000)
		case <-tick.C:
		}
		if ctx.Err() != nil {
			continue // the load is over: clocks fall
		}
		files, _ := filepath.Glob(filepath.Join(m.sys, "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
		for _, f := range files {
			if khz, err := number64(f); err == nil && khz > 0 && (slowest == 0 || khz < slowest) {
				slowest = khz
			}
		}
	}
}

// baseMHz is the clock that the slowest processor promises under load; 0 where the kernel does not know.
func (m *Machine) baseMHz() int {
	least := uint64(0)
	files, _ := filepath.Glob(filepath.Join(m.sys, "devices/system/cpu/cpu[0-9]*/cpufreq/base_frequency"))
	for _, f := range files {
		if khz, err := number64(f); err == nil && khz > 0 && (least == 0 || khz < least) {
			least = khz
		}
	}
	return int(least / 1000)
}
