package match

import "strings"

// What can be done with a part.
const (
	Add    = "add"
	Remove = "remove"
	Swap   = "swap"
)

// The parts.
const (
	PartCPU  = "cpu"
	PartDIMM = "dimm"
	PartDisk = "disk"
	PartNIC  = "nic" // a port
	PartGPU  = "gpu"
)

var partNames = [kinds]string{PartCPU, PartDIMM, PartDisk, PartNIC, PartGPU}

// Change is one line of the parts list that makes a server fit an order (rule
// B27).
type Change struct {
	Action string `json:"action"`         // Add, Remove or Swap
	Part   string `json:"part"`           // one of the Part… constants
	Count  int    `json:"count"`          // parts of each side
	From   *Item  `json:"from,omitempty"` // goes: Remove and Swap
	To     *Item  `json:"to,omitempty"`   // comes: Add and Swap; for a processor also after Remove
	Cost   int    `json:"cost"`           // points, of all Count parts together
	Text   string `json:"text"`           // "swap 2 × 480 GB SSD for 2 × 1.92 TB NVMe"
}

// Item is one part. What is zero does not apply, or is left to whoever fetches
// the part.
type Item struct {
	Model     string `json:"model,omitempty"`      // processor, GPU
	Type      string `json:"type,omitempty"`       // DIMM
	Medium    string `json:"medium,omitempty"`     // disk
	SizeBytes uint64 `json:"size_bytes,omitempty"` // DIMM, disk
	SpeedMbps int    `json:"speed_mbps,omitempty"` // port
	Cores     int    `json:"cores,omitempty"`      // processors: of all sockets together, once every change is done
}

// Parts says the whole list in one sentence, "" for none.
func Parts(changes []Change) string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.Text
	}
	return strings.Join(lines, ", ")
}

func item(kind int, g group) *Item {
	switch kind {
	case kindDIMM:
		return &Item{Type: g.name, SizeBytes: g.size}
	case kindDisk:
		return &Item{Medium: g.name, SizeBytes: g.size}
	case kindNIC:
		return &Item{SpeedMbps: int(g.size)}
	default:
		return &Item{Model: g.name}
	}
}

func (i *Item) group(kind, n int) group {
	switch kind {
	case kindDIMM:
		return group{n, i.Type, i.SizeBytes}
	case kindDisk:
		return group{n, i.Medium, i.SizeBytes}
	case kindNIC:
		return group{n, "", uint64(max(i.SpeedMbps, 0))}
	default:
		return group{n, i.Model, 0}
	}
}

// changes lists what has to be done to one attribute.
func (q *query) changes(kind int, f *facet) []Change {
	u := q.units[kind]
	switch {
	case kind == kindCPU:
		return cpuChanges(planCPU(q.cpu, f.cpu, u), f.cpu, u)
	case q.isOpen(kind):
		return nil
	case kind == kindDIMM && q.memTotal > 0:
		plan := planTotal(q.memTotal, memory{f.groups, f.opaque}, u)
		if plan == (refit{}) {
			return nil
		}
		return partChanges(kind, plan.after(f.groups), f.groups, u)
	default:
		return partChanges(kind, q.lists[kind], f.groups, u)
	}
}

func cpuChanges(p cpuPlan, have cpu, u units) []Change {
	var out []Change
	from := &Item{Model: have.model, Cores: have.cores}
	to := &Item{Model: p.model, Cores: p.cores}
	line := func(action string, n int, s score, from, to *Item) {
		if n == 0 {
			return
		}
		goes := or(have.model, "processor")
		comes := or(p.model, "processor")
		if p.cores > 0 {
			comes += " (" + coresText(p.cores) + " in all)"
		}
		out = append(out, Change{
			Action: action, Part: PartCPU, Count: n, From: from, To: to,
			Cost: n * s.public().Distance, Text: changeText(action, n, []byte(goes), []byte(comes)),
		})
	}
	line(Swap, p.swap, u.swap, from, to)
	line(Remove, p.remove, u.remove, from, to)
	line(Add, p.add, u.add, nil, to)
	return out
}

// partChanges pairs what is left over with what is missing: first within one
// generation, medium or model, then whatever remains.
func partChanges(kind int, want, have []group, u units) []Change {
	missing, over := newMatching(want, have).rest()
	l := lister{kind: kind, units: u, have: have, usual: typeOf(have)}
	if u.replaces() {
		l.pair(missing, over, func(w, h group) bool { return equalFold(w.name, h.name) })
		l.pair(missing, over, func(group, group) bool { return true })
	}
	for _, h := range over {
		if h.count > 0 && u.remove >= points(1, 0, 0) {
			l.add(Remove, h.count, h, group{}, u.remove)
		}
	}
	for _, w := range missing {
		if w.count > 0 {
			l.add(Add, w.count, group{}, w, u.add)
		}
	}
	return l.out
}

type lister struct {
	kind  int
	units units
	have  []group
	usual string // generation of most modules, for a wish that names none
	out   []Change
}

func (l *lister) pair(missing, over []group, alike func(w, h group) bool) {
	for j := range missing {
		for i := range over {
			if n := min(missing[j].count, over[i].count); n > 0 && alike(missing[j], over[i]) {
				l.add(Swap, n, over[i], missing[j], l.units.swap)
				missing[j].count -= n
				over[i].count -= n
			}
		}
	}
}

func (l *lister) add(action string, n int, from, to group, each score) {
	c := Change{Action: action, Part: partNames[l.kind], Count: n}
	if action != Remove {
		if isForeign(to, l.have) {
			each += l.units.foreign
		}
		if l.kind == kindDIMM && to.name == "" {
			to.name = l.usual
		}
		c.To = item(l.kind, to)
	}
	if action != Add {
		c.From = item(l.kind, from)
	}
	c.Cost = n * each.public().Distance
	c.Text = changeText(action, n, appendItem(nil, l.kind, from), appendItem(nil, l.kind, to))
	l.out = append(l.out, c)
}
