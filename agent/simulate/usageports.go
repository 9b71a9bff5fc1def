package simulate

import (
	"slices"

	"github.com/steelyard/steelyard/protocol"
)

// Usage implements report.Ports: all of the traffic goes through the first port of the machine, more in some quarter-hours than in others.
func (u *usage) Usage(months []protocol.UsageMonth) (s protocol.ServerUsage, version uint64) {
	now := u.now().Unix()
	s = protocol.ServerUsage{Book: "ports-" + u.id, At: now}
	for _, m := range months {
		if m.From <= now/900 && m.To > u.born.Unix()/900 {
			s.Months = append(s.Months, u.portMonth(m, now))
		}
	}
	s.Months = s.Months[max(0, len(s.Months)-2):]
	return s, uint64(now)
}

func (u *usage) portMonth(m protocol.UsageMonth, now int64) protocol.ServerMonth {
	x := protocol.ServerMonth{Name: m.Name}
	first := u.born.Unix() / 900
	day := 0
	for q := m.From; q < min(m.To, now/900+1); q++ {
		if q == m.From || begins(m, q) {
			day = len(x.Days)
			x.Days = append(x.Days, protocol.Traffic{})
		}
		if q < first {
			continue
		}
		seconds := uint64(min((q+1)*900, now) - max(q*900, u.born.Unix()))
		rate := 2e6 * share(uint64(u.number), 40) * (0.3 + 0.7*share(uint64(q), uint64(41+u.number)))
		t := protocol.Traffic{In: uint64(rate) * seconds / 4, Out: uint64(rate) * seconds}
		x.Quarters++
		x.In, x.Out = append(x.In, t.In), append(x.Out, t.Out)
		x.Days[day].In += t.In
		x.Days[day].Out += t.Out
		x.Total.In += t.In
		x.Total.Out += t.Out
	}
	x.Ports = []protocol.PortTraffic{{MAC: u.port.PermanentMAC, Name: u.port.Name, Traffic: x.Total}}
	x.In, x.Out = most(x.In), most(x.Out)
	return x
}

// begins tells whether a day of a month begins with a quarter-hour.
func begins(m protocol.UsageMonth, q int64) bool {
	if len(m.Days) == 0 {
		return (q-m.From)%96 == 0
	}
	_, ok := slices.BinarySearch(m.Days, q)
	return ok
}

func most(list []uint64) []uint64 {
	n := protocol.Busiest(uint64(len(list)))
	slices.Sort(list)
	slices.Reverse(list)
	return list[:min(n, len(list))]
}
