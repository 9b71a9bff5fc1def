package reconcile

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// resold are edits that reach resellers, and through them their customers.
var resold = []chapter{
	{"many sign up", manySignUp},
	{"their plan is edited", theirPlanEdited},
	{"his customers are sold to", hisCustomers},
	{"an edit waits for room", waitsForRoom},
	{"his plan gives room", roomByPlan},
}

const sellers = 5

func manySignUp(h *tenancy) {
	limits := reselling.Limits{reselling.Disk: reselling.AtMost(1000), reselling.Traffic: reselling.NoLimit, reselling.Mailboxes: reselling.AtMost(15)}
	h.made("plan", func(ctx context.Context, in *intake.Intake) (string, error) {
		_, _, err := in.CreatePlan(ctx, ann, intake.PlanDraft{Name: "trade", Limits: limits})
		return "", err
	})
	for i := range sellers {
		name := fmt.Sprint("seller", i)
		h.made(name, func(ctx context.Context, in *intake.Intake) (string, error) {
			_, _, err := in.CreateReseller(ctx, ann, intake.ResellerDraft{Name: name, Company: "x", Email: name + "@example.org"})
			return "", err
		})
		h.made(name+" signs up", func(ctx context.Context, in *intake.Intake) (string, error) {
			_, _, err := in.SignUp(ctx, ann, intake.SignUpDraft{Plan: h.thePlan().ID, Reseller: h.theSeller(name).ID})
			return "", err
		})
	}
	h.allMay(15)
}

func (h *tenancy) thePlan() (p reselling.Plan) {
	for _, p = range rows(h, store.ResellerPlans) {
		break
	}
	return p
}

func (h *tenancy) theSeller(name string) reselling.Reseller {
	for _, r := range rows(h, store.Resellers) {
		if r.Name == name {
			return r
		}
	}
	return reselling.Reseller{}
}

// allMay waits until everybody who signed up may have as many mailboxes.
func (h *tenancy) allMay(mailboxes uint64) {
	h.t.Helper()
	h.comes(fmt.Sprint(mailboxes, " mailboxes each"), func() bool {
		n, p := 0, h.thePlan()
		for _, r := range rows(h, store.Resellers) {
			if r.Limits.Of(reselling.Mailboxes) == reselling.AtMost(mailboxes) && r.Version == p.Version && r.Reached.Outcome == reselling.Synced {
				n++
			}
		}
		return n == sellers
	})
}

func (h *tenancy) editsPlan(mailboxes uint64) {
	h.t.Helper()
	before := h.thePlan()
	rev := h.revisionOf(store.ResellerPlans.Name() + "/" + before.ID)
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.EditPlan(h.ctx, ann, before.ID, rev, func(d intake.PlanDraft) (intake.PlanDraft, error) {
			d.Limits = maps.Clone(d.Limits)
			d.Limits[reselling.Mailboxes] = reselling.AtMost(mailboxes)
			return d, nil
		})
		return err
	})
	h.allMay(mailboxes)
}

func theirPlanEdited(h *tenancy) { h.editsPlan(20) }

// hisCustomers have three subscriptions of one of the resellers.
func hisCustomers(h *tenancy) {
	seller := h.theSeller("seller0").ID
	h.offers(intake.OfferDraft{Name: "Gold", Reseller: seller, Values: plan.Values{
		plan.DiskMiB: plan.Number(100), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(5), plan.MailingLists: plan.Number(0), plan.FTPLogins: plan.Number(0),
		plan.Subdomains: plan.Number(0), plan.Databases: plan.Number(0),
	}})
	for i := range 3 {
		h.made(subName(i), func(ctx context.Context, in *intake.Intake) (string, error) {
			_, _, err := in.Subscribe(ctx, ann, intake.SubscriptionDraft{Name: subName(i), Reseller: seller, Plan: h.theOffer("Gold").ID})
			return "", err
		})
	}
	h.promised(15, 300)
}

// promised waits until the counter of the reseller tells what his customers' subscriptions promise.
func (h *tenancy) promised(mailboxes, disk uint64) {
	h.t.Helper()
	h.comes(fmt.Sprint(mailboxes, " mailboxes are promised"), func() bool {
		p := rows(h, store.Retails)[h.theSeller("seller0").ID].Promised
		return p[reselling.Mailboxes].Total == mailboxes && p[reselling.Disk].Total == disk
	})
}

// waitsForRoom: of twenty mailboxes nobody can have twenty-one. All keep what they have.
func waitsForRoom(h *tenancy) {
	h.edits("Gold", func(d *intake.OfferDraft) { d.Values[plan.Mailboxes] = plan.Number(21) })
	h.comes("all three wait for room", func() bool {
		held := 0
		for _, s := range rows(h, store.Subscriptions) {
			held += len(s.Held)
		}
		return held == 3
	})
	h.promised(15, 300)
	h.mailboxes(5, 5, 5)
}

// roomByPlan: an edit of the reseller's plan lets all have what their offer says.
func roomByPlan(h *tenancy) {
	h.editsPlan(63)
	h.promised(63, 300)
	h.mailboxes(21, 21, 21)
}

// TestP6_ACrashAtEveryCommitOfWhatReachesResellers: whoever was not reached when the controller died is reached by the next one, nobody twice, and what is promised is
// counted once.
func TestP6_ACrashAtEveryCommitOfWhatReachesResellers(t *testing.T) {
	everyChapter(t, resold)
}
