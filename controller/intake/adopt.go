package intake

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// AdoptServer says that a machine which asks to join is a server that is known already, with
// a new board or disk: a person looked. The machine's certificate and parts become those of the
// server, its own record goes. Whose the server is does not change; a quarantine goes on
// until it is ended. Nobody knows what is on the disks now, so a server of nobody has to be
// commissioned again.
func (in *Intake) AdoptServer(ctx context.Context, actor access.Actor, pendingID, serverID, reason string) (fleet.Server, int64, error) {
	a := adoption{actor: actor, pending: pendingID, server: serverID, reason: reason, now: in.now()}
	var c fault.Check
	c.Require(reason != "" && len(reason) <= MaxReason, "reason", "is empty or longer than %d bytes; say what was replaced", MaxReason)
	c.Require(serverID != "", "as", "is empty; name the server that it is")
	if err := c.Err("the machine is not adopted"); err != nil {
		return fleet.Server{}, 0, err
	}
	rev, err := in.store.Change(ctx, a.decide)
	return a.after, rev, err
}

// adoption is one attempt; decide may run several times.
type adoption struct {
	actor                   access.Actor
	pending, server, reason string
	now                     time.Time
	after                   fleet.Server
}

func (a *adoption) decide(tx *store.Tx) error {
	known, err := store.Servers.Get(tx, a.server)
	if err != nil {
		return err
	}
	if known.Alias == a.pending {
		a.after = known
		return nil // adopted before
	}
	fresh, err := store.Servers.Get(tx, a.pending)
	if err != nil {
		return err
	}
	if err := cmp.Or(newcomer(&fresh), a.away(tx, &known, &fresh), mayLeave(tx, &fresh, "adopted", true)); err != nil {
		return err
	}
	a.after = a.merged(known, fresh)
	if err := a.unrivalled(tx); err != nil {
		return err
	}
	return cmp.Or(a.facts(tx, &fresh), a.records(tx, &known, &fresh))
}

// newcomer refuses to merge a record that has a history of its own.
func newcomer(s *fleet.Server) error {
	switch {
	case s.Approval != fleet.Pending:
		return fault.Refused("server %s is %s; only a machine that waits for approval can be adopted", s.ID, s.Approval)
	case s.Last != nil || s.Diagnosis != nil || s.Epoch != 0 || len(s.IdentityHistory) > 0 || s.Alias != "" || idle(s) != nil:
		return fault.Refused("server %s was in use before it waited for approval; it has a history of its own and cannot become another server", s.ID)
	case s.PendingIdentity != nil:
		return fault.Refused("server %s reports other parts now than when it joined (%s); look again, and confirm or reject them first", s.ID, strings.Join(s.PendingIdentity.Changes, ", "))
	}
	return nil
}

// away refuses while the server may still be another machine than the one that joined.
func (a *adoption) away(tx *store.Tx, known, fresh *fleet.Server) error {
	_, connected, err := store.Presences.Find(tx, known.ID)
	switch {
	case err != nil:
		return err
	case known.ID == fresh.ID:
		return fault.Refused("server %s is itself; name the server that it was before", fresh.ID)
	case connected:
		return fault.Refused("the agent of server %s is connected: it is another machine than %s; switch it off first if it is to be replaced", known.ID, fresh.ID)
	case known.Operation != "":
		return running(known, known.ID)
	}
	return nil
}

// merged is the known server as the machine that joined.
func (a *adoption) merged(known, fresh fleet.Server) fleet.Server {
	note := fleet.Note{Reason: a.reason, Actor: a.actor.Name, At: a.now}
	d := fleet.Differ(known.Identity, fresh.Identity)
	s := known.Reidentified(fresh.Identity, d.Words(), note).Soiled(a.now)
	s.InstanceID, s.EnrolKey, s.Environment, s.Alias = fresh.InstanceID, fresh.EnrolKey, fresh.Environment, fresh.ID
	s.CertSerial, s.PrevSerial, s.CertNotAfter = fresh.CertSerial, fresh.PrevSerial, fresh.CertNotAfter
	s.Epoch++
	if s.Approval != fleet.Approved {
		s.Approval, s.ApprovedBy = fleet.Approved, &note
	}
	if s.InService && (s.Claim.Kind == fleet.ClaimNone || s.Claim.Kind == "") {
		s.InService, s.ServiceSince = false, a.now
	}
	return s
}

// unrivalled refuses parts that a third server stands for.
func (a *adoption) unrivalled(tx *store.Tx) error {
	others, err := rivals(tx, a.after.Claims(), a.server)
	if err != nil {
		return err
	}
	var ids []string
	for _, o := range others {
		if o.ID != a.pending {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) > 0 {
		return fault.Refused("server %s has parts that are those of %s; reject or retire the wrong one first", a.pending, order.Some(ids))
	}
	return nil
}

// facts moves what was seen of the machine to the server that it is.
func (a *adoption) facts(tx *store.Tx, fresh *fleet.Server) error {
	f, seen, err := store.Facts.Find(tx, fresh.ID)
	if err != nil || !seen {
		return err
	}
	f.Server, f.At = a.server, a.now
	return cmp.Or(store.Facts.Put(tx, a.server, f), store.Facts.Delete(tx, fresh.ID))
}

func (a *adoption) records(tx *store.Tx, known, fresh *fleet.Server) error {
	if known.Alias != "" {
		if err := store.Aliases.Delete(tx, known.Alias); err != nil {
			return err
		}
	}
	if a.after.Quarantine != nil {
		if err := conflictTask(tx, a.server, "End the quarantine of server "+a.after.Name, "Machine "+fresh.ID+" was adopted as it. It is still in quarantine: "+
			a.after.Quarantine.Reason+". If that is settled, end the quarantine.", a.now); err != nil {
			return err
		}
	}
	const merged = "it is another server's record now"
	return cmp.Or(
		index(tx, fresh.ID, fresh.Keys(), nil), index(tx, known.ID, known.Keys(), a.after.Keys()),
		store.Servers.Put(tx, a.server, a.after), store.Servers.Delete(tx, fresh.ID),
		store.Aliases.Put(tx, fresh.ID, store.Alias{Server: a.server}),
		CloseTask(tx, ApprovalKey(fresh.ID), a.actor.Name, merged, a.now), CloseTask(tx, ConflictKey(fresh.ID), a.actor.Name, merged, a.now),
		CloseTask(tx, IdentityKey(fresh.ID), a.actor.Name, merged, a.now), settled(tx, &a.after, a.actor, a.now),
		audit(tx, a.actor, "server.adopt", "servers/"+a.server, *known, a.after, a.reason, a.now),
		audit(tx, a.actor, "server.adopted", "servers/"+fresh.ID, *fresh, nil, "it is server "+a.server+": "+a.reason, a.now))
}
