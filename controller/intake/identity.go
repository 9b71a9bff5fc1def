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
	"github.com/steelyard/steelyard/pkg/id"
)

// holders are the servers, other than self, that are found under one of the keys.
func holders(tx *store.Tx, keys []string, self string) ([]fleet.Server, error) {
	var ids []string
	for _, k := range keys {
		h, _, err := store.Identities.Find(tx, k)
		if err != nil {
			return nil, err
		}
		ids = append(ids, h.Servers...)
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

// rivals are the servers, other than self, that stand for one of the keys now. Of two
// machines whose cards were swapped neither is the other's: each reports what it has.
func rivals(tx *store.Tx, keys []string, self string) ([]fleet.Server, error) {
	list, err := holders(tx, keys, self)
	return slices.DeleteFunc(list, func(o fleet.Server) bool { return len(fleet.Shared(o.Claims(), keys)) == 0 }), err
}

func idsOf(list []fleet.Server) (ids []string) {
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// index moves a server from one set of identity keys to another.
func index(tx *store.Tx, server string, old, now []string) error {
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

// conflict quarantines s and all that share a part of what it stands for, with one
// task. The caller stores s.
func conflict(tx *store.Tx, s *fleet.Server, others []fleet.Server, now time.Time) error {
	var shared, names []string
	mine := s.Claims()
	for _, o := range others {
		shared = append(shared, fleet.Shared(mine, o.Keys())...)
		names = append(names, o.ID)
	}
	slices.Sort(shared)
	what := strings.Join(slices.Compact(shared), ", ")
	if s.Quarantine == nil {
		s.Quarantine = &fleet.Note{Reason: "it shares " + what + " with " + strings.Join(names, ", "), Actor: access.System.Name, At: now}
	}
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
		"They share "+what+". All are in quarantine: no order gets them. Find out which one is right: confirm what it reports, adopt it, or reject or retire the other one; then end the quarantine.", now)
}

// ConflictKey is the dedupe key of the task about a server in quarantine.
func ConflictKey(server string) string { return "conflict/" + server }

func conflictTask(tx *store.Tx, server, subject, body string, now time.Time) error {
	t := task.New(id.At("tsk", now), systemsDepartment, task.Conflict, ConflictKey(server), subject, body, now)
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
		return cmp.Or(forgetAlias(tx, &s), store.Servers.Put(tx, server, s))
	})
}
