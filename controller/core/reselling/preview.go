package reselling

import (
	"cmp"
	"slices"
	"strings"
)

// LimitChange is one limit that becomes another.
type LimitChange struct {
	Resource string `json:"resource"`
	Before   Limit  `json:"before"`
	After    Limit  `json:"after"`
}

// PlanEffect is what an edit of a plan does to one reseller.
type PlanEffect struct {
	Reseller  string        `json:"reseller"`
	Name      string        `json:"name"`
	Own       []string      `json:"own,omitempty"`        // set by hand, and left alone
	Changes   []LimitChange `json:"changes,omitempty"`    // in the order of the resources
	Oversell  *bool         `json:"oversell,omitempty"`   // what becomes of the switch, if it changes
	OverLimit []OverLimit   `json:"over_limit,omitempty"` // after the edit, and not before
	Short     []Shortage    `json:"short,omitempty"`      // what who is above him has not, after the edit
}

// None reports whether the edit does nothing to him.
func (e *PlanEffect) None() bool {
	return len(e.Changes) == 0 && e.Oversell == nil && len(e.OverLimit) == 0 && len(e.Short) == 0
}

// PlanReport tells what an edit of a plan would do (rules P6, P12).
type PlanReport struct {
	Resellers int          `json:"resellers"`  // that have the plan
	Changed   int          `json:"changed"`    // some limit of them becomes another
	Own       int          `json:"own"`        // something was set by hand for them, and stays
	OverLimit int          `json:"over_limit"` // would be over a limit that they are within now
	Unsynced  int          `json:"unsynced"`   // do not get all of it, because who is above them has no more
	Effects   []PlanEffect `json:"effects"`    // the first ones that are not none
}

// MaxEffects is how many effects a report tells one by one.
const MaxEffects = 200

// Books finds a reseller.
type Books func(id string) (Reseller, bool)

// Preview tells what becomes of resellers when their plan is p, by the very functions that follow it. Who stands above comes first; where
// one above has not enough for all below him, who of them gets it is decided when it happens.
func Preview(list []Reseller, p *Plan, books Books) PlanReport {
	after := map[string]Reseller{}
	get := func(id string) (Reseller, bool) {
		r, known := books(id)
		if new, changed := after[id]; changed {
			r = new
		}
		return r, known
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Reseller) int {
		return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), strings.Compare(a.ID, b.ID))
	})
	for _, one := range list {
		now, _ := get(one.ID)
		up, below := get(now.Parent)
		next := now.Follow(p, func(resource string) Limit {
			if !below {
				return NoLimit
			}
			return up.Room(&now, resource)
		})
		after[one.ID] = next
		if below {
			up.Below = up.Below.Change(now.Limits, next.Limits)
			after[up.ID] = up
		}
	}
	report := PlanReport{Effects: []PlanEffect{}}
	for _, one := range list {
		next, _ := get(one.ID)
		report.add(Compare(&one, &next))
	}
	return report
}

func (r *PlanReport) add(e PlanEffect) {
	r.Resellers++
	r.Changed += count(len(e.Changes) > 0 || e.Oversell != nil)
	r.Own += count(len(e.Own) > 0)
	r.OverLimit += count(len(e.OverLimit) > 0)
	r.Unsynced += count(len(e.Short) > 0)
	if !e.None() && len(r.Effects) < MaxEffects {
		r.Effects = append(r.Effects, e)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Compare tells what leads from a reseller to another state of him.
func Compare(before, after *Reseller) PlanEffect {
	e := PlanEffect{Reseller: before.ID, Name: before.Name, Own: after.Own(), Short: after.Short}
	for _, name := range Resources {
		b, a := before.Limits.Of(name), after.Limits.Of(name)
		if b != a {
			e.Changes = append(e.Changes, LimitChange{name, b, a})
		}
	}
	if before.Oversell != after.Oversell {
		e.Oversell = &after.Oversell
	}
	was := before.OverLimits()
	for _, o := range after.OverLimits() {
		if !slices.ContainsFunc(was, func(w OverLimit) bool { return w.Resource == o.Resource }) {
			e.OverLimit = append(e.OverLimit, o)
		}
	}
	return e
}
