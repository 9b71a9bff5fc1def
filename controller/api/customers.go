package api

import (
	"context"
	"net/http"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Customer is an organization: the provider's, or a reseller's.
type Customer struct {
	reselling.Customer
	Rev int64 `json:"rev"`
}

type customerBody struct{ intake.CustomerDraft }

func (b *customerBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, st.actor)
}

func (a *API) registerCustomers() {
	a.lister("customers", "Customers", Customer{})
	a.getter("customers", "One customer", Customer{})
	withBody(a, "POST /v1/customers", about{summary: "Add a customer", tag: "customers", answer: Customer{}, status: http.StatusCreated, creates: true},
		func(c *call, b *customerBody) (reply, error) {
			made, _, err := a.in.CreateCustomer(c.ctx(), c.actor(), b.CustomerDraft)
			return c.created("customers", made.ID, &made, "", err)
		})
	editor(a, "customers", "Change a customer", Customer{},
		func(d intake.CustomerDraft, c *fault.Check, look intake.Lookup, self string) {
			if before, ok := look.Customer(self); ok { // one that went meanwhile is told by the commit
				d.CheckEdit(c, look, before)
			}
		},
		func(c *call, id string, rev int64, apply func(intake.CustomerDraft) (intake.CustomerDraft, error)) error {
			_, _, err := a.in.EditCustomer(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.customerState("disable", "Keep a customer's people out; what the customer has goes on", reselling.Disabled)
	a.customerState("enable", "Let a customer's people in again", reselling.Active)
}

func (a *API) customerState(action, summary, state string) {
	acting(a, "customers", action, summary, Customer{}, func(ctx context.Context, actor access.Actor, id, reason string) (reselling.Customer, error) {
		return a.in.SetCustomerState(ctx, actor, id, state, reason)
	})
}

func customerSheet() *sheet {
	return newSheet("customers",
		label("id", func(c *reselling.Customer) string { return c.ID }),
		label("name", func(c *reselling.Customer) string { return c.Name }),
		path("reseller", func(c *reselling.Customer) string { return c.Reseller }),
		text("reference", func(c *reselling.Customer) string { return c.Reference }),
		text("state", func(c *reselling.Customer) string { return c.State }, reselling.Active, reselling.Disabled),
		moment("created_at", func(c *reselling.Customer) time.Time { return c.CreatedAt }),
	)
}
