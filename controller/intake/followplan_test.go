package intake

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// signedUp is a reseller who has a plan.
func (g *gate) signedUp(d ResellerDraft, planID string) reselling.Reseller {
	g.t.Helper()
	r, ctx := g.resold(d), context.Background()
	s, _, err := g.SignUp(ctx, ann, SignUpDraft{Plan: planID, Reseller: r.ID})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.change(ctx, func(tx *store.Tx) error {
		p, err := store.ResellerPlans.Get(tx, planID)
		if err != nil {
			return err
		}
		return Complete(tx, s, p, "", fleet.Surroundings{}, g.now())
	}); err != nil {
		g.t.Fatal(err)
	}
	return g.sees(r.ID)
}

func (g *gate) sees(id string) reselling.Reseller {
	g.t.Helper()
	r, ok := store.Resellers.View(g.store, id)
	if !ok {
		g.t.Fatalf("reseller %s is not there", id)
	}
	return *r
}

// follows lets a reseller follow his plan, and insists that nothing is left to do then.
func (g *gate) follows(id string) {
	g.t.Helper()
	for range 2 {
		var done bool
		if err := g.change(context.Background(), func(tx *store.Tx) (err error) {
			done, err = FollowPlan(tx, id, g.now())
			return err
		}); err != nil {
			g.t.Fatal(err)
		}
		if r := g.sees(id); !done && !Trailing(g.store.Snapshot(), &r, g.now()) {
			return
		}
	}
	g.t.Errorf("%s follows for ever", id)
}

// TestP6_AnEditOfAPlanIsWhatItsPreviewTold, and what was set by hand stays.
func TestP6_AnEditOfAResellerPlanIsWhatItsPreviewTold(t *testing.T) {
	g, ctx := openGate(t), context.Background()
	plan, _, err := g.CreatePlan(ctx, ann, PlanDraft{Name: "gold", Limits: reselling.Limits{reselling.Disk: reselling.AtMost(500), reselling.Customers: reselling.AtMost(3)}})
	if err != nil || plan.Version != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	bare := func(name, parent string) ResellerDraft {
		return ResellerDraft{Name: name, Company: name, Email: "ops@example.org", Parent: parent}
	}
	plain, hand := g.signedUp(bare("plain", ""), plan.ID), g.signedUp(bare("hand", ""), plan.ID)
	up := g.resold(ResellerDraft{Name: "up", Company: "up", Email: "ops@example.org", Limits: reselling.Limits{reselling.Disk: reselling.AtMost(600), reselling.Customers: reselling.NoLimit}})
	child := g.signedUp(bare("child", up.ID), plan.ID)
	if g.sees(up.ID).Below[reselling.Disk].Total != 500 {
		t.Errorf("what was promised below: %+v", g.sees(up.ID).Below)
	}
	for i := range 2 {
		if _, _, err := g.CreateCustomer(ctx, ann, CustomerDraft{Name: fmt.Sprint("c", i), Email: "a@example.org", Reseller: plain.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := g.EditReseller(ctx, ann, hand.ID, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) {
		d.Limits = reselling.Limits{reselling.Disk: reselling.AtMost(400), reselling.Customers: reselling.AtMost(3)}
		return d, nil
	}); err != nil {
		t.Fatal(err)
	}
	edit := func(d PlanDraft) (PlanDraft, error) {
		d.Limits = reselling.Limits{reselling.Disk: reselling.AtMost(900), reselling.Customers: reselling.AtMost(1)}
		return d, nil
	}
	told, err := g.PreviewPlan(plan.ID, edit)
	if err != nil || told.Resellers != 3 || told.Changed != 3 || told.Own != 1 || told.OverLimit != 1 || told.Unsynced != 1 {
		t.Fatalf("%+v, %v", told, err)
	}
	before := map[string]reselling.Reseller{}
	for _, r := range []reselling.Reseller{plain, hand, child} {
		before[r.ID] = g.sees(r.ID)
	}
	if after, _, err := g.EditPlan(ctx, ann, plan.ID, AnyRevision, edit); err != nil || after.Version != 2 {
		t.Fatalf("%+v, %v", after, err)
	}
	if again, _, err := g.EditPlan(ctx, ann, plan.ID, AnyRevision, edit); err != nil || again.Version != 2 {
		t.Errorf("an edit that changes nothing is a new version: %+v, %v", again, err)
	}
	for id, was := range before {
		g.follows(id)
		now := g.sees(id)
		i := slices.IndexFunc(told.Effects, func(e reselling.PlanEffect) bool { return e.Reseller == id })
		if got := reselling.Compare(&was, &now); i < 0 || fmt.Sprint(got) != fmt.Sprint(told.Effects[i]) {
			t.Errorf("told %+v, happened %+v", told.Effects, got)
		}
	}
	if r := g.sees(hand.ID); r.Limits[reselling.Disk] != reselling.AtMost(400) || !slices.Equal(r.Own(), []string{reselling.Disk}) || r.Reached.Outcome != reselling.Synced {
		t.Errorf("set by hand: %+v", r)
	}
	if r := g.sees(child.ID); r.Limits[reselling.Disk] != reselling.AtMost(600) || r.Reached.Outcome != reselling.Unsynced || g.sees(up.ID).Below[reselling.Disk].Total != 600 {
		t.Errorf("below: %+v", r)
	}
	if _, _, err := g.CreateCustomer(ctx, ann, CustomerDraft{Name: "c9", Email: "a@example.org", Reseller: plain.ID}); !fault.Is(err, fault.KindRefused) {
		t.Errorf("over his limit he got one more: %v", err)
	}
	if r, _, err := g.UnsetLimits(ctx, ann, hand.ID, []string{reselling.Disk}, "as agreed"); err != nil || r.Limits[reselling.Disk] != reselling.AtMost(900) || len(r.Own()) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, _, err := g.UnsetLimits(ctx, ann, hand.ID, []string{reselling.Mailboxes}, ""); len(fieldsIn(err)) != 1 {
		t.Errorf("what the plan says nothing of: %v", err)
	}
}
