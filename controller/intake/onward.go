package intake

import (
	"cmp"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// CheckBuyer records a reseller whom the actor cannot sell to: one he does not see, or, where a reseller sells onward, one who is not directly below him.
func CheckBuyer(c *fault.Check, look Lookup, actor access.Actor, id string) {
	r, known := seenReseller(look, actor, id)
	switch {
	case !known:
		c.Add("reseller", "%.80q does not exist; see: steelyard reseller list", id)
	case narrowed(actor):
		if err := directlyBelow(actor, r); err != nil {
			c.Add("reseller", "%s", err.Error())
		}
	}
}

// directlyBelow refuses a buyer of a reseller who is not the next one below him: each sells to his own, so that what was sold goes back the way it came.
func directlyBelow(actor access.Actor, r reselling.Reseller) error {
	switch {
	case r.Path == actor.Reseller:
		return fault.Refused("is yourself; you sell to the resellers directly below you")
	case parentOf(r.Path) != actor.Reseller:
		return fault.Refused("%s is not directly below you; who is above him sells to him", r.Name)
	}
	return nil
}

// offered is a server that the actor may sell, and the sale by which he has it: the provider sells what is free, under no sale; a reseller what he
// was sold himself (rules S3, S5).
func (in *Intake) offered(tx *store.Tx, actor access.Actor, to reselling.Reseller, serverID string, sale reselling.Sale, there bool) (free Free, under string, err error) {
	if narrowed(actor) {
		free, err = in.forOnward(tx, actor, to, serverID, sale, there)
		return free, sale.ID, err
	}
	if err := unsold(tx, serverID, sale, there); err != nil {
		return free, "", err
	}
	free, err = in.forReseller(tx, serverID)
	return free, "", err
}

// forOnward finds a server of a reseller's that nothing keeps from being sold to one below him. What he does not see does not exist; of the provider's
// reasons he learns no words.
func (in *Intake) forOnward(tx *store.Tx, actor access.Actor, to reselling.Reseller, serverID string, sale reselling.Sale, there bool) (Free, error) {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return Free{}, err
	}
	switch {
	case !access.ScopeOf(actor, "servers").Sees(s.Claim.Owner):
		return Free{}, fault.NotFound("server %.80s does not exist", serverID)
	case s.Claim.Owner != actor.Reseller:
		return Free{}, unsold(tx, serverID, sale, there)
	case s.Claim.Via != fleet.ViaSale || !there:
		return Free{}, fault.Refused("server %s came with a plan: all that is new of yours goes there, and it is not sold on", s.Name)
	case sale.TakingBack():
		return Free{}, fault.Refused("server %s is being taken back from you; it is not sold on", s.Name)
	case s.ContentMove != "":
		return Free{}, movingFor(actor, &s)
	}
	if err := directlyBelow(actor, to); err != nil {
		return Free{}, err
	}
	around, err := in.surroundings(tx, serverID)
	if err != nil {
		return Free{}, err
	}
	return Free{s}, keptBack(&s, unclaimed(s, around))
}

// keptBack refuses a reseller to sell a server of his on: with what he can do something about, and no more of the rest than that there is something.
func keptBack(s *fleet.Server, reasons []fleet.Reason) error {
	if len(reasons) == 0 {
		return nil
	}
	var own []string
	for _, r := range reasons {
		if r.Fact == "load" || r.Fact == "cleanliness" || r.Fact == "left_overs" {
			own = append(own, r.Message)
		}
	}
	if len(own) < len(reasons) {
		own = append(own, "the provider keeps it back for now: it is repaired, tested or not connected; ask there")
	}
	return fault.Refused("server %s cannot be sold on: %s", s.Name, strings.Join(own, "; "))
}

// decides refuses decisions about a sale to who did not make it and stands above nobody who did (rule S1 at each level). Who was sold a server onward may give it
// back: then the seller decides what is left.
func decides(actor access.Actor, sale reselling.Sale, giving bool) error {
	switch scope := access.ScopeOf(actor, "sales"); {
	case scope.Field == "":
		return nil
	case !scope.Sees(sale.Path):
		return fault.NotFound("sale %.80s does not exist", sale.ID)
	case scope.Sees(sale.SellerPath()), giving && sale.Under != "":
		return nil
	}
	return fault.Refused("sale %s was made by who is above you; he decides about it", sale.ID)
}

// heldOn refuses to take a server back from who sold it onward: it is with somebody else, from whom it is taken back first.
func heldOn(tx *store.Tx, sale reselling.Sale) error {
	last, there, err := saleOf(tx, sale.Server)
	if err != nil || !there || last.ID == sale.ID {
		return err
	}
	holder, err := store.Resellers.Get(tx, last.Reseller)
	if err != nil {
		return err
	}
	return fault.Refused("server %s was sold on to %s; it is taken back from him first: steelyard sale revoke %s", nameIn(tx, sale.Server), holder.Name, last.ID)
}

// HandBack ends a sale that a reseller made: the server is his again, by the sale that he has it by, and the buyer has one less. The seller counted it all the
// time. A bare one is dirty from now on: nobody else gets it before it was erased. With whom it is again is told.
func HandBack(tx *store.Tx, actor access.Actor, sale reselling.Sale, before fleet.Server, reason string, now time.Time) (s fleet.Server, seller string, err error) {
	up, err := store.Sales.Get(tx, sale.Under)
	if err != nil {
		return s, "", err
	}
	r, err := store.Resellers.Get(tx, up.Reseller)
	if err != nil {
		return s, "", err
	}
	s = before
	s.Claim = fleet.Claim{Kind: fleet.ClaimReseller, Ref: up.Reseller, Via: fleet.ViaSale, Owner: up.Path, Since: now}
	s.Successor = nil // a system of the buyer
	s.Epoch++
	if s.Node == nil {
		s = s.Soiled(now)
	}
	return s, r.Name, cmp.Or(count(tx, before.Claim, -1), store.Servers.Put(tx, s.ID, s), store.SalesOf.Put(tx, s.ID, store.SaleOf{Sale: up.ID}),
		audit(tx, actor, "server.hand_back", "servers/"+s.ID, before, s, reason, now))
}

// AskSeller writes to the reseller who sold a server onward that he has to decide (rule S9): of tasks he sees none.
func AskSeller(tx *store.Tx, sale reselling.Sale, server, why string, now time.Time) error {
	if sale.Under == "" {
		return nil
	}
	r, err := store.Resellers.Get(tx, sale.Seller)
	if err != nil || r.Email == "" {
		return err
	}
	return Post(tx, Letter{To: r.Email, Subject: "Server " + server + " is taken back: continue or cancel?", Body: why}, now)
}
