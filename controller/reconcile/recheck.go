package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
)

// How often a hosting node with left-overs is inspected again by itself (rule S9), and how soon after the last time when its agent
// connects anew: a service that could not be looked at may be up again.
const (
	recheckEvery = time.Hour
	recheckAgain = 5 * time.Minute
	// mostLines of left-overs are written into a task.
	mostLines = 20
)

// recheck looks again at a hosting node that is nobody's and has left-overs, and asks a person to remove them. What an inspection finds
// ends it by itself.
func (r *Reconciler) recheck(ctx context.Context, s *fleet.Server) (time.Time, error) {
	if !needsCleanup(s, r.load(s.ID)) {
		return time.Time{}, nil
	}
	if err := r.askCleanup(ctx, s); err != nil {
		return time.Time{}, err
	}
	p, there := store.Presences.View(r.store, s.ID)
	if s.Operation != "" || !there || !r.stock.Connected(s.ID) {
		return time.Time{}, nil // it is looked at again when that changes
	}
	at := recheckAt(s.LeftOvers, p.Since)
	if at.After(r.now()) {
		return at, nil
	}
	return time.Time{}, r.inspect(ctx, s.ID, p.Since)
}

// needsCleanup reports whether somebody has to look after what a former owner left.
func needsCleanup(s *fleet.Server, placements uint64) bool {
	return s.Node != nil && s.LeftOvers != nil && !s.Claim.Owned() && s.Claim.Kind != fleet.ClaimPlan && placements == 0 &&
		s.Approval == fleet.Approved && s.Unsettled() == ""
}

func (r *Reconciler) load(server string) uint64 {
	if l, ok := store.Loads.View(r.store, server); ok {
		return l.Placements
	}
	return 0
}

// recheckAt is when left-overs are looked at again, with an agent that connected at since.
func recheckAt(l *fleet.LeftOvers, since time.Time) time.Time {
	last := l.At
	if l.TriedAt.After(last) {
		last = l.TriedAt
	}
	if since.After(last) {
		return last.Add(recheckAgain)
	}
	return last.Add(recheckEvery)
}

// inspect starts an inspection for nobody's sake but the server's.
func (r *Reconciler) inspect(ctx context.Context, server string, since time.Time) error {
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		before, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		load, _, err := store.Loads.Find(tx, server)
		if err != nil || !needsCleanup(&before, load.Placements) || before.Operation != "" || recheckAt(before.LeftOvers, since).After(now) {
			return err
		}
		s, left := before, *before.LeftOvers
		left.TriedAt = now
		s.LeftOvers = &left
		op, err := intake.Begin(tx, &s, id.At("opn", now), operation.Inspect, operation.Params{}, 0, now)
		if err != nil {
			return err
		}
		op.RequestedBy = access.System.Name
		return cmp.Or(store.Servers.Put(tx, s.ID, s), store.Operations.Create(tx, op.ID, op),
			intake.Audit(tx, access.System, "operation.inspect", "servers/"+s.ID, before, s, "rule S9", now))
	})
}

// askCleanup files the task that lists what is to be removed, once (rule X6).
func (r *Reconciler) askCleanup(ctx context.Context, s *fleet.Server) error {
	key := intake.CleanupKey(s.ID)
	if r.open(key) {
		return nil
	}
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		i, _, err := store.Inspections.Find(tx, s.ID)
		if err != nil {
			return err
		}
		base, _, err := store.Baselines.Find(tx, s.ID)
		if err != nil {
			return err
		}
		left := i.Beyond(&base)
		body := fmt.Sprintf("Its former owner left %s. Nobody gets the server before that is gone: remove it; the server is inspected again every hour, or at once by: steelyard server inspect %s. Or clear it with a reason: steelyard server clear-left-overs %s.\n\n%s",
			s.LeftOvers.Words(), s.Name, s.Name, strings.Join(left.Lines(mostLines), "\n"))
		k := task.New(id.At("tsk", now), "operations", task.Cleanup, key, "Server "+s.Name+": cleanup required", body, now)
		k.Server = s.ID
		return intake.FileTask(tx, k)
	})
}
