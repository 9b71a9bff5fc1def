package match

import (
	"cmp"
	"slices"
	"strings"
)

// Module is a processing module that a tariff names, with the wish as this module
// has it: its data centre, its weights, its server type.
type Module struct {
	ID        string
	Sort      int   // lowest first
	CreatedAt int64 // Unix nanoseconds; earliest first where Sort is equal
	Wish      Wish
}

// Offer is what one module answers: a server, or none.
type Offer struct {
	Module string
	Found  bool
	Result Result
}

// SortModules puts modules in the order in which they are asked: sort number,
// creation, id (rule B11).
func SortModules(ms []Module) {
	slices.SortFunc(ms, func(a, b Module) int {
		return cmp.Or(cmp.Compare(a.Sort, b.Sort), cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

// Pick chooses among the offers of modules that were asked in order: the first
// exact one, else the first at all. It returns its index, or -1. Distances of
// different modules are not compared: each has its own weights.
func Pick(offers []Offer) int {
	closest := -1
	for i, o := range offers {
		switch {
		case o.Found && o.Result.Exact:
			return i
		case o.Found && closest < 0:
			closest = i
		}
	}
	return closest
}

// BestOf asks the catalogue for every module and picks (rule B11). The slice is
// not changed. Offers of other operators' fleets are picked with [Pick].
func (c *Catalogue) BestOf(modules []Module) (Offer, bool) {
	modules = slices.Clone(modules)
	SortModules(modules)
	offers := make([]Offer, 0, len(modules))
	for _, m := range modules {
		r, ok := c.Best(m.Wish)
		offers = append(offers, Offer{Module: m.ID, Found: ok, Result: r})
		if ok && r.Exact {
			break
		}
	}
	i := Pick(offers)
	if i < 0 {
		return Offer{}, false
	}
	return offers[i], true
}

// ReserveOf is BestOf that takes the server, as Reserve does.
func (c *Catalogue) ReserveOf(modules []Module) (Offer, bool) {
	for {
		o, ok := c.BestOf(modules)
		if !ok || c.Take(o.Result.ServerID) {
			return o, ok
		}
	}
}
