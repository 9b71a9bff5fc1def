package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Subscription is what a customer bought.
type Subscription struct {
	subscription.Subscription
	Title string `json:"title" doc:"Its name with the plan in brackets (P3), or (Custom)."`
	Rev   int64  `json:"rev"`
}

type (
	subscriptionBody struct{ intake.SubscriptionDraft }
	valuesBody       struct {
		Values plan.Values `json:"values" doc:"By property: whole number or \"no limit\", true or false, or a word."`
		Pin    bool        `json:"pin,omitempty" doc:"Keep only these properties from sync (P8a). Otherwise the whole subscription is locked, and no edit of its plan reaches it (P8)."`
		Reason string      `json:"reason,omitempty" doc:"Kept in the audit log."`
	}
	choiceBody struct {
		Values plan.Values `json:"values" doc:"Properties that the plan lets the subscriber change (P11)."`
	}
	propertiesBody struct {
		Properties []string `json:"properties" doc:"Those that are what the offers say again."`
	}
	planSwitchBody struct {
		Plan string `json:"plan" doc:"Id of the service plan that it gets."`
	}
	addOnBody struct {
		Offer string `json:"offer" doc:"Id of the add-on."`
	}
)

func (b *subscriptionBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, st.actor)
}

func (a *API) registerSubscriptions() {
	a.lister("subscriptions", "Subscriptions", Subscription{})
	a.getter("subscriptions", "One subscription", Subscription{})
	withBody(a, "POST /v1/subscriptions", about{summary: "Add a subscription without an account", tag: "subscriptions", answer: Subscription{}, status: http.StatusCreated, creates: true},
		func(c *call, b *subscriptionBody) (reply, error) {
			s, _, err := a.in.Subscribe(c.ctx(), c.actor(), b.SubscriptionDraft)
			return c.created("subscriptions", s.ID, &s, "", err)
		})
	editor(a, "subscriptions", "Change the name of a subscription, or when it expires", Subscription{}, intake.SubscriptionEdit.Check,
		func(c *call, id string, rev int64, apply func(intake.SubscriptionEdit) (intake.SubscriptionEdit, error)) error {
			_, _, err := a.in.EditSubscription(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("subscriptions", "Delete a subscription that carries no account", func(c *call, id string, rev int64) (int64, error) {
		return a.in.Unsubscribe(c.ctx(), c.actor(), id, rev)
	})
	without(a, "GET /v1/subscriptions/{id}/standing", about{
		summary: "Where each value comes from, what a sync would do now, and what is over its limit (P14, P19, C23)", tag: "subscriptions", answer: intake.Standing{},
	}, func(c *call) (reply, error) {
		r, err := a.find(c, "subscriptions")
		if err != nil {
			return reply{}, err
		}
		st, err := a.in.StandingOf(r.id)
		if err != nil {
			return reply{}, err
		}
		return reply{body: render(&st)}, nil
	})
	a.registerSubscriptionDeeds()
	a.registerSubscriptionValues()
}

// registerSubscriptionDeeds are those that want no more than a reason.
func (a *API) registerSubscriptionDeeds() {
	suspend := func(on bool) func(context.Context, access.Actor, string, string) (subscription.Subscription, int64, error) {
		return func(ctx context.Context, actor access.Actor, id, reason string) (subscription.Subscription, int64, error) {
			return a.in.Suspend(ctx, actor, id, reason, on)
		}
	}
	for _, d := range []struct {
		action, summary string
		do              func(context.Context, access.Actor, string, string) (subscription.Subscription, int64, error)
	}{
		{"sync", "Bring a subscription to the present editions of its plan and add-ons (P6, P14, P17)", a.in.Sync},
		{"take", "Accept what is available instead of what is promised; it is not locked by that (P15)", a.in.Take},
		{"unlock", "Give up the values that locked a subscription, and sync it", a.in.Unlock},
		{"detach", "Take a subscription off its plan; it keeps its values and is custom (P4, P5)", a.in.Detach},
		{"suspend", "Suspend a subscription by hand (P10)", suspend(true)},
		{"unsuspend", "Lift the suspension by hand; it is active when no other reason is left (P10)", suspend(false)},
	} {
		acting(a, "subscriptions", d.action, d.summary, Subscription{}, func(ctx context.Context, actor access.Actor, id, reason string) (subscription.Subscription, error) {
			s, _, err := d.do(ctx, actor, id, reason)
			return s, err
		})
	}
}

func (a *API) registerSubscriptionValues() {
	changing(a, "set", "Give a subscription values of its own (P8, P8a)", func(c *call, id string, b *valuesBody) error {
		by := plan.OfOwn
		if b.Pin {
			by = plan.OfPin
		}
		_, _, err := a.in.SetValues(c.ctx(), c.actor(), id, b.Values, by, b.Reason)
		return err
	})
	changing(a, "choose", "Choose values that the plan lets the subscriber change (P11)", func(c *call, id string, b *choiceBody) error {
		_, _, err := a.in.SetValues(c.ctx(), c.actor(), id, b.Values, plan.OfChosen, "")
		return err
	})
	changing(a, "unset", "Let properties be what the offers say again", func(c *call, id string, b *propertiesBody) error {
		_, _, err := a.in.UnsetValues(c.ctx(), c.actor(), id, b.Properties)
		return err
	})
	changing(a, "switch", "Give a subscription another plan (P5)", func(c *call, id string, b *planSwitchBody) error {
		_, _, err := a.in.SwitchPlan(c.ctx(), c.actor(), id, b.Plan)
		return err
	})
	changing(a, "give", "Add an add-on (P2, P5)", func(c *call, id string, b *addOnBody) error {
		_, _, err := a.in.AddAddOn(c.ctx(), c.actor(), id, b.Offer)
		return err
	})
	changing(a, "drop", "Take an add-on away; nothing of the customer's is deleted (P5, P19)", func(c *call, id string, b *addOnBody) error {
		_, _, err := a.in.RemoveAddOn(c.ctx(), c.actor(), id, b.Offer)
		return err
	})
}

// changing registers a deed on a subscription that has a body of its own.
func changing[B any](a *API, action, summary string, do func(c *call, id string, b *B) error) {
	withBody(a, "POST /v1/subscriptions/{id}/"+action, about{summary: summary, tag: "subscriptions", answer: Subscription{}}, func(c *call, b *B) (reply, error) {
		r, err := a.find(c, "subscriptions")
		if err != nil {
			return reply{}, err
		}
		if err := do(c, r.id, b); err != nil {
			return reply{}, err
		}
		return a.shown(c, "subscriptions", r.id)
	})
}

func subscriptionSheet() *sheet {
	return newSheet("subscriptions",
		label("id", func(s *subscription.Subscription) string { return s.ID }),
		label("name", func(s *subscription.Subscription) string { return s.Name }),
		path("reseller", func(s *subscription.Subscription) string { return s.Reseller }),
		text("customer", func(s *subscription.Subscription) string { return s.Customer }),
		text("server", func(s *subscription.Subscription) string { return s.Server }),
		many(text("offer", func(s *subscription.Subscription) string { return strings.Join(s.Offers(), ",") })),
		text("locked", func(s *subscription.Subscription) string { return strconv.FormatBool(s.Locked) }, yesNo...),
		text("unsynced", func(s *subscription.Subscription) string { return strconv.FormatBool(len(s.Unsynced) > 0) }, yesNo...),
		text("active", func(s *subscription.Subscription) string { return strconv.FormatBool(s.Active()) }, yesNo...),
		many(text("suspended", func(s *subscription.Subscription) string { return strings.Join(s.Suspended, ",") }, subscription.Reasons...)),
		text("result", func(s *subscription.Subscription) string { return s.Result.Outcome }),
		moment("expires_at", func(s *subscription.Subscription) time.Time { return s.ExpiresAt }),
		moment("created_at", func(s *subscription.Subscription) time.Time { return s.CreatedAt }),
		moment("changed_at", func(s *subscription.Subscription) time.Time { return s.ChangedAt }),
	)
}
