package reconcile

import (
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/state"
)

// lives are the states that records were seen in, and the moves between them, held against
// the tables that say which there are.
type lives struct {
	states map[string]map[string]string // noun → id → state
	clean  map[string]bool              // servers whose disks were clean last
	moves  map[string]map[[2]string]int // noun → from, to → how often; from "" is a new record
}

func newLives() lives {
	return lives{states: map[string]map[string]string{}, clean: map[string]bool{}, moves: map[string]map[[2]string]int{}}
}

// plant makes known a server that was there, clean and in a state, before anybody looked.
func (l *lives) plant(id, now string) {
	l.was(&fleet.Servers, id, now)
	l.clean[id] = true
}

// was lets something be in a state from the beginning.
func (l *lives) was(t *state.Table, id, now string) {
	if l.states[t.Noun] == nil {
		l.states[t.Noun], l.moves[t.Noun] = map[string]string{}, map[[2]string]int{}
	}
	l.states[t.Noun][id] = now
}

// tables are all that there are.
var tables = []*state.Table{&fleet.Servers, &order.Services, &order.Orders, &operation.Operations, &reselling.Sales, &reselling.SignUps}

// lived notes what this revision did to the states of everything that changed.
func (l *ledger) lived(touched map[string]bool) {
	for id := range touched {
		if s, ok := l.servers[id]; ok {
			l.server(s)
		} else {
			l.gone(&fleet.Servers, id)
		}
		if o, ok := l.orders[id]; ok {
			l.became(&order.Orders, id, o.State)
			l.became(&order.Services, o.Service, l.services[o.Service].State)
		}
	}
	for _, id := range l.traded {
		l.became(&reselling.Sales, id, l.sales[id].State)
	}
	for _, id := range l.applied {
		l.became(&reselling.SignUps, id, l.signUps[id].State)
	}
	for _, id := range l.changed {
		if op, ok := l.ops[id]; ok {
			l.became(&operation.Operations, id, op.State)
		} else {
			l.gone(&operation.Operations, id)
		}
	}
}

// server derives the state of a server as everybody does, and holds rule B41 against it: disks
// that were not clean are clean only after a move that proves them.
func (l *ledger) server(s fleet.Server) {
	f, known := l.facts[s.ID]
	in := fleet.Surroundings{Connected: l.present[s.ID]}
	if known {
		in.Facts = &f
	}
	was := l.lives.states[fleet.Servers.Noun][s.ID]
	now := fleet.StateOf(&s, l.ops[s.Operation].Kind, fleet.Available(fleet.Unavailable(&s, in)))
	l.became(&fleet.Servers, s.ID, now)
	clean := s.Cleanliness == fleet.Clean
	if clean && !l.lives.clean[s.ID] && !fleet.Servers.Proves(was, now) {
		l.fault("B41: server %s became clean from %q to %q, where nothing is proven", s.ID, was, now)
	}
	if clean && !l.lives.clean[s.ID] {
		l.proven(s, "clean")
	}
	if want := fleet.Servers.Find(now).Disks; want != "" && clean != (want == state.Clean) {
		l.fault("B41: server %s is %s with disks that are %s", s.ID, now, s.Cleanliness)
	}
	l.lives.clean[s.ID] = clean
}

func (l *ledger) became(t *state.Table, id, now string) {
	seen := l.lives.states[t.Noun]
	if seen == nil {
		seen = map[string]string{}
		l.lives.states[t.Noun], l.lives.moves[t.Noun] = seen, map[[2]string]int{}
	}
	was, known := seen[id]
	seen[id] = now
	switch {
	case !known && !t.Find(now).Begin:
		l.fault("X4: a new %s is %q, in which none begins by its table", t.Noun, now)
	case known && was != now && !t.Has(was, now):
		l.fault("X4: %s %s became %q from %q, which is not in its table", t.Noun, id, now, was)
	}
	if was != now || t.Has(was, now) {
		l.lives.moves[t.Noun][[2]string{was, now}]++
	}
}

func (l *ledger) gone(t *state.Table, id string) { delete(l.lives.states[t.Noun], id) }
