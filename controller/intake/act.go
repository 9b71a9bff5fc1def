package intake

import (
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// ActFor is the actor that somebody becomes who acts for another (rule S11), and the other as kind/id. target is reseller/…, customer/… or
// user/… with an id or a name. A reseller acts for his customers and their users alone. Faults: invalid; not_found, also for who is not
// his; refused for people of the provider.
func (in *Intake) ActFor(by access.Actor, target string) (as access.Actor, who string, err error) {
	kind, name, _ := strings.Cut(target, "/")
	look := in.Lookup()
	var shown string
	found := false
	switch kind {
	case "reseller":
		var r reselling.Reseller
		if r, found = resellerCalled(look, name); found && narrowed(by) {
			found = false
		}
		as, who, shown = access.Actor{Role: access.RoleReseller, Reseller: r.Path}, r.ID, r.Name
	case "customer":
		var c reselling.Customer
		c, found = customerCalled(look, by, name)
		as, who, shown = access.Actor{Role: access.RoleCustomer, Customer: c.Reference, Reseller: c.Reseller}, c.ID, c.Name
	case "user":
		var u access.User
		if u, found = in.userCalled(look, name); found && narrowed(by) {
			found = u.Role == access.RoleCustomer && access.ScopeOf(by, "users").Sees(u.Reseller)
		}
		if found && u.Role != access.RoleReseller && u.Role != access.RoleCustomer {
			return as, "", fault.Refused("%s works for the provider; you can act for resellers, customers and their users", u.Name)
		}
		as, who, shown = u.Actor(), u.ID, u.Name
	default:
		var c fault.Check
		c.Add("header.Steelyard-Act-For", "is %.80q; give reseller/NAME, customer/NAME or user/NAME, or an id in place of the name", target)
		return as, "", c.Err("it is not clear for whom you act")
	}
	if !found {
		return access.Actor{}, "", fault.NotFound("%s %.80q does not exist", kind, name)
	}
	as.Name, as.For = by.Name, kind+" "+shown+" ("+who+")"
	return as, kind + "/" + who, nil
}

func resellerCalled(look Lookup, name string) (reselling.Reseller, bool) {
	if r, ok := look.Reseller(name); ok {
		return r, true
	}
	holder, ok := look.Holder("resellers", ResellerDraft{Name: name}.name()) // one below another is named by his id
	if !ok {
		return reselling.Reseller{}, false
	}
	return look.Reseller(holder)
}

// customerCalled is a customer that the actor sees, by id or reference, or by the name that it has among the actor's own.
func customerCalled(look Lookup, by access.Actor, name string) (reselling.Customer, bool) {
	if c, ok := seenCustomer(look, by, name); ok {
		return c, true
	}
	holder, ok := look.Holder(customerNames(by.Reseller), name)
	if !ok {
		return reselling.Customer{}, false
	}
	return look.Customer(holder)
}

func (in *Intake) userCalled(look Lookup, name string) (access.User, bool) {
	if holder, ok := look.Holder("users", name); ok {
		name = holder
	}
	return found(store.Users.View(in.store, name))
}
