package reconcile

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// plan looks at everybody who signed up for one plan and waits, the oldest first, so that none is overtaken: what comes with the plan goes to
// whom nothing else speaks against (rules H11 to H16). A look at a sign-up is a look at its plan.
func (r *Reconciler) plan(ctx context.Context, planID string) error {
	skip, err := r.passOver(ctx, planID)
	if err != nil {
		return err
	}
	has, _ := store.Allotments.View(r.store, planID)
	left := has != nil && slices.ContainsFunc(has.Available, func(s string) bool { return !skip[s] })
	for _, s := range r.signUpsOf(planID) {
		if r.asBefore(s, left) {
			continue
		}
		if left, err = r.signUp(ctx, s.ID, skip); err != nil {
			return err
		}
	}
	return nil
}

// signUpsOf are those who wait for a plan, the oldest first.
func (r *Reconciler) signUpsOf(planID string) (list []*reselling.SignUp) {
	for i := range store.SignUps.Items(r.store.Snapshot()) {
		if i.Value.Plan == planID && i.Value.Waits() {
			list = append(list, i.Value)
		}
	}
	slices.SortFunc(list, func(a, b *reselling.SignUp) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// passOver are the servers of a plan that cannot be handed out now; of each a task tells (rule H13).
func (r *Reconciler) passOver(ctx context.Context, planID string) (map[string]bool, error) {
	skip := map[string]bool{}
	snap := r.store.Snapshot()
	has, ok := store.Allotments.In(snap, planID)
	if !ok {
		return skip, nil
	}
	for _, server := range has.Available {
		s, ok := store.Servers.In(snap, server)
		if !ok || s.Claim.Kind != fleet.ClaimPlan {
			continue // the commit looks itself
		}
		reasons := intake.Unready(snap, s, r.stock.Index.Surroundings(server))
		if skip[server] = len(reasons) > 0; skip[server] {
			if err := r.skipped(ctx, s, reasons); err != nil {
				return nil, err
			}
		}
	}
	return skip, nil
}

// skipped files the task about an assigned server that cannot be handed out.
func (r *Reconciler) skipped(ctx context.Context, s *fleet.Server, reasons []fleet.Reason) error {
	key := reselling.SkippedKey(s.ID)
	if r.open(key) {
		return nil
	}
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		current, err := store.Servers.Get(tx, s.ID)
		if err != nil || current.Claim.Kind != fleet.ClaimPlan {
			return err
		}
		k := task.New(id.At("tsk", now), "systems", task.Moderation, key, "Server "+s.Name+" is assigned to a plan and cannot be handed out",
			"Who signs up for the plan is not given this server: "+intake.Sentences(reasons)+". Put that right, or take it out of the plan: steelyard reseller-plan unassign.", now)
		k.Server = s.ID
		return intake.FileTask(tx, k)
	})
}

// assigned looks at the plan of a server when something of the server changed, and closes the task about one that can be handed out again.
func (r *Reconciler) assigned(ctx context.Context, s *fleet.Server) error {
	if s.Claim.Kind == fleet.ClaimPlan {
		r.queue.add(store.ResellerPlans.Name() + "/" + s.Claim.Ref)
	}
	key := reselling.SkippedKey(s.ID)
	if !r.open(key) || s.Claim.Kind == fleet.ClaimPlan && len(intake.Unready(r.store.Snapshot(), s, r.stock.Index.Surroundings(s.ID))) > 0 {
		return nil
	}
	return r.change(ctx, func(tx *store.Tx) error {
		return intake.CloseTask(tx, key, access.System.Name, "its cause is gone", r.now())
	})
}

// asBefore reports whether a look at a sign-up would change nothing, as the snapshot shows it. left says that its plan has a server.
func (r *Reconciler) asBefore(s *reselling.SignUp, left bool) bool {
	snap := r.store.Snapshot()
	p, known := store.ResellerPlans.In(snap, s.Plan)
	if !known || s.State != reselling.SignUpModeration {
		return false
	}
	holds, err := intake.Barred(intake.BooksIn(snap), s, p)
	holds = lacking(holds, p.AllocatedServer && !left)
	return err == nil && len(holds) > 0 && s.SameReasons(holds)
}

// lacking adds that no server is left.
func lacking(holds []reselling.Hold, none bool) []reselling.Hold {
	if none {
		holds = append(holds, reselling.Hold{Kind: reselling.NoServer, Message: "no server is left in the plan"})
	}
	return holds
}

// signUp completes one sign-up, or holds it: whatever it depends on is read in the commit, so that of two who want the last server one gets
// it (rule H14). skip are servers that are passed over; left says whether another one is there for the next.
func (r *Reconciler) signUp(ctx context.Context, signUpID string, skip map[string]bool) (left bool, err error) {
	for {
		var tried string
		err := r.change(ctx, func(tx *store.Tx) error {
			tried, left = "", true
			s, err := store.SignUps.Get(tx, signUpID)
			if err != nil || !s.Waits() {
				return err
			}
			p, known, err := store.ResellerPlans.Find(tx, s.Plan)
			if err != nil {
				return err
			}
			if !known {
				return intake.PlanGone(tx, s, r.now())
			}
			if p.AllocatedServer {
				has, _, err := store.Allotments.Find(tx, s.Plan)
				if err != nil {
					return err
				}
				if at := slices.IndexFunc(has.Available, func(s string) bool { return !skip[s] }); at >= 0 {
					tried = has.Available[at]
				}
				left = tried != ""
			}
			return r.decide(tx, s, p, tried)
		})
		if tried == "" || !fault.Is(err, fault.KindRefused) {
			return left, err
		}
		skip[tried] = true
		r.queue.addAt(store.ResellerPlans.Name()+"/"+planOf(r.store, signUpID), r.now().Add(retryAfter)) // the snapshot has it by then, and a task tells why
	}
}

func planOf(s *store.Store, signUpID string) string {
	if su, ok := store.SignUps.View(s, signUpID); ok {
		return su.Plan
	}
	return ""
}

// decide completes a sign-up when nothing speaks against it; server is the one that it would get.
func (r *Reconciler) decide(tx *store.Tx, s reselling.SignUp, p reselling.Plan, server string) error {
	holds, err := intake.BarredIn(tx, &s, &p)
	if err != nil {
		return err
	}
	now := r.now()
	switch holds = lacking(holds, p.AllocatedServer && server == ""); {
	case len(holds) == 0:
		return intake.Complete(tx, s, p, server, r.stock.Index.Surroundings(server), now)
	case s.State == reselling.SignUpModeration && s.SameReasons(holds):
		return nil
	}
	return intake.Moderate(tx, s, p, holds, id.At("tsk", now), now)
}

// signedUp looks at the plan of a sign-up.
func (r *Reconciler) signedUp(signUpID string) {
	if s, ok := store.SignUps.View(r.store, signUpID); ok && s.Waits() {
		r.queue.add(store.ResellerPlans.Name() + "/" + s.Plan)
	}
}

// signedUpFor looks at what a reseller and those below him wait for.
func (r *Reconciler) signedUpFor(resellerID string) {
	for i := range store.SignUps.Items(r.store.Snapshot()) {
		if i.Value.Waits() && slices.Contains(strings.Split(i.Value.Path, "/"), resellerID) {
			r.queue.add(store.ResellerPlans.Name() + "/" + i.Value.Plan)
		}
	}
}

// regrouped looks at the assigned servers that are in a group.
func (r *Reconciler) regrouped(groupID string) {
	snap := r.store.Snapshot()
	for i := range store.Allotments.Items(snap) {
		for _, server := range i.Value.Available {
			if s, ok := store.Servers.In(snap, server); ok && slices.ContainsFunc(s.Roles, func(l fleet.LogicalServer) bool { return l.Group == groupID }) {
				r.queue.add(store.Servers.Name() + "/" + server)
			}
		}
	}
}
