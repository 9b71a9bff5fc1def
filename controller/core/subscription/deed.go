package subscription

import (
	"maps"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Set gives properties values of the subscription's own. by is plan.OfOwn, which locks it (rule P8); plan.OfPin, which keeps only these
// properties from sync (P8a); or plan.OfChosen, the subscriber's own choice, which the plan must allow (P11). The fault is invalid, with all
// values that are none, or that the node cannot provide.
func (s Subscription) Set(values plan.Values, by string, p *plan.Provision) (Subscription, error) {
	var c fault.Check
	values.Check(&c, "values")
	c.Require(len(values) > 0, "values", "is empty; say which property becomes what")
	for name, v := range values {
		if prop, known := plan.Find(name); known && v.Kind == prop.Kind {
			got := p.Available(name, v)
			c.Require(got == v, "values."+name, "is %s; the node provides %s", v, got)
		}
		c.Require(by != plan.OfChosen || s.MayChange(name), "values."+name, "is not among what the plan lets the subscriber change")
	}
	if err := c.Err("subscription %s stays as it is", s.Title()); err != nil {
		return s, err
	}
	s = s.with()
	for name, v := range values {
		s.Own[name] = Own{v, by}
		delete(s.Accepted, name)
	}
	s.Locked = s.Locked || by == plan.OfOwn && s.Plan != nil // custom has nothing to follow
	return s.settled(p), nil
}

// Unset lets properties be again what the offers say. Those of a custom subscription have no offer: they stay. An own value that was the
// last one lifts the lock.
func (s Subscription) Unset(properties []string, p *plan.Provision) Subscription {
	if s.Plan == nil {
		return s
	}
	s = s.with()
	for _, name := range properties {
		delete(s.Own, name)
	}
	s.Locked = s.Locked && s.ownLeft()
	return s.settled(p)
}

func (s *Subscription) ownLeft() bool {
	for _, o := range s.Own {
		if o.By == plan.OfOwn {
			return true
		}
	}
	return false
}

// Unlock gives up the values that locked it; pins and what the subscriber chose stay. A sync brings it to the present editions.
func (s Subscription) Unlock(p *plan.Provision) Subscription {
	if !s.Locked {
		return s
	}
	s = s.with()
	maps.DeleteFunc(s.Own, func(_ string, o Own) bool { return o.By == plan.OfOwn })
	s.Locked = false
	return s.settled(p)
}

// Switch gives it another plan (rule P5): the values that locked it, and what the subscriber chose, end; pins and add-ons stay.
func (s Subscription) Switch(o plan.Offer, p *plan.Provision) (Subscription, error) {
	if err := sold(&o, plan.Service); err != nil && !(s.Plan != nil && s.Plan.Offer == o.ID) {
		return s, err
	}
	s = s.with()
	e := o.Edition()
	s.Plan, s.Locked = &e, false
	maps.DeleteFunc(s.Own, func(_ string, o Own) bool { return o.By != plan.OfPin })
	s.reconsider(p)
	return s.settled(p), nil
}

// Add adds an add-on (rules P2, P5); one that it has already is brought to its present edition. The fault is refused for a custom
// subscription (P4).
func (s Subscription) Add(o plan.Offer, p *plan.Provision) (Subscription, error) {
	at := s.addOn(o.ID)
	switch err := sold(&o, plan.AddOn); {
	case s.Plan == nil:
		return s, fault.Refused("subscription %s has no plan, and so no add-ons; give it a plan first", s.Title())
	case at < 0 && err != nil:
		return s, err
	case at < 0 && len(s.AddOns) >= plan.MaxAddOns:
		return s, fault.Refused("subscription %s has %d add-ons; no more are possible", s.Title(), len(s.AddOns))
	}
	s = s.with()
	if at >= 0 {
		s.AddOns[at] = o.Edition()
	} else {
		s.AddOns = append(s.AddOns, o.Edition())
	}
	s.reconsider(p)
	return s.settled(p), nil
}

// Remove takes an add-on away; one that it has not is no error. What is there and more than the new limits stays there (rule P19).
func (s Subscription) Remove(offer string, p *plan.Provision) Subscription {
	at := s.addOn(offer)
	if at < 0 {
		return s
	}
	s = s.with()
	s.AddOns = append(s.AddOns[:at], s.AddOns[at+1:]...)
	s.keepAllowed()
	s.reconsider(p)
	return s.settled(p)
}

// keepAllowed lets go of what the subscriber may change no longer.
func (s *Subscription) keepAllowed() {
	maps.DeleteFunc(s.Own, func(name string, o Own) bool { return o.By == plan.OfChosen && !s.MayChange(name) })
}

// Detach makes it custom (rules P4, P5): what holds now becomes its own, and follows nobody.
func (s Subscription) Detach(p *plan.Provision) Subscription {
	if s.Plan == nil {
		return s
	}
	s = s.with()
	for name, v := range s.Values {
		s.Own[name] = Own{v, plan.OfOwn}
	}
	s.Plan, s.AddOns, s.Locked, s.Accepted = nil, nil, false, nil
	return s.settled(p)
}

// Replace gives it another offer in the place of one that is to go (rule C8): who has both keeps one, a plan or an add-on alike. What it has of its
// own stays, and so does a lock.
func (s Subscription) Replace(gone string, by plan.Offer, p *plan.Provision) Subscription {
	if s.Version(gone) == 0 {
		return s
	}
	s = s.with()
	e := by.Edition()
	if s.Plan != nil && s.Plan.Offer == gone {
		s.Plan = &e
	}
	if at := s.addOn(gone); at >= 0 && s.addOn(by.ID) >= 0 {
		s.AddOns = append(s.AddOns[:at], s.AddOns[at+1:]...)
	} else if at >= 0 {
		s.AddOns[at] = e
	}
	s.keepAllowed()
	s.reconsider(p)
	return s.settled(p)
}

// sold refuses an offer that is not of a kind, or that nobody new gets.
func sold(o *plan.Offer, kind string) error {
	switch {
	case o.Kind != kind && kind == plan.Service:
		return fault.Refused("offer %s is an add-on; choose a service plan", o.Name)
	case o.Kind != kind:
		return fault.Refused("offer %s is a service plan; choose an add-on", o.Name)
	case o.Retired:
		return fault.Refused("offer %s is retired; nobody new gets it", o.Name)
	}
	return nil
}

// New makes a subscription to an offer with add-ons on a node; no offer makes a custom one, whose values are given. values are set as pins (C10),
// for a custom one as its own.
func New(s Subscription, o *plan.Offer, addOns []plan.Offer, values plan.Values, p *plan.Provision) (Subscription, error) {
	if o == nil {
		if len(addOns) > 0 {
			return s, fault.Refused("a subscription without a plan has no add-ons (P4)")
		}
		all := values.Complete()
		maps.Copy(all, values) // what there is not is told
		return s.Set(all, plan.OfOwn, p)
	}
	s, err := s.Switch(*o, p)
	for i := 0; i < len(addOns) && err == nil; i++ {
		s, err = s.Add(addOns[i], p)
	}
	if err == nil && len(values) > 0 {
		s, err = s.Set(values, plan.OfPin, p)
	}
	return s, err
}
