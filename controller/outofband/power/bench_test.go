package power_test

import (
	"runtime"
	"testing"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/controller/outofband/power/rmcp/rmcptest"
)

// targets of the benchmarks: a controller in this process for each driver.
func benchTargets(b *testing.B) map[string]power.Target {
	address, _ := rmcptest.BMC(b, 17)
	rig, _ := redfishService(b, nil)
	return map[string]power.Target{
		"ipmi":    {Driver: outofband.DriverIPMI, Address: address, Username: rmcptest.Username, Password: rmcptest.Password},
		"redfish": rig.Target,
	}
}

// One question to a controller that is open already.
func BenchmarkStatus(b *testing.B) {
	for name, target := range benchTargets(b) {
		b.Run(name, func(b *testing.B) {
			c, err := power.Open(b.Context(), target)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Status(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A poll: log in, ask, log out.
func BenchmarkOpenStatusClose(b *testing.B) {
	for name, target := range benchTargets(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c, err := power.Open(b.Context(), target)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Status(b.Context()); err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}

// What an open controller keeps in memory, with the server's side of it, which is in this process too.
func BenchmarkMemoryOfAnOpenController(b *testing.B) {
	for name, target := range benchTargets(b) {
		b.Run(name, func(b *testing.B) {
			const n = 4 // as many sessions as a BMC has
			for b.Loop() {
				before := heap()
				var open []power.Controller
				for range n {
					c, err := power.Open(b.Context(), target)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := c.Status(b.Context()); err != nil {
						b.Fatal(err)
					}
					open = append(open, c)
				}
				b.ReportMetric(float64(heap()-before)/n, "B/open")
				for _, c := range open {
					c.Close()
				}
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
