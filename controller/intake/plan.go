package intake

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// PlanDraft is what a person says of a reseller plan.
type PlanDraft struct {
	Name            string           `json:"name" doc:"Shown to people; unique without regard to case."`
	AllocatedServer bool             `json:"allocated_server,omitempty" doc:"Who signs up gets a whole server (H10)."`
	Limits          reselling.Limits `json:"limits,omitempty" doc:"What who signs up may have, by resource: a whole number, or \"no limit\". Of one that is missing the plan says nothing. What was named for a reseller by hand stays his own."`
	Oversell        bool             `json:"oversell,omitempty" doc:"Who signs up may promise more than his limits; they hold for what there is then."`
}

// DraftOfPlan is the draft that would make p.
func DraftOfPlan(p reselling.Plan) PlanDraft {
	return PlanDraft{Name: p.Name, AllocatedServer: p.AllocatedServer, Limits: p.Limits, Oversell: p.Oversell}
}

func (d PlanDraft) onto(p reselling.Plan) reselling.Plan {
	p.Name, p.AllocatedServer, p.Limits, p.Oversell = d.Name, d.AllocatedServer, d.Limits, d.Oversell
	return p
}

// edited is p as the draft wants it; its version grows when resellers get something else.
func (d PlanDraft) edited(p reselling.Plan) reselling.Plan {
	after := d.onto(p)
	if !after.Gives(&p) {
		after.Version++
	}
	return after
}

// Check records all fields that are wrong; self is the plan that is edited.
func (d PlanDraft) Check(c *fault.Check, look Lookup, self string) {
	p := d.onto(reselling.Plan{})
	p.Check(c)
	checkTaken(c, look, "reseller-plans", "name", d.Name, self)
}

// CreatePlan adds a reseller plan.
func (in *Intake) CreatePlan(ctx context.Context, actor access.Actor, d PlanDraft) (p reselling.Plan, rev int64, err error) {
	now, fresh := in.now(), id.New("rpl")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the plan cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		p = d.onto(reselling.Plan{ID: fresh, Version: 1, CreatedAt: now})
		return cmp.Or(store.ResellerPlans.Create(tx, p.ID, p), rename(tx, "reseller-plans", "", p.Name, p.ID),
			audit(tx, actor, "plan.create", "reseller-plans/"+p.ID, nil, p, "", now), remember(tx, "reseller-plans", p.ID, p, now))
	})
	return p, rev, err
}

// EditPlan changes a plan that is still at revision rev. It goes on handing out servers while it has some. When it gives something else then, its
// version grows, and it reaches everybody who has it (rule P6).
func (in *Intake) EditPlan(ctx context.Context, actor access.Actor, planID string, rev int64, edit func(PlanDraft) (PlanDraft, error)) (p reselling.Plan, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.ResellerPlans.Get(tx, planID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.ResellerPlans, planID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfPlan(before))
		if err != nil {
			return err
		}
		has, _, err := store.Allotments.Find(tx, planID)
		if err != nil {
			return err
		}
		if err := checked(tx, "the plan cannot be changed", func(c *fault.Check, look Lookup) {
			d.Check(c, look, planID)
			c.Require(d.AllocatedServer || len(has.Available) == 0, "allocated_server", "cannot be taken away: %d servers are assigned to the plan; unassign them first", len(has.Available))
		}); err != nil {
			return err
		}
		p = d.edited(before)
		return cmp.Or(store.ResellerPlans.Put(tx, planID, p), rename(tx, "reseller-plans", before.Name, p.Name, planID),
			audit(tx, actor, "plan.edit", "reseller-plans/"+planID, before, p, "", now))
	})
	return p, at, err
}

// DeletePlan removes a plan that has no server, assigned or taken (rule H17), and that nobody waits for.
func (in *Intake) DeletePlan(ctx context.Context, actor access.Actor, planID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		p, err := store.ResellerPlans.Get(tx, planID)
		if err != nil {
			return err
		}
		if err := cmp.Or(unchanged(in, store.ResellerPlans, planID, rev, p), unallotted(tx, p), unwanted(tx, p)); err != nil {
			return err
		}
		return cmp.Or(store.ResellerPlans.Delete(tx, planID), store.Allotments.Delete(tx, planID), rename(tx, "reseller-plans", p.Name, "", planID),
			audit(tx, actor, "plan.delete", "reseller-plans/"+planID, p, nil, "", now))
	})
}

// unallotted refuses a plan with servers, naming them (rule H17).
func unallotted(tx *store.Tx, p reselling.Plan) error {
	has, _, err := store.Allotments.Find(tx, p.ID)
	if err != nil || len(has.Available)+len(has.Taken) == 0 {
		return err
	}
	var words []string
	if len(has.Available) > 0 {
		words = append(words, "assigned to it: "+order.Some(serverNames(tx, has.Available))+" (steelyard reseller-plan unassign)")
	}
	if len(has.Taken) > 0 {
		words = append(words, "taken by resellers: "+order.Some(serverNames(tx, has.Taken)))
	}
	return fault.Refused("plan %s has servers; %s", p.Name, strings.Join(words, "; "))
}

// unwanted refuses a plan that somebody waits for. One who comes at this very moment is told by reconcile that the plan is gone.
func unwanted(tx *store.Tx, p reselling.Plan) error {
	var waiting []string
	for i := range store.SignUps.Items(tx.Hint()) {
		if i.Value.Plan == p.ID && i.Value.Waits() {
			waiting = append(waiting, "sign-up "+i.ID)
		}
	}
	if len(waiting) > 0 {
		return fault.Refused("plan %s is waited for by %s; refuse or cancel them first", p.Name, order.Some(waiting))
	}
	return nil
}

// serverNames are those of a snapshot: the first few, as many as a sentence takes.
func serverNames(tx *store.Tx, ids []string) (list []string) {
	for _, server := range ids[:min(len(ids), 20)] {
		if s, ok := store.Servers.In(tx.Hint(), server); ok {
			list = append(list, s.Name+" ("+server+")")
		} else {
			list = append(list, server)
		}
	}
	return append(list, ids[len(list):]...)
}

// Assigned is what became of one server of a request.
type Assigned struct {
	Server  string `json:"server"`
	Name    string `json:"name,omitempty"`
	Outcome string `json:"outcome" enum:"assigned,already assigned,unassigned,refused,unknown"`
	Message string `json:"message,omitempty"`
}

// Outcomes of [Assigned].
const (
	outcomeAssigned   = "assigned"
	outcomeAlready    = "already assigned"
	outcomeUnassigned = "unassigned"
	outcomeRefused    = "refused"
	outcomeUnknown    = "unknown" // the state did not answer; ask again
)

// Assignment is the answer to a request for several servers.
type Assignment struct {
	Plan    string     `json:"plan"`
	Servers []Assigned `json:"servers"`
}

// AssignAll assigns servers to a plan (rule H9), each in a commit of its own: that one cannot be assigned keeps no other from it.
func (in *Intake) AssignAll(ctx context.Context, actor access.Actor, planID string, servers []string) (Assignment, int64, error) {
	return in.each(ctx, planID, servers, func(server string) (fleet.Server, string, int64, error) { return in.assign(ctx, actor, planID, server) })
}

// UnassignAll takes servers out of a plan that nobody got yet (rule H15).
func (in *Intake) UnassignAll(ctx context.Context, actor access.Actor, planID string, servers []string, reason string) (Assignment, int64, error) {
	return in.each(ctx, planID, servers, func(server string) (fleet.Server, string, int64, error) {
		return in.unassign(ctx, actor, planID, server, reason)
	})
}

func (in *Intake) each(ctx context.Context, planID string, servers []string, do func(string) (fleet.Server, string, int64, error)) (a Assignment, rev int64, err error) {
	a.Plan = planID
	for _, server := range servers {
		s, outcome, at, err := do(server)
		one := Assigned{Server: server, Name: s.Name, Outcome: outcome}
		if err != nil {
			one.Outcome, one.Message = outcomeRefused, err.Error()
			if fault.Is(err, fault.KindUnavailable) || fault.Is(err, fault.KindInternal) {
				one.Outcome = outcomeUnknown
			}
		}
		a.Servers = append(a.Servers, one)
		rev = max(rev, at)
	}
	return a, rev, ctx.Err()
}

func (in *Intake) assign(ctx context.Context, actor access.Actor, planID, serverID string) (s fleet.Server, outcome string, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		p, err := store.ResellerPlans.Get(tx, planID)
		if err != nil {
			return err
		}
		if !p.AllocatedServer {
			return fault.Refused("plan %s hands out no servers (H10); let it first: steelyard reseller-plan edit --allocated-server", p.Name)
		}
		if s, err = store.Servers.Get(tx, serverID); err != nil {
			return err
		}
		if outcome = outcomeAlready; s.Claim.Kind == fleet.ClaimPlan && s.Claim.Ref == planID {
			return nil
		}
		outcome = outcomeAssigned
		has, _, err := store.Allotments.Find(tx, planID)
		if err != nil {
			return err
		}
		if len(has.Available) >= reselling.MaxAssigned {
			return fault.Refused("plan %s has %d servers assigned; no more are needed", p.Name, len(has.Available))
		}
		unfit, err := Ineligible(tx, &s)
		if err != nil {
			return err
		}
		if s.Claim.Kind == fleet.ClaimNone && len(unfit) > 0 {
			return fault.Refused("server %s cannot be assigned to a plan: %s", s.Name, Sentences(unfit))
		}
		if s, err = in.claim(tx, actor, "server.assign", serverID, fleet.Claim{Kind: fleet.ClaimPlan, Ref: planID}, now); err != nil {
			return err
		}
		return store.Allotments.Put(tx, planID, has.With(serverID))
	})
	return s, outcome, rev, err
}

func (in *Intake) unassign(ctx context.Context, actor access.Actor, planID, serverID, reason string) (s fleet.Server, outcome string, rev int64, err error) {
	now := in.now()
	outcome = outcomeUnassigned
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if s, err = store.Servers.Get(tx, serverID); err != nil {
			return err
		}
		has, _, err := store.Allotments.Find(tx, planID)
		switch {
		case err != nil:
			return err
		case s.Claim.Kind == fleet.ClaimPlan && s.Claim.Ref == planID:
			s, err = Release(tx, actor, "server.unassign", s, reason, now)
			return cmp.Or(err, CloseTask(tx, reselling.SkippedKey(serverID), actor.Name, "it is assigned to no plan any more", now))
		case slices.Contains(has.Taken, serverID):
			return fault.Refused("server %s is taken by reseller %s, and stays his (H15)", s.Name, s.Claim.Ref)
		}
		return fault.Refused("server %s is not assigned to this plan", s.Name)
	})
	return s, outcome, rev, err
}

// Sentences joins reasons, each with its rule.
func Sentences(reasons []fleet.Reason) string {
	var list []string
	for _, r := range reasons {
		if !r.Waived {
			list = append(list, r.Message+" ("+r.Rule+")")
		}
	}
	return strings.Join(list, "; ")
}

// KeptForPlan refuses what must not be done to a server while it is assigned to a plan (rule H13): to change its groups, to put an account on
// it, to move content there. what is the deed: "its groups cannot be changed".
func KeptForPlan(tx *store.Tx, s *fleet.Server, what string) error {
	if s.Claim.Kind != fleet.ClaimPlan {
		return nil
	}
	p, known, err := store.ResellerPlans.Find(tx, s.Claim.Ref)
	if err != nil {
		return err
	}
	name := s.Claim.Ref
	if known {
		name = p.Name + " (" + p.ID + ")"
	}
	return fault.Refused("server %s is assigned to plan %s: %s; unassign it first", s.Name, name, what)
}

// forSignUp finds an assigned server free for who signed up for its plan: it is as it was when it was assigned, or the commit passes it over.
func forSignUp(tx *store.Tx, serverID, planID string, seen fleet.Surroundings) (free Free, skipped []fleet.Reason, err error) {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return free, nil, err
	}
	if s.Claim.Kind != fleet.ClaimPlan || s.Claim.Ref != planID {
		return free, nil, fault.Refused("server %s is not assigned to this plan any more", s.Name)
	}
	around, err := readAround(tx, serverID, seen)
	if err != nil {
		return free, nil, err
	}
	unfit, err := Ineligible(tx, &s)
	if err != nil {
		return free, nil, err
	}
	return Free{s}, append(unclaimed(s, around), unfit...), nil
}

// unclaimed are the reasons why an assigned server could not be given to anybody, but for its being assigned.
func unclaimed(s fleet.Server, around fleet.Surroundings) (list []fleet.Reason) {
	s.Claim = fleet.Claim{Kind: fleet.ClaimNone}
	for _, r := range fleet.Unsellable(&s, around) {
		if !r.Waived {
			list = append(list, r)
		}
	}
	return list
}

// Unready tells why an assigned server is passed over now (rule H13), as a snapshot shows it; seen is what is known of its surroundings.
func Unready(snap *store.Snapshot, s *fleet.Server, seen fleet.Surroundings) []fleet.Reason {
	return append(unclaimed(*s, seen), IneligibleIn(snap, s)...)
}
