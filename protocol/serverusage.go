package protocol

import "slices"

// ServerUsage is what went through the ports of a server: totals, as in a UsageReport (rule U5). It is sent when it changed, some minutes apart. Of two of the same Book the
// one with the later At is right; another Book counts from nothing, beside the one before.
type ServerUsage struct {
	Seq    uint64        `json:"seq"`
	Book   string        `json:"book"`
	Zone   uint64        `json:"zone"` // UsageMonths.Zone
	At     int64         `json:"at"`   // seconds since 1970: counted until then (rule U6)
	Months []ServerMonth `json:"months"`
	Gaps   []UsageGap    `json:"gaps,omitempty"` // the newest: an end without notice, of the agent or the machine, whose last traffic is not counted
}

// ServerMonth is one month of a server.
type ServerMonth struct {
	Name     string        `json:"name"`
	Total    Traffic       `json:"total"` // of all ports
	Ports    []PortTraffic `json:"ports"` // that had any, by address
	Days     []Traffic     `json:"days"`  // from the first day of the month to the one of At
	Quarters uint64        `json:"quarters"`
	// In and Out are the bytes of the busiest quarter-hours, the most first, by direction: the largest of [Busiest](Quarters), of which the last is the 95th percentile.
	In  []uint64 `json:"in"`
	Out []uint64 `json:"out"`
}

// PortTraffic is what went through a port.
type PortTraffic struct {
	MAC     string  `json:"mac"`
	Name    string  `json:"name"` // of the interface, when it was seen last
	Traffic Traffic `json:"traffic"`
}

// Bounds of a ServerUsage.
const (
	maxServerMonths = 2
	maxPorts        = 32
	maxBusiest      = 3000/20 + 2
)

// Busiest is how many of a number of quarter-hours must be known for their 95th percentile: the largest twentieth, and the one behind.
func Busiest(quarters uint64) int { return int(quarters/20) + 1 }

// Clean bounds what an agent sent.
func (u *ServerUsage) Clean() {
	u.Book = tag(u.Book)
	u.Months = u.Months[:min(len(u.Months), maxServerMonths)]
	u.Gaps = u.Gaps[:min(len(u.Gaps), MaxUsageGaps)]
	for i := range u.Months {
		m := &u.Months[i]
		m.Name = tag(m.Name)
		m.Ports = m.Ports[:min(len(m.Ports), maxPorts)]
		for j := range m.Ports {
			m.Ports[j].MAC, m.Ports[j].Name = tag(m.Ports[j].MAC), tag(m.Ports[j].Name)
		}
		m.Days = m.Days[:min(len(m.Days), maxDays)]
		m.In, m.Out = largestFirst(m.In), largestFirst(m.Out)
	}
}

func largestFirst(list []uint64) []uint64 {
	list = list[:min(len(list), maxBusiest)]
	slices.Sort(list)
	slices.Reverse(list)
	return list
}
