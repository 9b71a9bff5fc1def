package meter

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/steelyard/steelyard/agent/meter/tail"
	"github.com/steelyard/steelyard/protocol"
)

// looked is what became of the last look at a log.
type looked struct {
	until   time.Time // read to its end, and written down
	problem string
}

// note remembers what became of each source; bad are the faults in their order, and last that of writing down.
func (m *Meter) note(bad []error) {
	now := m.o.Now()
	for i, s := range m.sources {
		err := cmp.Or(bad[i], bad[len(bad)-1])
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		l := looked{until: now}
		if err != nil {
			l = looked{until: m.looked[s.name].until, problem: err.Error()}
		}
		m.looked[s.name] = l
	}
}

// Sources are what is known of the logs.
func (m *Meter) Sources() []protocol.UsageSource {
	list := make([]protocol.UsageSource, len(m.sources))
	for i, s := range m.sources {
		known, last := m.o.Book.Source(s.name), m.looked[s.name]
		list[i] = protocol.UsageSource{Name: s.name, Problem: last.problem, Unknown: known.Unknown, Sample: m.samples[s.name], Skipped: known.Skipped}
		if !last.until.IsZero() {
			list[i].Until = last.until.Unix()
		}
		for _, g := range known.Gaps {
			list[i].Gaps = append(list[i].Gaps, gap(g))
		}
	}
	return list
}

func gap(g tail.Gap) (u protocol.UsageGap) {
	if !g.After.IsZero() {
		u.After = g.After.Unix()
	}
	if !g.Before.IsZero() {
		u.Before = g.Before.Unix()
	}
	return u
}
