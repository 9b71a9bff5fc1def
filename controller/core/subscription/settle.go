package subscription

import (
	"maps"
	"slices"

	"github.com/steelyard/steelyard/controller/core/plan"
)

// wanted is what each property should be, whatever the node can do.
func (s *Subscription) wanted() plan.Values {
	v := plan.Promised(s.Plan, s.AddOns)
	for name, own := range s.Own {
		v[name] = own.Value
	}
	return v
}

// settled is s with the values that hold when its node provides p, and with the promises that it cannot keep. What was accepted holds for
// as long as the promise is the same and the node can provide that much.
func (s Subscription) settled(p *plan.Provision) Subscription {
	wanted := s.wanted()
	s.Values, s.Unsynced = wanted, nil
	for _, d := range p.Deviations(wanted) {
		s.Values[d.Property] = d.Available
		if _, taken := s.accepted(d); !taken {
			s.Unsynced = append(s.Unsynced, d)
		}
	}
	for name, a := range s.Accepted {
		if prop, known := plan.Find(name); known && a.Promised == wanted[name] && prop.Within(a.Available, s.Values[name]) {
			s.Values[name] = a.Available
		}
	}
	return s
}

// accepted is what was taken instead of a promise, if it was this one and is not more than there is now.
func (s *Subscription) accepted(d plan.Deviation) (plan.Deviation, bool) {
	a, ok := s.Accepted[d.Property]
	prop, known := plan.Find(d.Property)
	return a, ok && known && a.Promised == d.Promised && prop.Within(a.Available, d.Available)
}

// Effective are the values that hold, each with what it is made of.
func (s *Subscription) Effective() []plan.Effective {
	list := plan.Merge(s.Plan, s.AddOns)
	for i := range list {
		e := &list[i]
		if own, has := s.Own[e.Property]; has {
			e.Value, e.From = own.Value, append(e.From, plan.Part{Origin: own.By, Value: own.Value})
		}
		if now := s.Values.Of(e.Property); now != e.Value {
			origin := plan.OfNode
			if a, has := s.Accepted[e.Property]; has && a.Promised == e.Value && a.Available == now {
				origin = plan.OfAccepted
			}
			e.Value, e.From = now, append(e.From, plan.Part{Origin: origin, Value: now})
		}
	}
	return list
}

// Checked is s when its node provides p: after it was made or moved, or when the node's capabilities changed (rule P13). What was accepted
// stays; after the node was extended, a sync brings what was promised (P17).
func (s Subscription) Checked(p *plan.Provision) Subscription { return s.settled(p) }

// with is a copy of s whose maps and slices may be changed.
func (s Subscription) with() Subscription {
	s.AddOns, s.Own, s.Accepted = slices.Clone(s.AddOns), maps.Clone(s.Own), maps.Clone(s.Accepted)
	s.Suspended = slices.Clone(s.Suspended)
	if s.Own == nil {
		s.Own = map[string]Own{}
	}
	if s.Accepted == nil {
		s.Accepted = map[string]plan.Deviation{}
	}
	return s
}
