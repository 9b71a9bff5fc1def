package reconcile

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
)

// lapse does what is due at the announced ends of a server's marks, and sees to it that the
// server is looked at again at the next of them.
func (r *Reconciler) lapse(ctx context.Context, s *fleet.Server) error {
	now := r.now()
	for _, e := range []struct {
		until time.Time
		end   func(context.Context, string) error
	}{
		{reminder(s), r.remind},
		{overrideEnd(s), r.endOverride},
	} {
		switch {
		case e.until.IsZero():
		case now.Before(e.until):
			r.queue.addAt(store.Servers.Name()+"/"+s.ID, e.until)
		default:
			if err := e.end(ctx, s.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// reminder is when somebody has to be reminded of a maintenance; zero is never.
func reminder(s *fleet.Server) time.Time {
	if m := s.Maintenance; m != nil && !m.Overdue {
		return m.Until
	}
	return time.Time{}
}

func overrideEnd(s *fleet.Server) time.Time {
	if o := s.Override; o != nil {
		return o.Until
	}
	return time.Time{}
}

// remind files a task for a maintenance that should be over (rule B20). It does not end it: a
// technician may have the server open.
func (r *Reconciler) remind(ctx context.Context, serverID string) error {
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, serverID)
		if at := reminder(&s); err != nil || at.IsZero() || now.Before(at) {
			return err
		}
		before, m := s, *s.Maintenance
		m.Overdue = true
		s.Maintenance = &m
		k := task.New(id.At("tsk", now), "operations", task.Approval, intake.MaintenanceKey(s.ID), "Is the maintenance of server "+s.Name+" over?",
			m.Actor+" said that it would be over at "+m.Until.UTC().Format("2006-01-02 15:04 UTC")+": "+m.Reason+". Ask, then end it (steelyard server end-maintenance) or give it more time.", now)
		k.Server = s.ID
		return cmp.Or(store.Servers.Put(tx, s.ID, s), intake.FileTask(tx, k),
			intake.Audit(tx, access.System, "server.maintenance_overdue", "servers/"+s.ID, before, s, "its announced end has passed", now))
	})
}

// endOverride takes back what an operator accepted for a time (rule B24).
func (r *Reconciler) endOverride(ctx context.Context, serverID string) error {
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, serverID)
		if at := overrideEnd(&s); err != nil || at.IsZero() || now.Before(at) {
			return err
		}
		before := s
		s.Override = nil
		return cmp.Or(store.Servers.Put(tx, s.ID, s),
			intake.Audit(tx, access.System, "server.override_end", "servers/"+s.ID, before, s, "it was given until "+before.Override.Until.UTC().Format("2006-01-02 15:04 UTC"), now))
	})
}
