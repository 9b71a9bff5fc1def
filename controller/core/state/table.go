package state

import "slices"

// Table is the life of one noun.
type Table struct {
	Noun   string
	States []State
	Moves  []Move
}

// State is one that a noun can be in. One that does not rest has an owner who brings it on, an event or a
// deadline that ends it, and a way out for a person (rule X4).
type State struct {
	Name  string
	Means string // in words, for a person
	Begin bool   // a record is made in it
	Rests bool   // it may stay so: nothing is waited for
	Owner string // who brings it on
	Until string // what ends it at the latest
	Out   string // what a person can do about it
	Disks string // server: what they are as long as it is in it, Clean or Dirty; "" either
}

// Disks of a server.
const (
	Clean = "clean" // proven empty, every one
	Dirty = "dirty"
)

// Move is what leads from each state of From to each of To.
type Move struct {
	Part     string // of the drawing, when one would be too full
	From, To []string
	By       string // what happened, in words
	Proof    bool   // server: every disk may be proven empty in it; in no other move are dirty disks clean afterwards
}

// Has reports whether a move leads from one state to another.
func (t *Table) Has(from, to string) bool {
	return slices.ContainsFunc(t.Moves, func(m Move) bool { return m.leads(from, to) })
}

// Proves reports whether disks may become clean on the way from one state to another.
func (t *Table) Proves(from, to string) bool {
	return slices.ContainsFunc(t.Moves, func(m Move) bool { return m.Proof && m.leads(from, to) })
}

func (m *Move) leads(from, to string) bool {
	return slices.Contains(m.From, from) && slices.Contains(m.To, to)
}

// Find is the state of a name; an empty one when there is none.
func (t *Table) Find(name string) State {
	if i := slices.IndexFunc(t.States, func(s State) bool { return s.Name == name }); i >= 0 {
		return t.States[i]
	}
	return State{}
}
