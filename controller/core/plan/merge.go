package plan

import (
	"cmp"
	"slices"
)

// Origins of a value.
const (
	OfPlan     = "plan"
	OfAddOn    = "addon"
	OfDefault  = "default"  // no offer says anything
	OfOwn      = "own"      // set on the subscription, which locked it (P8)
	OfPin      = "pinned"   // set on the subscription, and only this property (P8a)
	OfChosen   = "chosen"   // the subscriber may change it (P11)
	OfAccepted = "accepted" // less than promised, and somebody took it (P15)
	OfNode     = "node"     // less than promised: more cannot be provided (P9)
)

// Part says where a value, or a part of it, comes from.
type Part struct {
	Origin string `json:"origin" enum:"plan,addon,default,own,pinned,chosen,accepted,node"`
	Name   string `json:"name,omitempty"` // of the plan or the add-on
	Value  Value  `json:"value"`
}

// Effective is the value of one property, and what it is made of.
type Effective struct {
	Property string `json:"property"`
	Value    Value  `json:"value"`
	From     []Part `json:"from"` // the plan first, then add-ons by name; what is on top of them last
}

// Merge joins what a plan and its add-ons promise (rule P19): numbers add, no limit wins, switches are on where one is, of choices the largest
// wins. plan may be nil. The answer has each property of [Table], in its order, and does not depend on the order of the add-ons.
func Merge(plan *Edition, addOns []Edition) []Effective {
	addOns = slices.Clone(addOns)
	slices.SortFunc(addOns, func(a, b Edition) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Offer, b.Offer)) })
	list := make([]Effective, 0, len(Table))
	for _, p := range Table {
		e := Effective{Property: p.Name, Value: p.Default, From: []Part{}}
		if plan != nil {
			e.join(p, OfPlan, plan)
		}
		for i := range addOns {
			if p.Of == "" {
				e.join(p, OfAddOn, &addOns[i])
			}
		}
		if len(e.From) == 0 {
			e.From = append(e.From, Part{Origin: OfDefault, Value: p.Default})
		}
		list = append(list, e)
	}
	return list
}

// join adds what an edition says of a property, if it does.
func (e *Effective) join(p Property, origin string, of *Edition) {
	v, says := of.Values[p.Name]
	if !says {
		return
	}
	if len(e.From) > 0 {
		v = p.merge(e.Value, v)
	}
	e.Value = v
	e.From = append(e.From, Part{Origin: origin, Name: of.Name, Value: of.Values[p.Name]})
}

// Promised is the values of [Merge] alone.
func Promised(plan *Edition, addOns []Edition) Values {
	v := Values{}
	for _, e := range Merge(plan, addOns) {
		v[e.Property] = e.Value
	}
	return v
}
