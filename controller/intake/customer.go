package intake

import (
	"cmp"
	"context"
	"fmt"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// customerPrefix starts the ids of customers.
const customerPrefix = "cus-"

// CustomerDraft is what a person says of a customer.
type CustomerDraft struct {
	Name      string `json:"name" doc:"Shown to people; unique among the customers of one reseller, without regard to case."`
	Company   string `json:"company,omitempty" doc:"As it is on letters."`
	Email     string `json:"email" doc:"Where mails for the customer go."`
	Reference string `json:"reference,omitempty" doc:"What the orders of the customer say as customer, such as the number of a billing program. The id unless given; fixed for ever; not for resellers to give."`
	Reseller  string `json:"reseller,omitempty" doc:"Id of the reseller whose customer it is; none is the provider, or the reseller who asks. Fixed for ever."`
}

// DraftOfCustomer is the draft that would make c.
func DraftOfCustomer(c reselling.Customer) CustomerDraft {
	return CustomerDraft{Name: c.Name, Company: c.Company, Email: c.Email, Reference: c.Reference, Reseller: reselling.Own(c.Reseller)}
}

func (d CustomerDraft) onto(c reselling.Customer) reselling.Customer {
	c.Name, c.Company, c.Email = d.Name, d.Company, d.Email
	return c
}

// Check records all fields of a new customer that are wrong. What the actor does not see does not exist.
func (d CustomerDraft) Check(c *fault.Check, look Lookup, actor access.Actor) {
	fresh := d.onto(reselling.Customer{})
	fresh.Check(c)
	d.checkReference(c, look, actor)
	ofReseller := ownReseller(actor, d.Reseller)
	r, known := seenReseller(look, actor, ofReseller)
	if !known && ofReseller != "" { // which names are taken there is none of the caller's business
		c.Add("reseller", "%.80q does not exist; see: steelyard reseller list", d.Reseller)
		return
	}
	checkCustomerName(c, look, r.Path, d.Name, "")
}

func (d CustomerDraft) checkReference(c *fault.Check, look Lookup, actor access.Actor) {
	if d.Reference == "" {
		return
	}
	if narrowed(actor) {
		c.Add("reference", "is the provider's to give; leave it out")
		return
	}
	order.CheckName(c, "reference", d.Reference)
	of, taken := look.CustomerOf(d.Reference)
	c.Require(!taken, "reference", "%q is taken by %s", d.Reference, of.ID)
}

// CheckEdit records all fields that are wrong in what c should become.
func (d CustomerDraft) CheckEdit(check *fault.Check, look Lookup, c reselling.Customer) {
	after := d.onto(c)
	after.Check(check)
	check.Require(d.Reference == c.Reference, "reference", "cannot be changed; orders name it")
	check.Require(d.Reseller == reselling.Own(c.Reseller), "reseller", "cannot be changed")
	checkCustomerName(check, look, c.Reseller, d.Name, c.ID)
}

// customerNames is the space that the names of a reseller's customers are unique in.
func customerNames(path string) string { return "customers/" + path }

func checkCustomerName(c *fault.Check, look Lookup, path, name, self string) {
	checkTaken(c, look, customerNames(path), "name", name, self)
}

// CreateCustomer adds a customer, and counts it for its reseller. Faults: invalid; refused when the reseller is suspended or may have no more.
func (in *Intake) CreateCustomer(ctx context.Context, actor access.Actor, d CustomerDraft) (c reselling.Customer, rev int64, err error) {
	now, fresh := in.now(), id.New("cus")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the customer cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, actor) }); err != nil {
			return err
		}
		c = d.onto(reselling.Customer{ID: fresh, Reference: cmp.Or(d.Reference, fresh), State: reselling.Active, CreatedAt: now})
		if owner := ownReseller(actor, d.Reseller); owner != "" {
			r, err := working(tx, owner)
			if err != nil {
				return err
			}
			c.Reseller = r.Path
			if err := countCustomer(tx, r); err != nil {
				return err
			}
		}
		return cmp.Or(store.Customers.Create(tx, c.ID, c), rename(tx, customerNames(c.Reseller), "", c.Name, c.ID),
			references.Put(tx, referenceKey(c.Reference), nameHolder{ID: c.ID}),
			audit(tx, actor, "customer.create", "customers/"+c.ID, nil, c, "", now), remember(tx, "customers", c.ID, c, now))
	})
	return c, rev, err
}

// countCustomer counts one more customer of a reseller.
func countCustomer(tx *store.Tx, r reselling.Reseller) error {
	r, err := withRetail(tx, r)
	if err != nil {
		return err
	}
	r.Customers++
	if limit := r.Limits.Of(reselling.Customers); !r.Has(reselling.Customers).Within(limit) {
		return fault.Refused("reseller %s has %d customers%s, and may have %s; raise limits.%s of the reseller first", r.Name, r.Customers-1, promisedOn(&r), limit, reselling.Customers)
	}
	return store.Resellers.Put(tx, r.ID, r)
}

// promisedOn tells how many customers of a reseller's limit are with those below him; "" none.
func promisedOn(r *reselling.Reseller) string {
	if below := r.Below[reselling.Customers]; !r.Oversell && below.Total > 0 {
		return fmt.Sprintf(" and promised %d to resellers below him", below.Total)
	}
	return ""
}

// EditCustomer changes a customer that is still at revision rev.
func (in *Intake) EditCustomer(ctx context.Context, actor access.Actor, customerID string, rev int64,
	edit func(CustomerDraft) (CustomerDraft, error),
) (c reselling.Customer, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Customers.Get(tx, customerID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Customers, customerID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfCustomer(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the customer cannot be changed", func(c *fault.Check, look Lookup) { d.CheckEdit(c, look, before) }); err != nil {
			return err
		}
		c = d.onto(before)
		return cmp.Or(store.Customers.Put(tx, customerID, c), rename(tx, customerNames(c.Reseller), before.Name, c.Name, customerID),
			audit(tx, actor, "customer.edit", "customers/"+customerID, before, c, "", now))
	})
	return c, at, err
}

// SetCustomerState disables a customer, whose people are then kept out, or lets them in again. What the customer has goes on.
func (in *Intake) SetCustomerState(ctx context.Context, actor access.Actor, customerID, state, reason string) (c reselling.Customer, err error) {
	now := in.now()
	if state != reselling.Active {
		if err := needReason(reason, "the customer will ask"); err != nil {
			return c, err
		}
	}
	return c, in.change(ctx, func(tx *store.Tx) error {
		before, err := store.Customers.Get(tx, customerID)
		if err != nil {
			return err
		}
		if c = before; c.State == state {
			return nil
		}
		c.State = state
		action := map[string]string{reselling.Active: "customer.enable", reselling.Disabled: "customer.disable"}[state]
		return cmp.Or(store.Customers.Put(tx, customerID, c), audit(tx, actor, action, "customers/"+customerID, before, c, reason, now))
	})
}
