package subscription

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
)

// Sync brings a subscription to the editions that its offers have now (rules P6, P16). find gives the offer of an id; one that is gone stays as
// it was. A locked one is left alone (P8), and so are properties that the subscriber may change (P11). What was accepted ends where the promise
// can be kept now, or is another one (P17).
func (s Subscription) Sync(find func(id string) (plan.Offer, bool), p *plan.Provision) Subscription {
	if s.Locked {
		return s
	}
	before := s.wanted()
	s = s.with()
	if s.Plan != nil {
		if o, ok := find(s.Plan.Offer); ok {
			e := o.Edition()
			s.Plan = &e
		}
	}
	for i := range s.AddOns {
		if o, ok := find(s.AddOns[i].Offer); ok {
			s.AddOns[i] = o.Edition()
		}
	}
	s.keepChosen(before)
	s.reconsider(p)
	return s.settled(p)
}

// changeable are the properties that the subscriber may change (rule P11).
func (s *Subscription) changeable() (list []string) {
	if s.Plan != nil {
		list = slices.Clone(s.Plan.Changeable)
	}
	for _, a := range s.AddOns {
		list = append(list, a.Changeable...)
	}
	return list
}

// MayChange reports whether the subscriber may change a property.
func (s *Subscription) MayChange(property string) bool {
	return slices.Contains(s.changeable(), property)
}

// keepChosen keeps what the subscriber may change as it was, and lets go of what he may change no longer.
func (s *Subscription) keepChosen(before plan.Values) {
	may := s.changeable()
	maps.DeleteFunc(s.Own, func(name string, o Own) bool { return o.By == plan.OfChosen && !slices.Contains(may, name) })
	promised := plan.Promised(s.Plan, s.AddOns)
	for _, name := range may {
		if _, has := s.Own[name]; !has && promised[name] != before[name] {
			s.Own[name] = Own{before[name], plan.OfChosen}
		}
	}
}

// reconsider ends what was accepted where it is not needed any more, and raises it to what is available.
func (s *Subscription) reconsider(p *plan.Provision) {
	short := map[string]plan.Deviation{}
	for _, d := range p.Deviations(s.wanted()) {
		short[d.Property] = d
	}
	for name := range s.Accepted {
		d, still := short[name]
		if _, same := s.accepted(d); still && same {
			s.Accepted[name] = d
		} else {
			delete(s.Accepted, name)
		}
	}
}

// Conflicts are what a sync would find now: each promise that cannot be kept, with the value that is available instead (rule P14).
func (s Subscription) Conflicts(find func(id string) (plan.Offer, bool), p *plan.Provision) []plan.Deviation {
	return s.Sync(find, p).Unsynced
}

// Take accepts for each promise that cannot be kept what is available (rule P15). It locks nothing, and a sync keeps it.
func (s Subscription) Take(p *plan.Provision) Subscription {
	s = s.with()
	for _, d := range s.settled(p).Unsynced {
		s.Accepted[d.Property] = d
	}
	return s.settled(p)
}

// Told is s with how the sync that led to it from before ended.
func (s Subscription) Told(before *Subscription, now time.Time) Subscription {
	r := Result{Outcome: Synced, At: now}
	switch {
	case before.Locked:
		r = Result{Outcome: Skipped, Message: "it has values of its own (P8)", At: now}
	case len(s.Unsynced) > 0:
		r.Outcome, r.Message = Unsynced, Short(s.Unsynced)
	}
	if r.Outcome == s.Result.Outcome && r.Message == s.Result.Message && reflect.DeepEqual(s.Values, before.Values) {
		return s // nothing new is to be told
	}
	s.Result = r
	return s
}

// Waits is s with a sync that was not made, because its reseller may not promise that much (rule X12). It is made as soon as he may.
func (s Subscription) Waits(now time.Time) Subscription {
	r := Result{Outcome: Failed, Message: "the reseller may not promise that much: new values of its offers wait until he may", At: now}
	if s.Result.Outcome != r.Outcome || s.Result.Message != r.Message {
		s.Result = r
	}
	return s
}

// Short tells in words what cannot be provided.
func Short(list []plan.Deviation) string {
	var words []string
	for _, d := range list {
		words = append(words, fmt.Sprintf("%s: %s is promised, %s is available", d.Property, d.Promised, d.Available))
	}
	return strings.Join(words, "; ")
}
