package gateway

import (
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// maxSeries bounds each list of a sample.
const maxSeries = 1024

func (a *agent) onSample(m session.Message) error {
	var rep protocol.SampleReport
	if err := m.Decode(&rep); err != nil {
		return err
	}
	a.gate.count.samples.Add(1)
	now := time.Now()
	cleanSample(&rep.Sample, now)
	a.sample.Store(&sampled{sample: rep.Sample, at: now})
	return nil
}

// cleanSample bounds what came from outside. A figure carries when it was measured
// (rule U6): the agent's clock is believed unless it is absent or ahead of ours.
func cleanSample(s *hardware.Sample, now time.Time) {
	if s.At.IsZero() || s.At.After(now) {
		s.At = now
	}
	s.FS = s.FS[:min(len(s.FS), maxSeries)]
	s.Disks = s.Disks[:min(len(s.Disks), maxSeries)]
	s.Interfaces = s.Interfaces[:min(len(s.Interfaces), maxSeries)]
	for i := range s.FS {
		f := &s.FS[i]
		f.Mount, f.Type, f.Device = hardware.CleanString(f.Mount), hardware.CleanString(f.Type), hardware.CleanString(f.Device)
	}
	for i := range s.Disks {
		s.Disks[i].Name = hardware.CleanString(s.Disks[i].Name)
	}
	for i := range s.Interfaces {
		s.Interfaces[i].Name = hardware.CleanString(s.Interfaces[i].Name)
	}
}
