package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// Offer is what a reseller sells: a service plan, or an add-on to one.
	Offer struct {
		plan.Offer
		Subscriptions uint64 `json:"subscriptions" doc:"How many have it (C7)."`
		Rev           int64  `json:"rev"`
	}
	// AccountDefaults are the basic settings of a reseller (C22).
	AccountDefaults struct {
		plan.Defaults
		Reseller string `json:"reseller,omitempty" doc:"Id of the reseller whose they are; none is the provider, or the reseller who asks."`
	}
)

type (
	offerBody   struct{ intake.OfferDraft }
	replaceBody struct {
		With   string `json:"with" doc:"Id of the offer that everybody gets instead: of the same reseller and kind."`
		Reason string `json:"reason,omitempty" doc:"Kept in the audit log."`
	}
	previewBody struct {
		Name       *string     `json:"name,omitempty"`
		Values     plan.Values `json:"values,omitempty" doc:"Those that would be others; the rest stays."`
		Changeable *[]string   `json:"changeable,omitempty"`
	}
)

// valueSchema describes the value of a property.
type valueSchema struct{}

// Schema implements huma.SchemaProvider.
func (valueSchema) Schema(huma.Registry) *huma.Schema {
	least, most := 0.0, float64(reselling.MaxLimit)
	return &huma.Schema{Description: "Of a limit: a whole number, or \"no limit\". Of a switch: true or false. Of a choice: one of its words.", OneOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}, {Type: huma.TypeString}, {Type: huma.TypeBoolean},
	}}
}

func (b *offerBody) check(c *fault.Check, look intake.Lookup, st *state) { b.Check(c, look, st.actor) }

func (b *replaceBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	c.Require(b.With != "", "with", "is empty; name the offer that everybody gets instead")
	c.Require(len(b.Reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
}

// onto is the draft of an offer as the body would have it.
func (b *previewBody) onto(d intake.OfferDraft) (intake.OfferDraft, error) {
	values := plan.Values{}
	for _, from := range []plan.Values{d.Values, b.Values} {
		for name, v := range from {
			values[name] = v
		}
	}
	d.Values = values
	if b.Name != nil {
		d.Name = *b.Name
	}
	if b.Changeable != nil {
		d.Changeable = *b.Changeable
	}
	return d, nil
}

func (a *API) registerOffers() {
	a.lister("offers", "Offers: service plans and add-ons, with how many have each (C7)", Offer{})
	a.getter("offers", "One offer", Offer{})
	withBody(a, "POST /v1/offers", about{
		summary: "Add an offer (C1)", tag: "offers", answer: Offer{}, status: http.StatusCreated, creates: true,
		detail: "Properties: disk_mib, traffic_mib (a month), mailboxes, mailing_lists, ftp_logins, subdomains, databases (limits); php, virus_scan, imap (switches); shell (/bin/false, /bin/shell, /bin/bash) and overuse (block, notify, normal, not_suspend, not_suspend_notify; P18). Of a plan and its add-ons numbers add, no limit wins, switches are on where one is, and the larger shell wins (P19).",
	}, func(c *call, b *offerBody) (reply, error) {
		o, _, err := a.in.CreateOffer(c.ctx(), c.actor(), b.OfferDraft)
		return c.created("offers", o.ID, &o, "", err)
	})
	editor(a, "offers", "Change an offer, and sync everybody who has it (P6, P16)", Offer{}, intake.OfferDraft.CheckEdit,
		func(c *call, id string, rev int64, apply func(intake.OfferDraft) (intake.OfferDraft, error)) error {
			_, _, err := a.in.EditOffer(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("offers", "Delete an offer that nobody has (C8)", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteOffer(c.ctx(), c.actor(), id, rev)
	})
	withBody(a, "POST /v1/offers/{id}/preview", about{
		summary: "Tell what an edit of an offer would do (C8, P12)", tag: "offers", answer: subscription.Report{},
		detail: "Changes nothing. Tells who would get other values, who would be over a limit (C23), and who would become unsynced because his node lacks something.",
	}, a.previewOffer)
	withBody(a, "POST /v1/offers/{id}/replace", about{
		summary: "Move everybody who has an offer to another one, then delete it (C8)", tag: "offers", answer: Offer{},
		detail: "One wish. They are moved one after the other; nobody new gets the offer meanwhile, and it is gone when the last one was moved. What subscriptions have of their own stays.",
	}, func(c *call, b *replaceBody) (reply, error) {
		r, err := a.find(c, "offers")
		if err != nil {
			return reply{}, err
		}
		if _, _, err := a.in.ReplaceOffer(c.ctx(), c.actor(), r.id, b.With, b.Reason); err != nil {
			return reply{}, err
		}
		return a.shownOrGone(c, "offers", r)
	})
	for action, d := range map[string]struct {
		retired bool
		summary string
	}{"retire": {true, "Let nobody new get an offer; who has it keeps it (C8)"}, "resume": {false, "Sell a retired offer again"}} {
		acting(a, "offers", action, d.summary, Offer{}, func(ctx context.Context, actor access.Actor, id, reason string) (plan.Offer, error) {
			o, _, err := a.in.RetireOffer(ctx, actor, id, reason, d.retired)
			return o, err
		})
	}
	a.registerAccountDefaults()
}

// shownOrGone answers a record as it is after a deed, or as it was before when it went with it.
func (a *API) shownOrGone(c *call, table string, before *row) (reply, error) {
	r, err := a.settle(c.ctx(), table, before.id)
	if err != nil {
		return reply{}, err
	}
	if r == nil {
		r = before
	}
	return c.replyOf(table, r), nil
}

func (a *API) previewOffer(c *call, b *previewBody) (reply, error) {
	r, err := a.find(c, "offers")
	if err != nil {
		return reply{}, err
	}
	report, err := a.in.PreviewOffer(r.id, b.onto)
	if err != nil {
		return reply{}, err
	}
	return reply{body: render(&report)}, nil
}

func (a *API) registerAccountDefaults() {
	without(a, "GET /v1/account-defaults", about{
		summary: "What new accounts get: default mailbox, shell, virus scan, IMAP (C22)", tag: "offers", answer: AccountDefaults{},
		params: []*huma.Param{{Name: "reseller", In: "query", Schema: text0, Description: "Id of the reseller; none is the provider, or the reseller who asks."}},
	}, func(c *call) (reply, error) { return a.accountDefaults(c, c.r.URL.Query().Get("reseller")) })
	withBody(a, "PUT /v1/account-defaults", about{summary: "Say what new accounts get (C22)", tag: "offers", answer: AccountDefaults{}},
		func(c *call, b *AccountDefaults) (reply, error) {
			if err := a.in.SetAccountDefaults(c.ctx(), c.actor(), b.Reseller, b.Defaults); err != nil {
				return reply{}, err
			}
			return a.accountDefaults(c, b.Reseller)
		})
}

func (a *API) accountDefaults(c *call, reseller string) (reply, error) {
	d, owner, err := a.in.AccountDefaults(c.actor(), reseller)
	if err != nil {
		return reply{}, err
	}
	return reply{body: render(&AccountDefaults{d, owner})}, nil
}

// offering is what the sheet of offers holds.
type offering struct {
	offer *plan.Offer
	uses  uint64
}

func (o *offering) view(rev int64) Offer { return Offer{*o.offer, o.uses, rev} }

// takeOffer updates an offer, or how many have it; news of the figure alone is no event.
func (b *board) takeOffer(d delta, tell bool) {
	if d.table == "offers" {
		if o, ok := d.value.(*plan.Offer); ok && o != nil {
			d.value = &offering{o, b.offerUses[d.id]}
		}
		b.takeRecord(d, tell)
		return
	}
	delete(b.offerUses, d.id)
	if u, ok := d.value.(*store.OfferUse); ok && u != nil {
		b.offerUses[d.id] = u.Subscriptions
	}
	if old := b.sheets["offers"].get(d.id); old != nil {
		r := &row{id: d.id, rev: old.rev, state: d.rev, created: old.created, search: old.search, render: renderRecord, narrow: narrowRecord}
		r.value = &offering{old.value.(*offering).offer, b.offerUses[d.id]}
		b.sheets["offers"].put(r)
	}
}

func offerSheet() *sheet {
	return newSheet("offers",
		label("id", func(o *offering) string { return o.offer.ID }),
		label("name", func(o *offering) string { return o.offer.Name }),
		text("kind", func(o *offering) string { return o.offer.Kind }, plan.Kinds...),
		path("reseller", func(o *offering) string { return o.offer.Reseller }),
		text("retired", func(o *offering) string { return strconv.FormatBool(o.offer.Retired) }, yesNo...),
		number("subscriptions", func(o *offering) int64 { return int64(o.uses) }),
		moment("created_at", func(o *offering) time.Time { return o.offer.CreatedAt }),
		moment("changed_at", func(o *offering) time.Time { return o.offer.ChangedAt }),
	)
}
