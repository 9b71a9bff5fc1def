package subscription

import (
	"iter"
	"slices"

	"github.com/steelyard/steelyard/controller/core/plan"
)

// Change is one value that becomes another.
type Change struct {
	Property string     `json:"property"`
	Before   plan.Value `json:"before"`
	After    plan.Value `json:"after"`
}

// Effect is what an edit of an offer does to one subscription.
type Effect struct {
	Subscription string           `json:"subscription"`
	Title        string           `json:"title"`
	Locked       bool             `json:"locked,omitempty"`     // left alone
	Changes      []Change         `json:"changes,omitempty"`    // in the order of the table of properties
	OverLimit    []Over           `json:"over_limit,omitempty"` // after the edit, and not before
	Unsynced     []plan.Deviation `json:"unsynced,omitempty"`   // all promises that cannot be kept after it
	Newly        bool             `json:"newly,omitempty"`      // it was synced before
	Again        bool             `json:"again,omitempty"`      // it was unsynced before, and is synced after it
	Waits        bool             `json:"waits,omitempty"`      // it stays as it is until its reseller may promise that much
}

// None reports whether the edit does nothing to it.
func (e *Effect) None() bool {
	return len(e.Changes) == 0 && len(e.OverLimit) == 0 && !e.Newly && !e.Again && !e.Waits
}

// Report tells what an edit of an offer would do (rules P12, C8).
type Report struct {
	Subscriptions int      `json:"subscriptions"` // that have the offer
	Changed       int      `json:"changed"`       // some value of them becomes another
	Locked        int      `json:"locked"`        // left alone
	OverLimit     int      `json:"over_limit"`    // would be over a limit that they are within now
	Unsynced      int      `json:"unsynced"`      // would become unsynced
	Waiting       int      `json:"waiting"`       // would stay as they are until their reseller may promise that much
	Effects       []Effect `json:"effects"`       // the first ones that are not none
}

// MaxEffects is how many effects a report tells one by one.
const MaxEffects = 200

// Around is what a subscription meets.
type Around struct {
	Provision *plan.Provision // of its node
	Use       Use
}

// Preview tells what becomes of subscriptions when their offers are as find says. It runs the very sync that follows. room tells whether the reseller may promise
// what one becomes, and counts it then; nil is room for all. Where there is not enough for all, who of them gets it is decided when it happens.
func Preview(list iter.Seq[Subscription], find func(id string) (plan.Offer, bool), around func(*Subscription) Around, room func(before, after *Subscription) bool) Report {
	r := Report{Effects: []Effect{}}
	for s := range list {
		a := around(&s)
		after, waits := s.Sync(find, a.Provision), false
		if room != nil && !room(&s, &after) {
			after, waits = s, true
		}
		e := Compare(&s, after, a.Use)
		e.Waits = waits
		r.add(e)
	}
	return r
}

func (r *Report) add(e Effect) {
	r.Subscriptions++
	r.Changed += one(len(e.Changes) > 0)
	r.Locked += one(e.Locked)
	r.OverLimit += one(len(e.OverLimit) > 0)
	r.Unsynced += one(e.Newly)
	r.Waiting += one(e.Waits)
	if !e.None() && len(r.Effects) < MaxEffects {
		r.Effects = append(r.Effects, e)
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Compare tells what leads from a subscription to another state of it.
func Compare(before *Subscription, after Subscription, use Use) Effect {
	e := Effect{Subscription: before.ID, Title: before.Title(), Locked: before.Locked, Unsynced: after.Unsynced}
	for _, p := range plan.Table {
		if b, a := before.Values.Of(p.Name), after.Values.Of(p.Name); b != a {
			e.Changes = append(e.Changes, Change{p.Name, b, a})
		}
	}
	was := before.OverLimit(use)
	for _, o := range after.OverLimit(use) {
		if !slices.ContainsFunc(was, func(w Over) bool { return w.Property == o.Property }) {
			e.OverLimit = append(e.OverLimit, o)
		}
	}
	e.Newly, e.Again = len(before.Unsynced) == 0 && len(after.Unsynced) > 0, len(before.Unsynced) > 0 && len(after.Unsynced) == 0
	return e
}
