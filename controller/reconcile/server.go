package reconcile

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// diagnoseAgain is how long after failed diagnostics they are tried again. A failed
// erase is never repeated without a person.
const diagnoseAgain = 10 * time.Minute

// server closes the tasks whose cause is gone, and starts what a server in service needs to
// become available: first the erase, then diagnostics.
func (r *Reconciler) server(ctx context.Context, serverID string) (time.Time, error) {
	s, ok := store.Servers.View(r.store, serverID)
	if !ok {
		return time.Time{}, nil
	}
	if s.Claim.Kind == fleet.ClaimHeld {
		r.queue.add(store.Orders.Name() + "/" + s.Claim.Ref)
	}
	if err := cmp.Or(r.settle(ctx, s), r.lapse(ctx, s), r.repaired(ctx, s), r.assigned(ctx, s)); err != nil {
		return time.Time{}, err
	}
	if at, err := r.power(ctx, s); err != nil || !at.IsZero() {
		return at, err
	}
	if at, err := r.recheck(ctx, s); err != nil || !at.IsZero() {
		return at, err
	}
	f, _ := store.Facts.View(r.store, serverID)
	kind, at := needed(s, f, r.stock.Connected(serverID) || r.wakeable(s), r.load(serverID) > 0)
	if kind == "" || at.After(r.now()) {
		return at, nil
	}
	err := r.begin(ctx, serverID, kind)
	if fault.Is(err, fault.KindRefused) {
		return r.now().Add(diagnoseAgain), r.cannot(ctx, s, kind, err)
	}
	return time.Time{}, err
}

// cannot asks a person for what an operation needs and the server does not have.
func (r *Reconciler) cannot(ctx context.Context, s *fleet.Server, kind string, cause error) error {
	key := intake.CleanupKey(s.ID)
	if r.open(key) {
		return nil
	}
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		k := task.New(id.At("tsk", now), "operations", task.Cleanup, key, "Server "+s.Name+": no "+kind+" is possible", cause.Error(), now)
		k.Server = s.ID
		return intake.FileTask(tx, k)
	})
}

// wakeable reports whether a server was switched off by its last operation and can be turned on again
// without a person.
func (r *Reconciler) wakeable(s *fleet.Server) bool {
	bmc, ok := store.BMCs.View(r.store, s.ID)
	return ok && !s.ParkedAt.IsZero() && outofband.Switched(bmc.Driver)
}

// needed tells which operation a server needs, and from when on. reachable is one whose agent is
// connected, or that can be turned on; one that customers have something on is never erased.
func needed(s *fleet.Server, f *fleet.Facts, reachable, used bool) (kind string, at time.Time) {
	if s.Approval != fleet.Approved || s.Operation != "" || s.Unsettled() != "" || s.Maintenance != nil || !reachable || f == nil {
		return "", at
	}
	owned := s.Claim.Owned()
	if !owned && !used && s.Node == nil && s.InService && s.Cleanliness != fleet.Clean && s.Environment != protocol.EnvInstalled && s.Environment != protocol.EnvRescue {
		if l := s.Last; l != nil && l.Kind == operation.Erase && l.State != operation.Done {
			return "", at
		}
		return operation.Erase, at
	}
	if owned || s.Diagnosis != nil && s.Diagnosis.ConfigurationKey == f.Key {
		return "", at
	}
	if l := s.Last; l != nil && l.Kind == operation.Diagnose && l.State != operation.Done {
		at = l.At.Add(diagnoseAgain)
	}
	return operation.Diagnose, at
}

func (r *Reconciler) begin(ctx context.Context, serverID, kind string) error {
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, serverID)
		if err != nil {
			return err
		}
		f, known, err := store.Facts.Find(tx, serverID)
		if err != nil || !known {
			return err
		}
		load, _, err := store.Loads.Find(tx, serverID)
		if err != nil {
			return err
		}
		if k, at := needed(&s, &f, true, load.Placements > 0); k != kind || at.After(now) {
			return nil
		}
		before := s
		op, err := intake.Begin(tx, &s, id.At("opn", now), kind, operation.Params{}, r.allowed(s, kind), now)
		if err != nil {
			return err
		}
		op.RequestedBy = access.System.Name
		return cmp.Or(store.Servers.Put(tx, s.ID, s), store.Operations.Create(tx, op.ID, op),
			intake.Audit(tx, access.System, "operation."+kind, "servers/"+s.ID, before, s, "", now))
	})
}

// allowed is the module's limit for diagnostics of a server that an order holds
// (rule B16), else 0: the fleet's own.
func (r *Reconciler) allowed(s fleet.Server, kind string) time.Duration {
	if kind != operation.Diagnose || s.Claim.Kind != fleet.ClaimHeld {
		return 0
	}
	o, ok := store.Orders.View(r.store, s.Claim.Ref)
	if !ok {
		return 0
	}
	m, ok := store.Modules.View(r.store, o.Module)
	if !ok {
		return 0
	}
	return time.Duration(m.DiagTimeout) * time.Minute
}

// settle closes the tasks about approval, identity and disks when they are settled (rule X6).
func (r *Reconciler) settle(ctx context.Context, s *fleet.Server) error {
	var keys []string
	if k := "approval/" + s.ID; s.Approval != fleet.Pending && r.open(k) {
		keys = append(keys, k)
	}
	if k := "conflict/" + s.ID; s.Quarantine == nil && r.open(k) {
		keys = append(keys, k)
	}
	if k := intake.CleanupKey(s.ID); s.IsClean() && r.open(k) {
		keys = append(keys, k)
	}
	if k := intake.NewDiskKey(s.ID); s.Cleanliness == fleet.Clean && r.open(k) {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil
	}
	return r.change(ctx, func(tx *store.Tx) error {
		for _, k := range keys {
			if err := intake.CloseTask(tx, k, access.System.Name, "its cause is gone", r.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Reconciler) open(dedupeKey string) bool {
	_, ok := store.TaskKeys.View(r.store, dedupeKey)
	return ok
}
