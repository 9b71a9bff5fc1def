package intake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
)

// sharers are the servers, other than self, that have a part of the identity.
func sharers(tx *store.Tx, i hardware.Identity, self string) ([]fleet.Server, error) {
	var ids []string
	for _, k := range fleet.IdentityKeys(i) {
		holders, _, err := store.Identities.Find(tx, k)
		if err != nil {
			return nil, err
		}
		ids = append(ids, holders.Servers...)
	}
	slices.Sort(ids)
	var list []fleet.Server
	for _, sid := range slices.Compact(ids) {
		if sid == self {
			continue
		}
		s, ok, err := store.Servers.Find(tx, sid)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, s)
		}
	}
	return list, nil
}

// putIdentity moves a server from one set of identity keys to another.
func putIdentity(tx *store.Tx, server string, before, after hardware.Identity) error {
	old, now := fleet.IdentityKeys(before), fleet.IdentityKeys(after)
	for _, k := range old {
		if slices.Contains(now, k) {
			continue
		}
		if err := holder(tx, k, func(ids []string) []string {
			return slices.DeleteFunc(ids, func(s string) bool { return s == server })
		}); err != nil {
			return err
		}
	}
	for _, k := range now {
		if slices.Contains(old, k) {
			continue
		}
		if err := holder(tx, k, func(ids []string) []string {
			if slices.Contains(ids, server) {
				return ids
			}
			return append(ids, server)
		}); err != nil {
			return err
		}
	}
	return nil
}

func holder(tx *store.Tx, key string, f func([]string) []string) error {
	h, _, err := store.Identities.Find(tx, key)
	if err != nil {
		return err
	}
	if h.Servers = f(slices.Clone(h.Servers)); len(h.Servers) == 0 {
		return store.Identities.Delete(tx, key)
	}
	return store.Identities.Put(tx, key, h)
}

// conflict quarantines s and all that share a part of its identity, with one
// task. The caller stores s.
func conflict(tx *store.Tx, s *fleet.Server, others []fleet.Server, now time.Time) error {
	var shared, names []string
	for _, o := range others {
		_, keys := fleet.Compare(s.Identity, o.Identity)
		shared = append(shared, keys...)
		names = append(names, o.ID)
	}
	slices.Sort(shared)
	what := strings.Join(slices.Compact(shared), ", ")
	s.Quarantine = &fleet.Note{Reason: "it shares " + what + " with " + strings.Join(names, ", "), Actor: access.System.Name, At: now}
	for _, o := range others {
		before := o
		if o.Quarantine == nil {
			o.Quarantine = &fleet.Note{Reason: "it shares " + what + " with " + s.ID, Actor: access.System.Name, At: now}
		}
		if err := cmp.Or(store.Servers.Put(tx, o.ID, o),
			audit(tx, access.System, "server.quarantine", "servers/"+o.ID, before, o, o.Quarantine.Reason, now)); err != nil {
			return err
		}
	}
	return conflictTask(tx, s.ID, fmt.Sprintf("Servers %s and %s claim one identity", s.ID, strings.Join(names, ", ")),
		"They share "+what+". All are in quarantine: no order gets them. Find out which one is right, correct or reject the other, then end the quarantine.", now)
}

func conflictTask(tx *store.Tx, server, subject, body string, now time.Time) error {
	t := task.New(id.At("tsk", now), systemsDepartment, task.Conflict, "conflict/"+server, subject, body, now)
	t.Server = server
	return FileTask(tx, t)
}

// Conflict quarantines a server because two agents use its identity at once.
func (in *Intake) Conflict(ctx context.Context, server, reason string) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil || s.Quarantine != nil {
			return err
		}
		before := s
		s.Quarantine = &fleet.Note{Reason: reason, Actor: access.System.Name, At: now}
		return cmp.Or(
			store.Servers.Put(tx, server, s),
			audit(tx, access.System, "server.quarantine", "servers/"+server, before, s, reason, now),
			conflictTask(tx, server, "Two agents use the identity of server "+server, reason+
				". A disk may have been copied. The server is in quarantine; find the copy, then end the quarantine.", now))
	})
}

// Renewed notes a new certificate; the one in use is accepted until the new one was
// used. An agent that lost the answer asks again: the certificate that it never
// got is replaced, the one in use stays.
func (in *Intake) Renewed(ctx context.Context, server, serial string, notAfter time.Time) error {
	return in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil || s.CertSerial == serial {
			return err
		}
		if s.PrevSerial == "" {
			s.PrevSerial = s.CertSerial
		}
		s.CertSerial, s.CertNotAfter = serial, notAfter
		return store.Servers.Put(tx, server, s)
	})
}

// Used ends the certificate before the one with this serial.
func (in *Intake) Used(ctx context.Context, server, serial string) error {
	return in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil || s.CertSerial != serial || s.PrevSerial == "" {
			return err
		}
		s.PrevSerial = ""
		return store.Servers.Put(tx, server, s)
	})
}
