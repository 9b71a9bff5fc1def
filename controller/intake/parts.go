package intake

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
)

// identify compares what a machine says it is with what is known of it. Cards that were
// added to an otherwise unchanged machine are taken over; every other change waits for a
// person, and a part that another server has puts both into quarantine (rule X1). Its claim is
// untouched: the service of a customer goes on.
func identify(tx *store.Tx, s fleet.Server, seen hardware.Identity, at time.Time) error {
	found := news(&s, seen)
	if found == nil {
		return nil
	}
	d, asked := *found, found.Pending(at)
	if len(asked.Changes) == 0 {
		return itself(tx, s, at)
	}
	before := s
	s.PendingIdentity = asked
	others, err := rivals(tx, fleet.IdentityKeys(d.Identity), s.ID)
	if err != nil {
		return err
	}
	if len(d.Changes) == 0 && len(others) == 0 {
		return widened(tx, before, d, at)
	}
	if err := doubt(tx, &s, d, others, at); err != nil {
		return err
	}
	reason := strings.Join(asked.Changes, ", ")
	return cmp.Or(index(tx, s.ID, before.Keys(), s.Keys()), store.Servers.Put(tx, s.ID, s),
		audit(tx, access.System, "server.identity_changed", "servers/"+s.ID, before, s, reason, at))
}

// news is how what a machine reports differs from what is known of it, or nil when that is
// settled or was asked already.
func news(s *fleet.Server, seen hardware.Identity) *fleet.Difference {
	if len(fleet.IdentityKeys(seen)) == 0 {
		return nil // it could read nothing
	}
	d := fleet.Differ(s.Identity, seen)
	p, same := s.PendingIdentity, len(d.Words()) == 0
	if same && p == nil || !same && p != nil && p.ID == d.Pending(time.Time{}).ID {
		return nil
	}
	return &d
}

// itself ends the question: the machine is again what it was.
func itself(tx *store.Tx, s fleet.Server, at time.Time) error {
	before := s
	s.PendingIdentity = nil
	const reason = "the machine reports what it was known by again"
	return cmp.Or(index(tx, s.ID, before.Keys(), s.Keys()), store.Servers.Put(tx, s.ID, s),
		CloseTask(tx, IdentityKey(s.ID), access.System.Name, reason, at),
		audit(tx, access.System, "server.identity_back", "servers/"+s.ID, before, s, reason, at))
}

// widened takes over what came to a machine that has everything else that it had.
func widened(tx *store.Tx, s fleet.Server, d fleet.Difference, at time.Time) error {
	before := s
	reason := strings.Join(d.Added, ", ")
	s = s.Reidentified(d.Identity, d.Added, fleet.Note{Reason: "nothing else changed", Actor: access.System.Name, At: at})
	return cmp.Or(index(tx, s.ID, before.Keys(), s.Keys()), store.Servers.Put(tx, s.ID, s),
		CloseTask(tx, IdentityKey(s.ID), access.System.Name, reason, at),
		audit(tx, access.System, "server.identity", "servers/"+s.ID, before, s, reason, at))
}

// doubt asks a person, and quarantines where it may be another machine. The caller stores s.
func doubt(tx *store.Tx, s *fleet.Server, d fleet.Difference, others []fleet.Server, at time.Time) error {
	changes := strings.Join(d.Words(), ", ")
	const next = " Look at the machine. Parts were replaced: steelyard server identity confirm. It is another machine: steelyard server identity reject."
	switch {
	case len(others) > 0:
		return cmp.Or(CloseTask(tx, IdentityKey(s.ID), access.System.Name, "another server has these parts too", at), conflict(tx, s, others, at))
	case d.Stranger && s.Quarantine == nil:
		s.Quarantine = &fleet.Note{Reason: "it reports another identity than it was known by; its disk may be in another machine", Actor: access.System.Name, At: at}
		return conflictTask(tx, s.ID, "Server "+s.Name+" reports another identity", changes+". It is in quarantine, which a person has to end too."+next, at)
	}
	t := task.New(id.At("tsk", at), systemsDepartment, task.Approval, IdentityKey(s.ID), "Were parts of server "+s.Name+" replaced?",
		changes+". Until somebody confirms it nothing is written to its disks, and no order gets it; a service on it goes on."+next, at)
	t.Server = s.ID
	return cmp.Or(CloseTask(tx, t.DedupeKey, access.System.Name, "it reports something else now", at), FileTask(tx, t))
}

// IdentityKey is the dedupe key of the task about parts that changed.
func IdentityKey(server string) string { return "identity/" + server }

// ConfirmIdentity takes over what a machine reports: a person looked and says that it is
// the same machine. pending names what that person saw; the machine may report something else
// by now. A part that another server stands for is never taken. A quarantine goes on until
// it is ended, and diagnostics have to run again (rule B18).
func (in *Intake) ConfirmIdentity(ctx context.Context, actor access.Actor, serverID, pending, reason string) (fleet.Server, int64, error) {
	if err := needReason(reason, "say what was replaced"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.identity_confirm", serverID, reason, func(tx *store.Tx, s *fleet.Server, note fleet.Note) error {
		p := s.PendingIdentity
		if n := len(s.IdentityHistory); p == nil && n > 0 && s.IdentityHistory[n-1].ID == pending {
			return nil // confirmed before
		}
		if err := sawIt(s, pending); err != nil {
			return err
		}
		others, err := rivals(tx, fleet.IdentityKeys(p.Identity), s.ID)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return fault.Refused("server %s reports parts that are those of %s; start that one so that it reports what it has now, or reject or retire it", s.ID, order.Some(idsOf(others)))
		}
		*s = s.Reidentified(p.Identity, p.Changes, note)
		return nil
	})
}

// RejectIdentity says that a machine is not the one that it was: it is kept out until it
// reports its own parts again, or somebody confirms them after all.
func (in *Intake) RejectIdentity(ctx context.Context, actor access.Actor, serverID, pending, reason string) (fleet.Server, int64, error) {
	if err := needReason(reason, "say what was found"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.identity_reject", serverID, reason, func(_ *store.Tx, s *fleet.Server, note fleet.Note) error {
		if err := sawIt(s, pending); err != nil {
			return err
		}
		if s.PendingIdentity.Rejected != nil {
			return nil
		}
		p := *s.PendingIdentity
		p.Rejected = &note
		s.PendingIdentity = &p
		if s.Quarantine == nil {
			q := note
			q.Reason = "the parts that it reports were rejected: " + reason
			s.Quarantine = &q
		}
		return nil
	})
}

// sawIt refuses a decision about something else than the machine reports now.
func sawIt(s *fleet.Server, pending string) error {
	switch p := s.PendingIdentity; {
	case p == nil:
		return fault.Refused("server %s reports the parts that it is known by; there is nothing to confirm or reject", s.ID)
	case pending == "":
		var c fault.Check
		c.Add("identity", "is empty; give the id of pending_identity, as it was looked at")
		return c.Err("it must be said what is confirmed or rejected")
	case p.ID != pending:
		return fault.Conflict("server %s reports something else now (%s: %s) than what you looked at; look again", s.ID, p.ID, strings.Join(p.Changes, ", "))
	}
	return nil
}
