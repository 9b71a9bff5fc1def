package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// Sell gives a reseller the exclusive right to a server (rules S1 to S5). A server that is his by sale already stays so, and the answer is that
// sale: who lost the first answer asks again. Faults: not_found; refused when the server is not free, with whose it is, or the reseller may
// have no more.
func (in *Intake) Sell(ctx context.Context, actor access.Actor, resellerID, serverID string) (sale reselling.Sale, rev int64, err error) {
	now, fresh := in.now(), id.New("sal")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		before, there, err := soldAs(tx, serverID)
		if err != nil {
			return err
		}
		if there && before.Reseller == resellerID && before.State == reselling.Sold {
			sale = before
			return remember(tx, "sales", sale.ID, sale, now)
		}
		r, err := working(tx, resellerID)
		if err != nil {
			return err
		}
		s, err := in.claim(tx, actor, "server.sell", serverID, fleet.Claim{Kind: fleet.ClaimReseller, Ref: resellerID, Via: fleet.ViaSale, Owner: r.Path}, now)
		if err != nil {
			return err
		}
		sale = reselling.Sale{
			ID: fresh, Reseller: resellerID, Path: r.Path, Server: serverID, State: reselling.Sold, Message: "sold to " + r.Name,
			SoldAt: now, SoldBy: actor.Name, ChangedAt: now,
		}
		return cmp.Or(count(tx, r, 1), store.Sales.Create(tx, sale.ID, sale), store.SalesOf.Put(tx, s.ID, store.SaleOf{Sale: sale.ID}),
			audit(tx, actor, "sale.make", "sales/"+sale.ID, nil, sale, "", now), remember(tx, "sales", sale.ID, sale, now))
	})
	return sale, rev, err
}

// soldAs is the sale that a server is in.
func soldAs(tx *store.Tx, serverID string) (sale reselling.Sale, there bool, err error) {
	of, there, err := store.SalesOf.Find(tx, serverID)
	if err != nil || !there {
		return sale, false, err
	}
	return store.Sales.Find(tx, of.Sale)
}

// Revoke begins to take a sold server back (rules S7, S8). Nothing new is placed on it from now on; reconcile looks at it and releases it.
// Faults: not_found; refused when something of the reseller's is on it, with what that is.
func (in *Intake) Revoke(ctx context.Context, actor access.Actor, saleID, reason string) (sale reselling.Sale, rev int64, err error) {
	now := in.now()
	if err := needReason(reason, "the reseller will ask"); err != nil {
		return sale, 0, err
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Sales.Get(tx, saleID)
		if err != nil {
			return err
		}
		sale = before
		switch sale.State {
		case reselling.Revoking, reselling.Asking:
			return nil
		case reselling.Revoked:
			return fault.Refused("sale %s was revoked at %s", sale.ID, sale.RevokedAt.Format("2006-01-02 15:04 MST"))
		}
		sale.State, sale.Message, sale.ChangedAt, sale.RevokedBy, sale.Reason = reselling.Revoking, "nothing new is placed on it; it is looked at", now, actor.Name, reason
		return cmp.Or(store.Sales.Put(tx, saleID, sale), audit(tx, actor, "sale.revoke", "sales/"+saleID, before, sale, reason, now))
	})
	return sale, rev, err
}
