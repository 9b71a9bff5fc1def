package intake

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// Sell gives a reseller the exclusive right to a server (rules S1 to S5): one that is free, or, when a reseller sells onward, one that he was sold himself. One that is his by sale already stays so, and the answer is that
// sale, with fresh false: who lost the first answer asks again. Faults: not_found; refused when the server is not free, with whose it is, or
// when the reseller may have no more.
func (in *Intake) Sell(ctx context.Context, actor access.Actor, resellerID, serverID string) (sale reselling.Sale, fresh bool, rev int64, err error) {
	now, saleID := in.now(), id.New("sal")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, there, err := saleOf(tx, serverID)
		if err != nil {
			return err
		}
		if there && before.Reseller == resellerID && before.State == reselling.Sold && access.ScopeOf(actor, "sales").Sees(before.Path) {
			sale, fresh = before, false
			return nil
		}
		r, err := store.Resellers.Get(tx, resellerID)
		if err == nil && !access.ScopeOf(actor, "resellers").Sees(r.Path) {
			err = fault.NotFound("reseller %.80s does not exist", resellerID)
		}
		if err := cmp.Or(err, may(r, ResellersIn(tx))); err != nil {
			return err
		}
		free, under, err := in.offered(tx, actor, r, serverID, before, there)
		if err != nil {
			return err
		}
		s, err := give(tx, actor, "server.sell", free, fleet.Claim{Kind: fleet.ClaimReseller, Ref: resellerID, Via: fleet.ViaSale, Owner: r.Path}, now)
		if err != nil {
			return err
		}
		fresh = true
		sale = reselling.Sale{
			ID: saleID, Reseller: resellerID, Path: r.Path, Server: serverID, State: reselling.Sold, Message: "sold to " + r.Name,
			SoldAt: now, SoldBy: actor.Name, ChangedAt: now,
		}
		if under != "" {
			sale.Under, sale.Seller = under, reselling.Own(actor.Reseller)
		}
		return cmp.Or(count(tx, s.Claim, 1), store.Sales.Create(tx, sale.ID, sale), store.SalesOf.Put(tx, s.ID, store.SaleOf{Sale: sale.ID}),
			audit(tx, actor, "sale.make", "sales/"+sale.ID, nil, sale, "", now))
	})
	return sale, fresh, rev, err
}

// saleOf is the sale that a server is in.
func saleOf(tx *store.Tx, serverID string) (sale reselling.Sale, there bool, err error) {
	of, there, err := store.SalesOf.Find(tx, serverID)
	if err != nil || !there {
		return sale, false, err
	}
	return store.Sales.Find(tx, of.Sale)
}

// unsold refuses a server that a reseller has, and names him (rule S5).
func unsold(tx *store.Tx, serverID string, sale reselling.Sale, there bool) error {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil || s.Claim.Kind != fleet.ClaimReseller {
		return err
	}
	owner, err := store.Resellers.Get(tx, s.Claim.Ref)
	switch {
	case err != nil:
		return err
	case there && sale.TakingBack():
		return fault.Refused("server %s is being taken back from %s; wait until it is free, or cancel that: steelyard sale cancel %s", s.Name, owner.Name, sale.ID)
	}
	return fault.Refused("server %s is already owned by %s", s.Name, owner.Name)
}

// Words for what became of each server of a request.
const (
	SoldNow  = "sold"
	SoldHere = "already his" // by an earlier request: nothing changed
	NotSold  = "refused"
	NotKnown = "unknown" // the state did not answer: it may be sold or not; asking again tells
)

// SaleResult is what became of one server that was to be sold.
type SaleResult struct {
	Server  string     `json:"server"`
	Outcome string     `json:"outcome" enum:"sold,already his,refused,unknown"`
	Sale    string     `json:"sale,omitempty" doc:"Id of the sale that gives it to the reseller."`
	Kind    fault.Kind `json:"kind,omitempty" doc:"What kind of refusal it is."`
	Message string     `json:"message" doc:"For a person: to whom it is sold, whose it is already, or what is wrong with it."`
}

// SaleAnswer tells what became of each server, in the order of the request.
type SaleAnswer struct {
	Reseller string       `json:"reseller"`
	Sold     int          `json:"sold" doc:"How many are the reseller's now."`
	Failed   int          `json:"failed" doc:"How many are not."`
	Results  []SaleResult `json:"results"`
}

// SellAll sells servers one by one, each in a commit of its own (rule S5). The answer as a whole is kept for repetitions of the request
// (rule X10), unless it is not known of some server what became of it: then a repetition asks again, and finds what was sold. The error is
// invalid for a list that is wrong as a whole.
func (in *Intake) SellAll(ctx context.Context, actor access.Actor, resellerID string, servers []string) (answer SaleAnswer, rev int64, err error) {
	answer.Reseller = resellerID
	for _, serverID := range servers {
		sale, fresh, at, err := in.Sell(ctx, actor, resellerID, serverID)
		rev = max(rev, at)
		answer.add(serverID, sale, fresh, err)
	}
	now := in.now()
	for _, r := range answer.Results {
		if r.Outcome == NotKnown {
			return answer, rev, nil
		}
	}
	at, err := in.store.Change(ctx, func(tx *store.Tx) error {
		return remember(tx, "sales", saleAnswerID, answer, now)
	})
	return answer, max(rev, at), err
}

// saleAnswerID stands for the id of an answer about several sales.
const saleAnswerID = "several"

func (a *SaleAnswer) add(serverID string, sale reselling.Sale, fresh bool, err error) {
	r := SaleResult{Server: serverID, Sale: sale.ID, Outcome: SoldHere, Message: sale.Message}
	switch {
	case err != nil:
		r = SaleResult{Server: serverID, Outcome: NotSold, Kind: fault.KindOf(err), Message: err.Error()}
		if r.Kind == fault.KindUnavailable || r.Kind == fault.KindInternal {
			r.Outcome, r.Message = NotKnown, "it is not known whether it was sold; ask again"
		}
		a.Failed++
	case fresh:
		r.Outcome = SoldNow
		fallthrough
	default:
		a.Sold++
	}
	a.Results = append(a.Results, r)
}

// Revoke begins to take a sold server back (rules S7, S8), or to give one back that was sold onward. Nothing new is placed on it from now on; reconcile looks at it and releases it. One
// that asks is looked at again. Faults: not_found; refused when something of the reseller's is on it, with what that is, or when he
// sold it onward, with to whom.
func (in *Intake) Revoke(ctx context.Context, actor access.Actor, saleID, reason string) (sale reselling.Sale, rev int64, err error) {
	now := in.now()
	if err := needReason(reason, "the reseller will ask"); err != nil {
		return sale, 0, err
	}
	return in.changeSale(ctx, actor, "sale.revoke", saleID, reason, func(tx *store.Tx, sale *reselling.Sale) error {
		if err := decides(actor, *sale, true); err != nil {
			return err
		}
		switch sale.State {
		case reselling.Revoking:
			return nil
		case reselling.Revoked:
			return revoked(sale)
		}
		if err := heldOn(tx, *sale); err != nil {
			return err
		}
		if err := CloseTask(tx, SaleKey(sale.ID), actor.Name, "it is looked at again", now); err != nil {
			return err
		}
		s, err := store.Servers.Get(tx, sale.Server)
		if err != nil {
			return err
		}
		if s.ContentMove != "" {
			return movingFor(actor, &s)
		}
		load, _, err := store.Loads.Find(tx, sale.Server)
		if err != nil {
			return err
		}
		if load.Placements > 0 {
			return fault.Refused("server %s cannot be taken back: %s; remove that first", nameIn(tx, sale.Server), Occupied(in.store.Snapshot(), sale.Server, load))
		}
		*sale = sale.Moved(reselling.Revoking, "nothing new is placed on it; it is looked at before it is released", now)
		sale.RevokedBy, sale.Reason, sale.Operation, sale.LeftOvers = actor.Name, reason, "", nil
		return nil
	})
}

func revoked(sale *reselling.Sale) error {
	return fault.Refused("sale %s was revoked at %s", sale.ID, sale.RevokedAt.UTC().Format("2006-01-02 15:04 UTC"))
}

// mostNamed is how many of the things on a server a refusal names.
const mostNamed = 10

// Occupied says what customers have on a server (rule S7): how many things, and the first of them by name. The number is that of the commit,
// the names are those that this replica sees.
func Occupied(snap *store.Snapshot, serverID string, load hosting.Load) string {
	var list []string
	for p := range store.Placements.Items(snap) {
		if p.Value.Server != serverID {
			continue
		}
		name := p.Value.Kind + " " + p.Value.Name
		if p.Value.State != hosting.There {
			name += " (" + p.Value.State + ")"
		}
		if list = append(list, name); len(list) == mostNamed {
			break
		}
	}
	text := fmt.Sprintf("customers have %d things on it", load.Placements)
	if load.Placements == 1 {
		text = "customers have one thing on it"
	}
	if len(list) == 0 {
		return text
	}
	text += ": " + strings.Join(list, ", ")
	if more := load.Placements - min(load.Placements, uint64(len(list))); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// nameIn is the name of a server, for a sentence.
func nameIn(tx *store.Tx, serverID string) string {
	if s, known, err := store.Servers.Find(tx, serverID); err == nil && known {
		return s.Name
	}
	return serverID
}

// ContinueRevoke lets a revocation that asks go on in spite of what is left (rule S9): the server is released, and nobody gets it before it
// was cleaned up.
func (in *Intake) ContinueRevoke(ctx context.Context, actor access.Actor, saleID, reason string) (reselling.Sale, int64, error) {
	if err := needReason(reason, "say why what is left on the server does no harm, or who cleans it up"); err != nil {
		return reselling.Sale{}, 0, err
	}
	now := in.now()
	return in.changeSale(ctx, actor, "sale.continue", saleID, reason, func(tx *store.Tx, sale *reselling.Sale) error {
		if err := decides(actor, *sale, false); err != nil {
			return err
		}
		switch {
		case sale.State == reselling.Revoking && sale.Accepted != nil:
			return nil
		case sale.State == reselling.Revoked:
			return revoked(sale)
		case sale.State != reselling.Asking:
			return fault.Refused("sale %s is %s: %s; there is nothing to decide", sale.ID, sale.State, sale.Message)
		}
		*sale = sale.Moved(reselling.Revoking, "it is released in spite of what is left on it", now)
		sale.Accepted = &fleet.Note{Reason: reason, Actor: actor.Name, At: now}
		return CloseTask(tx, SaleKey(sale.ID), actor.Name, "continue: "+reason, now)
	})
}

// CancelRevoke ends a revocation: the server stays the reseller's, and may be used again. One that a person let continue is beyond that.
func (in *Intake) CancelRevoke(ctx context.Context, actor access.Actor, saleID, reason string) (reselling.Sale, int64, error) {
	now := in.now()
	return in.changeSale(ctx, actor, "sale.cancel", saleID, reason, func(tx *store.Tx, sale *reselling.Sale) error {
		if err := decides(actor, *sale, false); err != nil {
			return err
		}
		switch {
		case sale.State == reselling.Sold:
			return nil
		case sale.State == reselling.Revoked:
			return revoked(sale)
		case sale.Accepted != nil:
			return fault.Refused("%s let the revocation continue at %s; the server is being released", sale.Accepted.Actor, sale.Accepted.At.UTC().Format("2006-01-02 15:04 UTC"))
		}
		*sale = sale.Kept("the revocation was canceled by "+actor.Name, now)
		return CloseTask(tx, SaleKey(sale.ID), actor.Name, "the revocation was canceled", now)
	})
}

// SaleKey is the dedupe key of the task that asks whether a revocation continues.
func SaleKey(sale string) string { return "sale/" + sale }

// changeSale commits a decision about a sale with its audit line; no change is no commit.
func (in *Intake) changeSale(ctx context.Context, actor access.Actor, action, saleID, reason string,
	change func(tx *store.Tx, sale *reselling.Sale) error,
) (sale reselling.Sale, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Sales.Get(tx, saleID)
		if err != nil {
			return err
		}
		sale = before
		if err := change(tx, &sale); err != nil || reflect.DeepEqual(before, sale) {
			return err
		}
		return cmp.Or(store.Sales.Put(tx, saleID, sale), audit(tx, actor, action, "sales/"+saleID, before, sale, reason, now))
	})
	return sale, rev, err
}
