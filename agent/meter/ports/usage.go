package ports

import (
	"maps"
	"slices"

	"github.com/steelyard/steelyard/protocol"
)

// Usage are the totals of the running month and the one before, of those that are named. version is another one when something changed; it is never 0.
func (b *Book) Usage(months []protocol.UsageMonth) (u protocol.ServerUsage, version uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u = protocol.ServerUsage{Book: b.state.ID, At: b.state.At.Unix(), Gaps: slices.Clone(b.state.Gaps)}
	now := u.At / 900
	var begun []protocol.UsageMonth
	for _, m := range months {
		if m.From <= now {
			begun = append(begun, m)
		}
	}
	for _, m := range begun[max(0, len(begun)-2):] {
		if m.To > b.state.Began {
			u.Months = append(u.Months, b.month(m, now))
		}
	}
	return u, b.version + 1
}

// month sums up one month to now.
func (b *Book) month(m protocol.UsageMonth, now int64) protocol.ServerMonth {
	end := min(m.To, now+1)
	x := protocol.ServerMonth{Name: m.Name}
	ports := map[string]*protocol.PortTraffic{}
	for q := m.From; q < end; q++ {
		if index := m.DayOf(q); index >= len(x.Days) {
			x.Days = append(x.Days, protocol.Traffic{})
		}
		if q < b.state.Began {
			continue
		}
		sum := b.quarter(q, ports)
		x.Quarters++
		x.In, x.Out = append(x.In, sum.In), append(x.Out, sum.Out)
		x.Days[len(x.Days)-1].In += sum.In
		x.Days[len(x.Days)-1].Out += sum.Out
		x.Total.In += sum.In
		x.Total.Out += sum.Out
	}
	for _, mac := range slices.Sorted(maps.Keys(ports)) {
		x.Ports = append(x.Ports, *ports[mac])
	}
	x.In, x.Out = busiest(x.In), busiest(x.Out)
	return x
}

// quarter is the sum of all ports in one quarter-hour; each is added to its total.
func (b *Book) quarter(q int64, ports map[string]*protocol.PortTraffic) (sum protocol.Traffic) {
	d := b.days[q/96]
	if q/96 == b.state.Today.Day {
		d = b.state.Today
	}
	if d == nil {
		return sum
	}
	for mac, s := range d.Ports {
		in, out := s.In[q%96], s.Out[q%96]
		if in == 0 && out == 0 {
			continue
		}
		p := ports[mac]
		if p == nil {
			p = &protocol.PortTraffic{MAC: mac}
			ports[mac] = p
		}
		p.Name = s.Name
		p.Traffic.In += in
		p.Traffic.Out += out
		sum.In += in
		sum.Out += out
	}
	return sum
}

// busiest are the largest, as many as their 95th percentile needs.
func busiest(list []uint64) []uint64 {
	n := protocol.Busiest(uint64(len(list)))
	slices.Sort(list)
	slices.Reverse(list)
	return slices.Clip(list[:min(n, len(list))])
}
