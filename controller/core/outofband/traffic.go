package outofband

import (
	"slices"
	"time"
)

// SourceSwitch are figures from the counters of switch ports.
const SourceSwitch = "switch"

// maxGaps is how many gaps are told; older ones are only counted.
const maxGaps = 10

// Traffic is what a server has received and sent since its ports are counted, added
// up over all of them (rules U1, U5, U6). Its id is the server's. Directions are the server's:
// what the switch sends out is what the server receives. The sums only grow.
type Traffic struct {
	Server   string     `json:"server"`
	InBytes  uint64     `json:"in_bytes"`  // received by the server
	OutBytes uint64     `json:"out_bytes"` // sent by the server
	Source   string     `json:"source" enum:"switch"`
	Since    time.Time  `json:"since"`          // of the first measurement
	At       time.Time  `json:"at"`             // of the oldest figure in the sums
	Gaps     []Gap      `json:"gaps,omitempty"` // newest last, at most ten
	GapCount int        `json:"gap_count,omitempty"`
	Ports    []Metering `json:"ports,omitempty"`
}

// Gap is a time in which a port carried more than was counted, perhaps.
type Gap struct {
	Switch string    `json:"switch"`
	Port   string    `json:"port"` // ifName
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"`
}

// Metering is the last reading of one port.
type Metering struct {
	Wired Port     `json:"wired"` // the selector
	Name  string   `json:"name"`  // ifName of the port that it led to
	Last  Counters `json:"last"`
}

// Look is one reading of one port.
type Look struct {
	Seen     Seen
	Counters Counters
}

// Count adds new readings to the traffic of a server. looks lie in the order of
// w.Ports; a look with an error or without counters tells nothing, and the next good one counts
// from the last good one. A reading that is not newer than the last one of its port changes
// nothing, so that looks may come twice or late.
//
// The first reading of a port counts nothing: it says what was there before. So does
// the first after the wiring was changed, or after the selector led elsewhere: what was
// counted meanwhile may be another server's. Two selectors that lead to one port count once.
//
// t is the zero value for a server never counted.
func (t Traffic) Count(w Wiring, looks []Look) Traffic {
	before := t.Ports
	t.Server, t.Source, t.Ports, t.Gaps = w.Server, SourceSwitch, nil, slices.Clone(t.Gaps)
	for i, wired := range w.Ports {
		at := slices.IndexFunc(before, func(m Metering) bool { return m.Wired == wired })
		var last *Metering
		if at >= 0 {
			last = &before[at]
		}
		if i >= len(looks) || looks[i].Seen.Error != "" || looks[i].Counters.Bits == 0 {
			t.keep(last)
			continue
		}
		t.meter(last, Metering{Wired: wired, Name: looks[i].Seen.Port, Last: looks[i].Counters}, w.ChangedAt)
	}
	t.stamp()
	return t
}

// keep takes a reading over, once.
func (t *Traffic) keep(m *Metering) {
	if m != nil && !slices.ContainsFunc(t.Ports, func(o Metering) bool { return o.Wired.Switch == m.Wired.Switch && o.Name == m.Name }) {
		t.Ports = append(t.Ports, *m)
	}
}

// meter adds what a port counted since its last reading.
func (t *Traffic) meter(last *Metering, now Metering, rewired time.Time) {
	if slices.ContainsFunc(t.Ports, func(o Metering) bool { return o.Wired.Switch == now.Wired.Switch && o.Name == now.Name }) {
		return
	}
	switch {
	case last == nil:
	case !now.Last.At.After(last.Last.At):
		t.keep(last)
		return
	case last.Last.At.Before(rewired):
		t.gap(last, now, "the wiring was changed")
	case last.Name != now.Name:
		t.gap(last, now, "the server was found at another port, "+last.Name+" before")
	case last.Last.Bits != now.Last.Bits:
		t.gap(last, now, "the switch changed the width of its counters")
	default:
		in, out, doubt := now.Last.Since(last.Last)
		t.InBytes, t.OutBytes = t.InBytes+out, t.OutBytes+in
		if doubt != "" {
			t.gap(last, now, doubt)
		}
	}
	t.Ports = append(t.Ports, now)
}

func (t *Traffic) gap(last *Metering, now Metering, reason string) {
	t.GapCount++
	t.Gaps = append(t.Gaps, Gap{Switch: now.Wired.Switch, Port: now.Name, From: last.Last.At, To: now.Last.At, Reason: reason})
	if n := len(t.Gaps) - maxGaps; n > 0 {
		t.Gaps = slices.Delete(t.Gaps, 0, n)
	}
}

// stamp says from when to when the sums are.
func (t *Traffic) stamp() {
	for i, m := range t.Ports {
		if i == 0 || m.Last.At.Before(t.At) {
			t.At = m.Last.At
		}
		if t.Since.IsZero() || m.Last.At.Before(t.Since) {
			t.Since = m.Last.At
		}
	}
}
