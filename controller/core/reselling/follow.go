package reselling

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Overselling names the switch among what a plan says.
const Overselling = "oversell"

// Results of a sync.
const (
	Never    = ""         // none was made yet
	Synced   = "synced"   // all that is promised is there
	Unsynced = "unsynced" // something cannot be provided
	Skipped  = "locked"   // it is left alone
	Failed   = "failed"   // the message says why; it is tried again
)

// SyncResult tells how an edition of a plan reached somebody who has it (rule P6).
type SyncResult struct {
	Outcome string    `json:"outcome,omitempty" enum:",synced,unsynced,locked,failed"`
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Shortage is what the plan says of a limit, and what who is above the reseller has of it.
type Shortage struct {
	Resource  string `json:"resource"`
	Promised  Limit  `json:"promised"`
	Available Limit  `json:"available"`
}

// Follows reports whether a limit, or [Overselling], is as the plan says; what does not was set by hand, and no edit of the plan changes it.
func (r *Reseller) Follows(name string) bool { return slices.Contains(r.OfPlan, name) }

// Own are the limits, and [Overselling], that were set by hand for a reseller who has a plan, sorted.
func (r *Reseller) Own() (list []string) {
	if r.Plan == "" {
		return nil
	}
	for name := range r.Limits {
		if !r.Follows(name) {
			list = append(list, name)
		}
	}
	if !r.Follows(Overselling) {
		list = append(list, Overselling)
	}
	slices.Sort(list)
	return list
}

// SignedUp is r with a plan. What was named for him before stays his own.
func (r Reseller) SignedUp(plan string) Reseller {
	if r.Plan == "" && !r.Oversell {
		r.OfPlan = with(r.OfPlan, Overselling)
	}
	if r.Plan != plan {
		r.Plan, r.Version = plan, 0
	}
	return r
}

// ByHand is r, which was before until a person changed it: what became another is his own from now on, and a limit that was taken away is
// the plan's again.
func (r Reseller) ByHand(before *Reseller) Reseller {
	for _, name := range Resources {
		was, had := before.Limits[name]
		is, has := r.Limits[name]
		if has && (!had || is != was) {
			r.OfPlan = without(r.OfPlan, name)
		}
	}
	if r.Oversell != before.Oversell {
		r.OfPlan = without(r.OfPlan, Overselling)
	}
	return r
}

// Unset lets limits, and [Overselling], be again what the plan says.
func (r Reseller) Unset(names []string) Reseller {
	r.Limits = maps.Clone(r.Limits)
	for _, name := range names {
		if name == Overselling {
			r.OfPlan = with(r.OfPlan, name)
		} else if !r.Follows(name) {
			delete(r.Limits, name)
		}
	}
	return r
}

// Follow brings r to what his plan says now (rule P6). What was set by hand stays. room tells how much of a resource who is above him can give at
// most: he gets no more than that, and what he has already is not taken for want of room. Repeated, it changes nothing.
func (r Reseller) Follow(p *Plan, room func(resource string) Limit) Reseller {
	had := r.Limits
	r.Version, r.Short, r.Limits = p.Version, nil, maps.Clone(r.Limits)
	if r.Limits == nil {
		r.Limits = Limits{}
	}
	for _, name := range Resources {
		wanted, says := p.Limits[name]
		_, named := r.Limits[name]
		switch {
		case !says && r.Follows(name):
			r.OfPlan = without(r.OfPlan, name)
			delete(r.Limits, name)
		case !says || named && !r.Follows(name):
		default:
			r.OfPlan = with(r.OfPlan, name)
			r.Limits[name] = wanted
			if got := available(wanted, had[name], room(name)); got != wanted {
				r.Limits[name] = got
				r.Short = append(r.Short, Shortage{name, wanted, got})
			}
		}
	}
	if r.Follows(Overselling) {
		r.Oversell = p.Oversell
	}
	return r
}

// available is the part of a wanted limit that there is room for; who has more already keeps it.
func available(wanted, has, room Limit) Limit {
	switch {
	case wanted.Within(has) || wanted.Within(room):
		return wanted
	case has.Within(room):
		return room
	}
	return has
}

// Told is r with how the edition that he follows reached him.
func (r Reseller) Told(now time.Time) Reseller {
	outcome, message := Synced, ""
	if own := r.Own(); len(own) > 0 {
		message = "set by hand and kept: " + strings.Join(own, ", ")
	}
	if len(r.Short) > 0 {
		var words []string
		for _, s := range r.Short {
			words = append(words, fmt.Sprintf("%s: %s is promised, %s is available", s.Resource, s.Promised, s.Available))
		}
		outcome, message = Unsynced, strings.Join(words, "; ")
	}
	if outcome != r.Reached.Outcome || message != r.Reached.Message {
		r.Reached = SyncResult{outcome, message, now}
	}
	return r
}

func with(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	list = append(slices.Clone(list), name)
	slices.Sort(list)
	return list
}

func without(list []string, name string) []string { return drop(list, name) }
