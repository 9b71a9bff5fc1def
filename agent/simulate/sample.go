package simulate

import (
	"math"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Sample implements link.Source: figures of a server that is busy by day, each
// on its own level. Counters only ever rise while the machine is up.
func (a *agent) Sample(s *hardware.Sample) error {
	now := time.Now()
	up := now.Sub(a.started)
	level := 0.05 + 0.6*share(uint64(a.number), 1)
	day := 0.5 + 0.5*math.Sin(2*math.Pi*float64(now.Unix()%86_400)/86_400)
	load := level * (0.4 + 0.6*day) * 16
	*s = hardware.Sample{At: now.UTC(), UptimeSec: uint64(up.Seconds()), Load1: load, Load5: load * 0.97, Load15: load * 0.93, FS: s.FS[:0], Disks: s.Disks[:0], Interfaces: s.Interfaces[:0]}
	ms := uint64(up.Milliseconds()) * 16
	s.CPUUserMs = uint64(float64(ms) * level * 0.7)
	s.CPUSystemMs = uint64(float64(ms) * level * 0.2)
	s.CPUIOWaitMs = uint64(float64(ms) * level * 0.02)
	s.CPUIdleMs = ms - s.CPUUserMs - s.CPUSystemMs - s.CPUIOWaitMs
	s.MemTotal = 64 << 30
	s.MemAvail = uint64(float64(s.MemTotal) * (1 - level))
	traffic := uint64(up.Seconds() * level * 40e6)
	s.Interfaces = append(s.Interfaces, hardware.Interface{Name: "eno1", RxBytes: traffic, TxBytes: traffic * 3, RxPkts: traffic / 600, TxPkts: traffic / 400})
	s.Disks = append(s.Disks, hardware.DiskIO{Name: "sda", ReadBytes: traffic / 4, WriteBytes: traffic / 3, ReadOps: traffic / 65_536, WriteOps: traffic / 16_384})
	return nil
}

// share is a fixed number in [0, 1) for each pair (splitmix64).
func share(x, salt uint64) float64 {
	x += salt * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
