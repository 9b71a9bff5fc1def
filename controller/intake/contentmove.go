package intake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// moving refuses what must not be done to a server while customers' things are moved from or to it (rule H6).
func moving(s *fleet.Server) error {
	return fault.Refused("content is moved from or to server %s by operation %s; wait for it", s.Name, s.ContentMove)
}

// movingFor is moving as the actor is told of it: which operation it is, is the provider's business.
func movingFor(actor access.Actor, s *fleet.Server) error {
	if narrowed(actor) {
		return fault.Refused("content is moved from or to server %s; wait for it", s.Name)
	}
	return moving(s)
}

// MoveContent begins to move all that customers have on a server to another one. The operation runs on both (rule X4): neither is given to
// anybody, and nothing new is placed on them, before it ends. Faults: invalid without a reason; not_found; refused, with why.
func (in *Intake) MoveContent(ctx context.Context, actor access.Actor, fromID, toID, reason string) (op operation.Operation, err error) {
	if err := needReason(reason, "the person who copies is told why"); err != nil {
		return op, err
	}
	now, opID := in.now(), id.New("opn")
	err = in.change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if fromID == toID {
			return fault.Refused("content cannot be moved from a server to itself; name another one")
		}
		from, err := store.Servers.Get(tx, fromID)
		if err != nil {
			return err
		}
		to, err := store.Servers.Get(tx, toID)
		if err != nil {
			return err
		}
		if err := cmp.Or(mayGive(tx, &from), mayTake(tx, &from, &to)); err != nil {
			return err
		}
		source, target := from, to
		op, err = Begin(tx, &source, opID, operation.MoveContent, operation.Params{To: toID, Reason: reason}, 0, now)
		if err != nil {
			return err
		}
		op.RequestedBy = actor.Name
		source.ContentMove, target.ContentMove, target.Operation = opID, opID, opID
		return cmp.Or(store.Operations.Create(tx, op.ID, op), store.Servers.Put(tx, fromID, source), store.Servers.Put(tx, toID, target),
			audit(tx, actor, "operation.move-content", "servers/"+fromID, from, source, reason, now),
			audit(tx, actor, "operation.move-content", "servers/"+toID, to, target, reason, now),
			remember(tx, "operations", op.ID, op, now))
	})
	return op, err
}

// mayGive refuses a server whose content cannot be moved away.
func mayGive(tx *store.Tx, s *fleet.Server) error {
	switch {
	case s.Approval != fleet.Approved:
		return fault.Refused("server %s is %s; approve it first", s.Name, s.Approval)
	case s.Operation != "":
		return running(s, s.Name)
	case s.Claim.Kind == fleet.ClaimClient || s.Claim.Kind == fleet.ClaimHeld:
		return fault.Refused("server %s %s; what is on it is not moved", s.Name, ownedBy(s.Claim))
	}
	return cmp.Or(KeptForPlan(tx, s, "no content is moved from it"), notTakenBack(tx, s, "no content is moved from it"), noAccounts(tx, s))
}

// mayTake refuses a server that cannot take all that is on another one.
func mayTake(tx *store.Tx, from, to *fleet.Server) error {
	if to.Operation != "" {
		return running(to, to.Name)
	}
	if err := KeptForPlan(tx, to, "no content is moved to it"); err != nil {
		return err
	}
	if from.Claim.Owner != to.Claim.Owner {
		return fault.Refused("servers %s and %s have different owners; content is moved between servers of one owner only", from.Name, to.Name)
	}
	if _, err := placeable(tx, to.ID, from.Claim.Owner); err != nil {
		return err
	}
	load, _, err := store.Loads.Find(tx, from.ID)
	if err != nil {
		return err
	}
	if load.Placements == 0 {
		return fault.Refused("customers have nothing on server %s; there is nothing to move", from.Name)
	}
	return takesLoad(tx, &load, to)
}

// takesLoad refuses a server that has no logical server for a part of a load, or no room for it.
func takesLoad(tx *store.Tx, load *hosting.Load, to *fleet.Server) error {
	there, _, err := store.Loads.Find(tx, to.ID)
	if err != nil {
		return err
	}
	f, _, err := store.Facts.Find(tx, to.ID)
	if err != nil {
		return err
	}
	has := diskOf(&f)
	full := there.PromisedMiB > has || load.PromisedMiB > has-there.PromisedMiB
	for _, kind := range []string{hosting.Account, hosting.Mailbox, hosting.Database} {
		if load.Of(hosting.ServiceOf(kind)) == 0 {
			continue
		}
		if err := carriesKind(*to, kind); err != nil {
			return err
		}
		if load.PromisedMiB > 0 && full && !oversells(tx, &hosting.Placement{Kind: kind})(to.ID) {
			return fault.Refused("server %s has %d MiB of disk, of which %d are promised; %d more would be oversold, which none of its pools for %s allows",
				to.Name, has, there.PromisedMiB, load.PromisedMiB, hosting.ServiceOf(kind))
		}
	}
	return nil
}

// MovePlacements records up to most placements of one server on another, in the commit that counts them there. It gives the ids of those, and how
// many are left; those that the snapshot does not show yet are left for the next commit.
func MovePlacements(tx *store.Tx, from, to string, most int, now time.Time) (moved []string, left uint64, err error) {
	all := store.Placements.Range(tx.Hint(), store.PlacementsOn, from+"\x00")
	for i := range min(all.Len(), most) {
		p, there, err := store.Placements.Find(tx, all.At(i).ID)
		if err != nil {
			return nil, 0, err
		}
		if !there || p.Server != from {
			continue
		}
		if err := carry(tx, &p, -1); err != nil {
			return nil, 0, err
		}
		p.Server, p.ChangedAt = to, now
		if err := cmp.Or(store.Placements.Put(tx, p.ID, p), carry(tx, &p, 1)); err != nil {
			return nil, 0, err
		}
		moved = append(moved, p.ID)
	}
	slices.Sort(moved)
	load, _, err := store.Loads.Find(tx, from)
	return moved, load.Placements, err
}

// noAccounts refuses a server whose agent carries accounts: a copy made by hand would be unknown to the other agent, and the first would not let go of its own.
func noAccounts(tx *store.Tx, s *fleet.Server) error {
	for item := range store.Accounts.Lookup(tx.Hint(), store.AccountsOn, s.ID) {
		if item.Value.State != account.Gone {
			return fault.Refused("the agent of server %s carries account %s; accounts are not moved by hand", s.Name, item.Value.Domain)
		}
	}
	return nil
}
