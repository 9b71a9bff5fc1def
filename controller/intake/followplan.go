package intake

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// BooksIn finds resellers as a snapshot shows them.
func BooksIn(snap *store.Snapshot) reselling.Books {
	return func(id string) (r reselling.Reseller, known bool) {
		if v, ok := store.Resellers.In(snap, id); ok && id != "" {
			r, known = *v, true
			r.Retail, _ = found(store.Retails.In(snap, id))
		}
		return r, known
	}
}

// bookkeeper finds them in a commit; the first error is kept.
type bookkeeper struct {
	tx  *store.Tx
	err error
}

func (b *bookkeeper) find(id string) (r reselling.Reseller, known bool) {
	if id == "" {
		return r, false
	}
	r, known, err := store.Resellers.Find(b.tx, id)
	if err == nil && known {
		r, err = withRetail(b.tx, r)
	}
	b.err = cmp.Or(b.err, err)
	return r, known
}

// withPlan is what becomes of a reseller r by his plan; before is he as he is stored, which the one above him has promised.
func withPlan(before, r reselling.Reseller, p *reselling.Plan, books reselling.Books) reselling.Reseller {
	up, below := books(r.Parent)
	return r.SignedUp(p.ID).Follow(p, func(resource string) reselling.Limit {
		if !below {
			return reselling.NoLimit
		}
		return up.Room(&before, resource)
	})
}

// follow brings a reseller, who was before, to what his plan says, and stores him and what the one above him has promised.
func follow(tx *store.Tx, before, r reselling.Reseller, p *reselling.Plan, now time.Time) (reselling.Reseller, error) {
	b := &bookkeeper{tx: tx}
	if r = withPlan(before, r, p, b.find).Told(now); b.err != nil {
		return r, b.err
	}
	return r, cmp.Or(promiseBelow(tx, &before, &r), store.Resellers.Put(tx, r.ID, r))
}

// promiseBelow keeps what the one above a reseller has promised to those below him.
func promiseBelow(tx *store.Tx, before, after *reselling.Reseller) error {
	if after.Parent == "" || reflect.DeepEqual(before.Limits, after.Limits) {
		return nil
	}
	up, known, err := store.Resellers.Find(tx, after.Parent)
	if err != nil || !known {
		return err
	}
	up.Below = up.Below.Change(before.Limits, after.Limits)
	return store.Resellers.Put(tx, up.ID, up)
}

// FollowPlan brings one reseller to what his plan says now, in one commit (rule P6). done tells that something became another. Repeated, it
// changes nothing: so a fan-out that stopped goes on by looking again. A plan that is gone leaves him as he is.
func FollowPlan(tx *store.Tx, resellerID string, now time.Time) (done bool, err error) {
	before, known, err := store.Resellers.Find(tx, resellerID)
	if err != nil || !known || before.Plan == "" {
		return false, err
	}
	p, known, err := store.ResellerPlans.Find(tx, before.Plan)
	if err != nil || !known {
		return false, err
	}
	b := &bookkeeper{tx: tx}
	if after := withPlan(before, before, &p, b.find).Told(now); b.err != nil || sameReseller(before, after) {
		return false, b.err
	}
	after, err := follow(tx, before, before, &p, now)
	return true, cmp.Or(err, Audit(tx, access.System, "reseller.follow", "resellers/"+resellerID, before, after, "", now))
}

func sameReseller(a, b reselling.Reseller) bool {
	if len(a.Limits)+len(b.Limits) == 0 {
		a.Limits, b.Limits = nil, nil
	}
	if len(a.OfPlan)+len(b.OfPlan) == 0 {
		a.OfPlan, b.OfPlan = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// Trailing reports whether FollowPlan would change a reseller, as a snapshot shows everything around him.
func Trailing(snap *store.Snapshot, r *reselling.Reseller, now time.Time) bool {
	p, known := store.ResellerPlans.In(snap, r.Plan)
	return known && r.Plan != "" && !sameReseller(*r, withPlan(*r, *r, p, BooksIn(snap)).Told(now))
}

// PreviewPlan tells what an edit would do to everybody who has the plan, and changes nothing. It runs what follows.
func (in *Intake) PreviewPlan(planID string, edit func(PlanDraft) (PlanDraft, error)) (r reselling.PlanReport, err error) {
	snap := in.store.Snapshot()
	before, known := found(store.ResellerPlans.In(snap, planID))
	if !known {
		return r, fault.NotFound("plan %.80s does not exist", planID)
	}
	d, err := edit(DraftOfPlan(before))
	if err != nil {
		return r, err
	}
	var c fault.Check
	d.Check(&c, snapshot{snap}, planID)
	if err := c.Err("the plan cannot be changed"); err != nil {
		return r, err
	}
	var list []reselling.Reseller
	for item := range store.Resellers.Lookup(snap, store.ResellersTo, planID) {
		r, _ := BooksIn(snap)(item.ID)
		list = append(list, r)
	}
	after := d.edited(before)
	return reselling.Preview(list, &after, BooksIn(snap)), nil
}

// byHand is what becomes of a reseller whom a person changes: what became another is his own, what was taken away is the plan's again.
func byHand(tx *store.Tx, before, after reselling.Reseller, now time.Time) (reselling.Reseller, error) {
	after = after.ByHand(&before)
	p, known, err := store.ResellerPlans.Find(tx, after.Plan)
	if err != nil || !known || after.Plan == "" {
		return after, err
	}
	b := &bookkeeper{tx: tx}
	after = withPlan(before, after, &p, b.find).Told(now)
	return after, b.err
}

// UnsetLimits lets limits of a reseller, and reselling.Overselling, be again what his plan says.
func (in *Intake) UnsetLimits(ctx context.Context, actor access.Actor, resellerID string, names []string, reason string) (r reselling.Reseller, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Resellers.Get(tx, resellerID)
		if err != nil {
			return err
		}
		if err := above(actor, before); err != nil {
			return err
		}
		p, known, err := store.ResellerPlans.Find(tx, before.Plan)
		switch {
		case err != nil:
			return err
		case !known || before.Plan == "":
			return fault.Refused("reseller %s has no plan that could say what he may have; set it by hand: steelyard reseller edit --limits", before.Name)
		}
		if err := unsettable(names, &p); err != nil {
			return err
		}
		if r, err = follow(tx, before, before.Unset(names), &p, now); err != nil {
			return err
		}
		return audit(tx, actor, "reseller.unset", "resellers/"+resellerID, before, r, reason, now)
	})
	return r, rev, err
}

// unsettable refuses what a plan says nothing of.
func unsettable(names []string, p *reselling.Plan) error {
	var c fault.Check
	says := []string{reselling.Overselling}
	for _, name := range reselling.Resources {
		if _, said := p.Limits[name]; said {
			says = append(says, name)
		}
	}
	c.Require(len(names) > 0, "limits", "is empty; name one or several of %s", strings.Join(says, ", "))
	for _, name := range names {
		c.Require(slices.Contains(says, name), "limits", "has %.40q, of which plan %s says nothing; it says something of %s", name, p.Name, strings.Join(says, ", "))
	}
	return c.Err("the limits stay as they are")
}

// ResellerStanding is a reseller's limits seen from all sides.
type ResellerStanding struct {
	Reseller string                    `json:"reseller"`
	Name     string                    `json:"name"`
	Plan     string                    `json:"plan,omitempty"`
	Oversell bool                      `json:"oversell"`
	Own      []string                  `json:"own,omitempty" doc:"What was set by hand, and is kept from edits of the plan."`
	Limits   []reselling.LimitStanding `json:"limits"`
	Short    []reselling.Shortage      `json:"short,omitempty" doc:"What the plan says and cannot be given now."`
	Reached  reselling.SyncResult      `json:"reached,omitzero" doc:"How the last edition of the plan reached him."`
}

// StandingOfReseller looks at a reseller as he is now; it changes nothing.
func (in *Intake) StandingOfReseller(resellerID string) (st ResellerStanding, err error) {
	r, known := BooksIn(in.store.Snapshot())(resellerID)
	if !known {
		return st, fault.NotFound("reseller %.80s does not exist", resellerID)
	}
	return ResellerStanding{
		Reseller: r.ID, Name: r.Name, Plan: r.Plan, Oversell: r.Oversell, Own: r.Own(), Limits: r.Standing(), Short: r.Short, Reached: r.Reached,
	}, nil
}
