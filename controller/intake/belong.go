package intake

import (
	"net/url"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// references say which customer has a reference; unlike names they differ by case too, as what orders say does.
var references = store.NewTable[nameHolder]("customer-references", "customer with reference")

func referenceKey(reference string) string { return url.PathEscape(reference) }

// belonging is to whom a user or a token belongs, as a person says it: a department by name, a customer by id or reference, a reseller by id.
type belonging struct {
	role                           access.Role
	department, customer, reseller string
}

// check records a role that is unknown, that the actor may not give, or that lacks what narrows it (rule X7). What the actor does not
// see does not exist.
func (b belonging) check(c *fault.Check, look Lookup, actor access.Actor, field string) {
	giver := narrowed(actor)
	switch {
	case giver && b.role != access.RoleReseller && b.role != access.RoleCustomer:
		c.Add("role", "is %.40q; give one of %v", b.role, []access.Role{access.RoleReseller, access.RoleCustomer})
	default:
		c.Require(b.role.Known(), "role", "is %.40q; give one of %v", b.role, access.Roles())
	}
	switch b.role {
	case access.RoleDepartment:
		order.CheckName(c, "department", b.department)
	case access.RoleCustomer:
		b.checkCustomer(c, look, actor)
	case access.RoleReseller:
		_, ok := seenReseller(look, actor, ownReseller(actor, b.reseller))
		c.Require(ok, field, "%.80q does not exist; see: steelyard reseller list", b.reseller)
	}
	c.Require(b.reseller == "" || b.role == access.RoleReseller, field, "is only for the role reseller; a customer belongs to one or not by himself")
}

func (b belonging) checkCustomer(c *fault.Check, look Lookup, actor access.Actor) {
	order.CheckName(c, "customer", b.customer)
	_, known := seenCustomer(look, actor, b.customer)
	free := !narrowed(actor) && !strings.HasPrefix(b.customer, customerPrefix)
	c.Require(b.customer == "" || known || free, "customer", "%.80q does not exist; see: steelyard customer list", b.customer)
}

// settled is what is kept of it: what the customer's orders say, and the path of the reseller.
func (b belonging) settled(look Lookup, actor access.Actor) (customer, path string) {
	switch b.role {
	case access.RoleCustomer:
		if c, known := seenCustomer(look, actor, b.customer); known {
			return c.Reference, c.Reseller
		}
		return b.customer, ""
	case access.RoleReseller:
		r, _ := seenReseller(look, actor, ownReseller(actor, b.reseller))
		return "", r.Path
	}
	return b.customer, ""
}

// narrowed reports whether an actor sees only a part of the people.
func narrowed(a access.Actor) bool { return access.ScopeOf(a, "users").Field != "" }

// ownReseller is the reseller that somebody means: himself, where a reseller names none.
func ownReseller(a access.Actor, named string) string {
	if named == "" && narrowed(a) {
		return reselling.Own(a.Reseller)
	}
	return named
}

// seenReseller is a reseller that the actor sees.
func seenReseller(look Lookup, a access.Actor, id string) (reselling.Reseller, bool) {
	r, ok := look.Reseller(id)
	if !ok || !access.ScopeOf(a, "resellers").Sees(r.Path) {
		return reselling.Reseller{}, false
	}
	return r, true
}

// seenCustomer is a customer that the actor sees, by id or by reference.
func seenCustomer(look Lookup, a access.Actor, name string) (reselling.Customer, bool) {
	c, ok := look.Customer(name)
	if !ok {
		c, ok = look.CustomerOf(name)
	}
	if !ok || !access.ScopeOf(a, "customers").Sees(c.Reseller) {
		return reselling.Customer{}, false
	}
	return c, true
}

// KeptOut says why somebody is kept out although he proved who he is: the customer he belongs to, or a reseller, is disabled or
// suspended. "" when nothing is. Answered from memory.
func (in *Intake) KeptOut(a access.Actor) string {
	if a.Role != access.RoleReseller && a.Role != access.RoleCustomer {
		return ""
	}
	snap := in.store.Snapshot()
	look := snapshot{snap}
	var customer *reselling.Customer
	if a.Role == access.RoleCustomer {
		if c, known := look.CustomerOf(a.Customer); known {
			customer = &c
		}
	}
	var chain []reselling.Reseller
	for id := range strings.SplitSeq(a.Reseller, "/") {
		if a.Reseller == "" {
			break
		}
		r, there := store.Resellers.In(snap, id)
		if !there {
			return "the reseller that you belong to is gone; ask the provider"
		}
		chain = append(chain, *r)
	}
	return reselling.KeptOut(chain, customer, a.Role == access.RoleCustomer)
}
