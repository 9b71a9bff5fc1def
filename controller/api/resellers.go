package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// Reseller is a company that gets servers and sells what is on them.
	Reseller struct {
		reselling.Reseller
		Rev int64 `json:"rev"`
	}
	// ResellerPlan is what resellers sign up for.
	ResellerPlan struct {
		reselling.Plan
		Rev int64 `json:"rev"`
	}
	// SignUp is one reseller who wants a plan.
	SignUp struct {
		reselling.SignUp
		Rev int64 `json:"rev"`
	}
)

type (
	resellerBody    struct{ intake.ResellerDraft }
	planBody        struct{ intake.PlanDraft }
	signUpBody      struct{ intake.SignUpDraft }
	planPreviewBody struct {
		Limits   map[string]*reselling.Limit `json:"limits,omitempty" doc:"Those that would be others; null: the plan would say nothing of it. The rest stays."`
		Oversell *bool                       `json:"oversell,omitempty"`
	}
	unsetBody struct {
		Limits []string `json:"limits" doc:"Resources, and oversell."`
		Reason string   `json:"reason,omitempty" doc:"Kept in the audit log."`
	}
	serversBody struct {
		Servers []string `json:"servers" doc:"Ids of the servers, 1 to 100. Each is assigned by itself: that one cannot be assigned keeps no other from it."`
	}
	unassignBody struct {
		Servers []string `json:"servers" doc:"Ids of the servers, 1 to 100. Each is taken out by itself."`
		Reason  string   `json:"reason,omitempty" doc:"Kept in the audit log."`
	}
)

// limitSchema describes a limit: a whole number, or no limit (X12).
type limitSchema struct{}

// Schema implements huma.SchemaProvider.
func (limitSchema) Schema(huma.Registry) *huma.Schema {
	least, most := 0.0, float64(reselling.MaxLimit)
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: &least, Maximum: &most},
		{Type: huma.TypeString, Enum: []any{reselling.NoLimit.String()}},
	}}
}

func (b *resellerBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, st.actor)
}
func (b *planBody) check(c *fault.Check, look intake.Lookup, _ *state)   { b.Check(c, look, "") }
func (b *signUpBody) check(c *fault.Check, look intake.Lookup, _ *state) { b.Check(c, look) }

func (b *unsetBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	c.Require(len(b.Reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
}

// onto is the draft of a plan as the body would have it.
func (b *planPreviewBody) onto(d intake.PlanDraft) (intake.PlanDraft, error) {
	limits := reselling.Limits{}
	maps.Copy(limits, d.Limits)
	for name, l := range b.Limits {
		if delete(limits, name); l != nil {
			limits[name] = *l
		}
	}
	d.Limits = limits
	if b.Oversell != nil {
		d.Oversell = *b.Oversell
	}
	return d, nil
}

func (b *serversBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	c.Require(len(b.Servers) > 0, "servers", "is empty; name at least one server")
	c.Require(len(b.Servers) <= reselling.MaxAtOnce, "servers", "has %d entries; at most %d may be named in one request", len(b.Servers), reselling.MaxAtOnce)
	for i, id := range b.Servers[:min(len(b.Servers), reselling.MaxAtOnce)] {
		field := fmt.Sprintf("servers[%d]", i)
		c.Require(id != "", field, "is empty")
		c.Require(id == "" || slices.Index(b.Servers, id) == i, field, "names %.80q again", id)
	}
}

func (b *unassignBody) check(c *fault.Check, look intake.Lookup, st *state) {
	(&serversBody{b.Servers}).check(c, look, st)
	c.Require(len(b.Reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
}

func (a *API) registerResellers() {
	a.lister("resellers", "Resellers, with what they may have and have promised on", Reseller{})
	a.getter("resellers", "One reseller", Reseller{})
	withBody(a, "POST /v1/resellers", about{
		summary: "Add a reseller", tag: "resellers", answer: Reseller{}, status: http.StatusCreated, creates: true,
		detail: "A reseller may add resellers below himself: the parent is he, or one below him. The limits of all children together stay within their parent's, unless he oversells.",
	}, func(c *call, b *resellerBody) (reply, error) {
		r, _, err := a.in.CreateReseller(c.ctx(), c.actor(), b.ResellerDraft)
		return c.created("resellers", r.ID, &r, "", err)
	})
	editor(a, "resellers", "Change a reseller", Reseller{}, intake.ResellerDraft.CheckEdit,
		func(c *call, id string, rev int64, apply func(intake.ResellerDraft) (intake.ResellerDraft, error)) error {
			_, _, err := a.in.EditReseller(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	without(a, "GET /v1/resellers/{id}/standing", about{
		summary: "A reseller's limits from all sides: what each is, where it comes from, and what counts against it", tag: "resellers", answer: intake.ResellerStanding{},
	}, func(c *call) (reply, error) {
		r, err := a.find(c, "resellers")
		if err != nil {
			return reply{}, err
		}
		st, err := a.in.StandingOfReseller(r.id)
		if err != nil {
			return reply{}, err
		}
		return reply{body: render(&st)}, nil
	})
	withBody(a, "POST /v1/resellers/{id}/unset", about{
		summary: "Let limits be again what the reseller's plan says (P8a)", tag: "resellers", answer: Reseller{},
		detail: "Limits that were set by hand are kept from edits of the plan; own lists them.",
	}, func(c *call, b *unsetBody) (reply, error) {
		r, err := a.find(c, "resellers")
		if err != nil {
			return reply{}, err
		}
		if _, _, err := a.in.UnsetLimits(c.ctx(), c.actor(), r.id, b.Limits, b.Reason); err != nil {
			return reply{}, err
		}
		return a.shown(c, "resellers", r.id)
	})
	for action, to := range map[string]struct{ state, summary string }{
		"disable":  {reselling.Disabled, "Keep a reseller's people out; what he has goes on"},
		"suspend":  {reselling.Suspended, "Keep a reseller's people and all his customers out, and give him nothing new"},
		"activate": {reselling.Active, "Let a reseller work again"},
	} {
		acting(a, "resellers", action, to.summary, Reseller{}, func(ctx context.Context, actor access.Actor, id, reason string) (reselling.Reseller, error) {
			r, _, err := a.in.SetResellerState(ctx, actor, id, to.state, reason)
			return r, err
		})
	}
}

func (a *API) registerPlans() {
	a.lister("reseller-plans", "Plans that resellers sign up for", ResellerPlan{})
	a.getter("reseller-plans", "One plan", ResellerPlan{})
	withBody(a, "POST /v1/reseller-plans", about{summary: "Add a plan", tag: "reseller-plans", answer: ResellerPlan{}, status: http.StatusCreated, creates: true},
		func(c *call, b *planBody) (reply, error) {
			p, _, err := a.in.CreatePlan(c.ctx(), c.actor(), b.PlanDraft)
			return c.created("reseller-plans", p.ID, &p, "", err)
		})
	editor(a, "reseller-plans", "Change a plan, and bring it to everybody who has it (P6)", ResellerPlan{}, intake.PlanDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.PlanDraft) (intake.PlanDraft, error)) error {
			_, _, err := a.in.EditPlan(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	withBody(a, "POST /v1/reseller-plans/{id}/preview", about{
		summary: "Tell what an edit of a plan would do (P6, P12)", tag: "reseller-plans", answer: reselling.PlanReport{},
		detail: "Changes nothing. Tells which resellers would get other limits, who would be over a limit (C23), who keeps what was set by hand, and who would not get all of it because who is above him has no more.",
	}, a.previewPlan)
	a.remover("reseller-plans", "Delete a plan that has no server and that nobody waits for (H17)", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeletePlan(c.ctx(), c.actor(), id, rev)
	})
	withBody(a, "POST /v1/reseller-plans/{id}/assign", about{
		summary: "Assign servers to a plan (H9)", tag: "reseller-plans", answer: intake.Assignment{},
		detail: "The answer tells of each what became of it: assigned, already assigned, refused (with whose it is, or which rule speaks against it), or unknown when the state did not answer; ask again then.",
	}, func(c *call, b *serversBody) (reply, error) {
		return a.assigning(c, func(plan string) (intake.Assignment, int64, error) {
			return a.in.AssignAll(c.ctx(), c.actor(), plan, b.Servers)
		})
	})
	withBody(a, "POST /v1/reseller-plans/{id}/unassign", about{summary: "Take servers that nobody got yet out of a plan (H15)", tag: "reseller-plans", answer: intake.Assignment{}},
		func(c *call, b *unassignBody) (reply, error) {
			return a.assigning(c, func(plan string) (intake.Assignment, int64, error) {
				return a.in.UnassignAll(c.ctx(), c.actor(), plan, b.Servers, b.Reason)
			})
		})
}

func (a *API) previewPlan(c *call, b *planPreviewBody) (reply, error) {
	r, err := a.find(c, "reseller-plans")
	if err != nil {
		return reply{}, err
	}
	report, err := a.in.PreviewPlan(r.id, b.onto)
	if err != nil {
		return reply{}, err
	}
	return reply{body: render(&report)}, nil
}

func (a *API) assigning(c *call, do func(plan string) (intake.Assignment, int64, error)) (reply, error) {
	r, err := a.find(c, "reseller-plans")
	if err != nil {
		return reply{}, err
	}
	answer, rev, err := do(r.id)
	if err != nil {
		return reply{}, err
	}
	return reply{body: render(&answer)}, a.board.wait(c.ctx(), rev)
}

func (a *API) registerSignUps() {
	a.lister("signups", "Who signed up for which plan, and what became of it", SignUp{})
	a.getter("signups", "One sign-up", SignUp{})
	withBody(a, "POST /v1/signups", about{
		summary: "Sign a reseller up for a plan (H2)", tag: "signups", answer: SignUp{}, status: http.StatusCreated, creates: true,
		detail: "It is looked at once it is stored: it becomes active, with the server that comes with the plan (H11), or is held for the reasons that it lists (H12).",
	}, func(c *call, b *signUpBody) (reply, error) {
		s, _, err := a.in.SignUp(c.ctx(), c.actor(), b.SignUpDraft)
		return c.created("signups", s.ID, &s, "", err)
	})
	for _, d := range []struct {
		action, summary string
		do              func(context.Context, access.Actor, string, string) (reselling.SignUp, int64, error)
	}{
		{"cancel", "Withdraw a sign-up that is not active", a.in.CancelSignUp},
		{"refuse", "Refuse a sign-up that is not active; the applicant is told why", a.in.RefuseSignUp},
		{"hold", "Keep a sign-up from being completed until somebody has looked at it", a.in.HoldSignUp},
		{"resume", "Lift the hold", a.in.ResumeSignUp},
	} {
		acting(a, "signups", d.action, d.summary, SignUp{}, func(ctx context.Context, actor access.Actor, id, reason string) (reselling.SignUp, error) {
			s, _, err := d.do(ctx, actor, id, reason)
			return s, err
		})
	}
}

func resellerSheet() *sheet {
	return newSheet("resellers",
		label("id", func(r *reselling.Reseller) string { return r.ID }),
		label("name", func(r *reselling.Reseller) string { return r.Name }),
		label("company", func(r *reselling.Reseller) string { return r.Company }),
		text("email", func(r *reselling.Reseller) string { return r.Email }),
		text("parent", func(r *reselling.Reseller) string { return r.Parent }),
		path("reseller", func(r *reselling.Reseller) string { return r.Path }),
		text("plan", func(r *reselling.Reseller) string { return r.Plan }),
		text("state", func(r *reselling.Reseller) string { return r.State }, reselling.Active, reselling.Disabled, reselling.Suspended),
		number("servers", func(r *reselling.Reseller) int64 { return int64(r.Servers) }),
		moment("created_at", func(r *reselling.Reseller) time.Time { return r.CreatedAt }),
	)
}

func planSheet() *sheet {
	return newSheet("reseller-plans",
		label("id", func(p *reselling.Plan) string { return p.ID }),
		label("name", func(p *reselling.Plan) string { return p.Name }),
		text("allocated_server", func(p *reselling.Plan) string { return fmt.Sprint(p.AllocatedServer) }, yesNo...),
		moment("created_at", func(p *reselling.Plan) time.Time { return p.CreatedAt }),
	)
}

func signUpSheet() *sheet {
	return newSheet("signups",
		label("id", func(s *reselling.SignUp) string { return s.ID }),
		text("plan", func(s *reselling.SignUp) string { return s.Plan }),
		path("reseller", func(s *reselling.SignUp) string { return s.Path }),
		text("state", func(s *reselling.SignUp) string { return s.State },
			reselling.SignUpNew, reselling.SignUpModeration, reselling.SignUpActive, reselling.SignUpRefused, reselling.SignUpCanceled),
		text("server", func(s *reselling.SignUp) string { return s.Server }),
		moment("created_at", func(s *reselling.SignUp) time.Time { return s.CreatedAt }),
		moment("changed_at", func(s *reselling.SignUp) time.Time { return s.ChangedAt }),
	)
}
