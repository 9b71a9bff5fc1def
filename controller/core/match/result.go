package match

import (
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Result is a server that can serve a wish, what is to be done to it, and why it
// is as far away as it is.
type Result struct {
	ServerID   string `json:"server_id"`
	Location   string `json:"location,omitempty"`
	ServerType string `json:"server_type,omitempty"`
	FreeSince  int64  `json:"free_since,omitempty"` // Unix nanoseconds
	Score
	Exact         bool                   `json:"exact"` // distance 0: preparation can start (rule B26)
	Changes       []Change               `json:"changes,omitempty"`
	Explanation   []Attribute            `json:"explanation"`   // read only: results share it
	Configuration hardware.Configuration `json:"configuration"` // as the server is now
}

// Attribute explains one attribute of a comparison.
type Attribute struct {
	Name   string `json:"attribute"` // "location", "server type", "arch", "cpu", "memory", "disks", "nics", "gpus"
	Wanted string `json:"wanted"`    // "any" where the wish leaves it open
	Has    string `json:"has"`
	Cost   int    `json:"cost"` // points; they add up to the distance
}

var attributeNames = [kinds]string{"cpu", "memory", "disks", "nics", "gpus"}

// Ruler measures configurations against one wish.
type Ruler struct {
	query query
	buf   [16]group
}

// NewRuler makes a wish ready to be compared many times.
func NewRuler(w Wish) *Ruler {
	r := new(Ruler)
	r.query.prepare(&w)
	return r
}

// Distance scores a configuration without explaining it. It is false when the
// architecture rules the configuration out; location and server type are not
// looked at. It is not for several goroutines at once.
func (r *Ruler) Distance(c *hardware.Configuration) (Score, bool) {
	s := r.query.distance(r.buf[:0], c)
	return s.public(), s < ruledOut
}

func (q *query) distance(buf []group, c *hardware.Configuration) score {
	var sum score
	for kind := range kinds {
		f := facetOf(buf, kind, c)
		if sum += q.cost(kind, &f); sum >= ruledOut {
			break
		}
	}
	return sum
}

// Fits says that the server needs no rework for the wish; the task to rebuild it
// can close (rule B27).
func Fits(s Server, w Wish) bool {
	r, err := Compare(s, w)
	return err == nil && r.Exact
}

// Compare explains one server against a wish, whether it is available or not. A
// server in another location, of another server type or architecture is refused
// with a sentence that says so.
func Compare(s Server, w Wish) (Result, error) {
	if err := ruleOut(s, w); err != nil {
		return Result{}, err
	}
	var q query
	q.prepare(&w)
	k := &class{
		location: &location{name: s.Location}, serverType: s.ServerType, configuration: s.Configuration.Normalise(), texts: texts(&s.Configuration),
	}
	best := found{score: q.distance(nil, &k.configuration), class: k, id: s.ID, freeSince: s.FreeSince}
	return q.result(&w, best), nil
}

func ruleOut(s Server, w Wish) error {
	switch arch := s.Configuration.Arch; {
	case w.Location != "" && w.Location != s.Location:
		return fault.Refused("server %s is in %s; the order asks for location %s", s.ID, or(s.Location, "no location"), w.Location)
	case w.ServerType != "" && w.ServerType != s.ServerType:
		return fault.Refused("server %s is of %s; the order asks for server type %s", s.ID, or(s.ServerType, "no server type"), w.ServerType)
	case w.Configuration.Arch != "" && !equalFold(w.Configuration.Arch, arch):
		return fault.Refused("server %s has %s; the order asks for architecture %s", s.ID, or(arch, "an unknown architecture"), w.Configuration.Arch)
	}
	return nil
}

// result explains the winner of a search.
func (q *query) result(w *Wish, best found) Result {
	k := best.class
	r := Result{
		ServerID: best.id, Location: k.location.name, ServerType: k.serverType, FreeSince: best.freeSince,
		Score: best.score.public(), Configuration: k.configuration,
	}
	r.Exact = r.Distance == 0
	if best.score == 0 {
		r.Explanation = q.explainZero(w, k)
		return r
	}
	q.explainHard(w, &r)
	for kind := range kinds {
		f := facetOf(nil, kind, &k.configuration)
		q.explain(kind, &f, k.texts[kind], &r)
	}
	return r
}

// explainZero is for a server that has what is wished and nothing else.
func (q *query) explainZero(w *Wish, k *class) []Attribute {
	vague := w.Location == "" || w.ServerType != "" || k.explained == nil
	for kind := range kinds {
		vague = vague || q.isVague(kind)
	}
	if !vague {
		return k.explained
	}
	r := Result{Location: k.location.name, ServerType: k.serverType, Configuration: k.configuration}
	q.explainHard(w, &r)
	for kind := range kinds {
		r.Explanation = append(r.Explanation, Attribute{Name: attributeNames[kind], Wanted: q.wanted(kind), Has: k.texts[kind]})
	}
	return r.Explanation
}

// isVague says that different parts may fit what is wished.
func (q *query) isVague(kind int) bool {
	switch kind {
	case kindCPU:
		return !q.cpu.complete()
	case kindDIMM:
		return q.memTotal > 0 || q.wild[kind]
	default:
		return q.wild[kind]
	}
}

// explainLiteral is the explanation that all wishes share which are literally
// this class: what such a wish leaves open, the class has nothing of.
func (k *class) explainLiteral() []Attribute {
	out := make([]Attribute, 0, 2+kinds)
	add := func(name, wanted, has string) { out = append(out, Attribute{Name: name, Wanted: wanted, Has: has}) }
	add("location", k.location.name, k.location.name)
	add("arch", k.configuration.Arch, k.configuration.Arch)
	for kind := range kinds {
		wanted := k.texts[kind]
		if wanted == nothing {
			wanted = "any"
		}
		add(attributeNames[kind], wanted, k.texts[kind])
	}
	return out
}

func (q *query) explainHard(w *Wish, r *Result) {
	r.Explanation = make([]Attribute, 0, 3+kinds)
	add := func(name, wanted, has string) {
		r.Explanation = append(r.Explanation, Attribute{Name: name, Wanted: or(wanted, "any"), Has: has})
	}
	add("location", w.Location, r.Location)
	if w.ServerType != "" {
		add("server type", w.ServerType, r.ServerType)
	}
	add("arch", q.cpu.arch, r.Configuration.Arch)
}

func (q *query) explain(kind int, f *facet, has string, r *Result) {
	cost := q.cost(kind, f).public().Distance
	r.Explanation = append(r.Explanation, Attribute{Name: attributeNames[kind], Wanted: q.wanted(kind), Has: has, Cost: cost})
	if cost > 0 {
		r.Changes = append(r.Changes, q.changes(kind, f)...)
	}
}
