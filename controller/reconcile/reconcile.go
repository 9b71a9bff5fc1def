package reconcile

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// workers is how many records are looked at side by side. Commits of different
// servers do not conflict and are grouped by the store.
const workers = 64

// retryAfter is how long a look that could not be finished waits.
const retryAfter = 2 * time.Second

// agentsBack is how long agents have to come back before a person is asked for what they would do. A leader that is new in
// office may see none of them, because the state was out of reach: presences that ran out are written again within seconds, and an agent
// whose replica ended tries another one within the half minute of its back-off.
const agentsBack = time.Minute

// Observer is told what happened, for metrics.
type Observer interface {
	Matched(found, exact bool, took time.Duration)
	OperationFinished(kind, state string, took time.Duration)
	OrderFulfilled(took time.Duration)
}

// Signer signs permits with the fleet's Ed25519 key.
type Signer interface {
	Sign(data []byte) []byte
}

// Reconciler moves lifecycles.
type Reconciler struct {
	store   *store.Store
	stock   *stock.Stock
	signer  Signer
	log     *slog.Logger
	now     func() time.Time
	observe Observer
	queue   *queue
	queued  *waitlist
	paced   *pacer
	fanOut  int // how many an edit of an offer reaches at once
	fence   store.Fence
	since   time.Time // when it began to lead
	remotes Remotes   // nil: remote modules offer nothing
}

// New makes a reconciler. It starts nothing.
func New(s *store.Store, k *stock.Stock, signer Signer, log *slog.Logger, now func() time.Time, o Observer) *Reconciler {
	return &Reconciler{store: s, stock: k, signer: signer, log: log, now: now, observe: o, queue: newQueue(), queued: newWaitlist(), fanOut: fanOut, paced: &pacer{next: map[string]time.Time{}}}
}

// Run works until ctx ends, which it does when leadership is lost.
func (r *Reconciler) Run(ctx context.Context, fence store.Fence) error {
	r.queue, r.queued, r.fence, r.since = newQueue(), newWaitlist(), fence, r.now()
	stop := r.stock.Listen(r.noticed)
	defer stop()
	if r.remotes != nil {
		defer r.remotes.Listen(func(id string) { r.queue.add(store.Orders.Name() + "/" + id) })()
	}
	r.everything()
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { return r.work(ctx) })
	}
	return g.Wait()
}

// noticed turns a change of a record into looks at what depends on it.
func (r *Reconciler) noticed(table, id string) {
	switch table {
	case store.Operations.Name():
		r.queue.add(table + "/" + id)
		if op, ok := store.Operations.View(r.store, id); ok && op.ReplacedBy != "" {
			r.queue.add(table + "/" + op.ReplacedBy)
		}
	case store.Orders.Name():
		r.queue.add(table + "/" + id)
	case store.Servers.Name():
		r.queue.add(table + "/" + id)
		if s, ok := store.Servers.View(r.store, id); ok && s.Unsettled() != "" {
			r.waitingOn(id)
		}
		if of, ok := store.SalesOf.View(r.store, id); ok {
			r.revoking(of.Sale)
		}
	case store.Sales.Name():
		r.revoking(id)
	case store.Results.Name(), store.Commands.Name():
		r.queue.add(store.Operations.Name() + "/" + operationOf(id))
	case store.Facts.Name(), store.BMCs.Name(), store.Loads.Name():
		r.queue.add(store.Servers.Name() + "/" + id)
	case store.Presences.Name(), store.Observations.Name():
		r.queue.add(store.Servers.Name() + "/" + id)
		r.waitingOn(id)
	case store.Services.Name():
		if svc, ok := store.Services.View(r.store, id); ok && svc.Server != "" {
			r.queue.add(store.Servers.Name() + "/" + svc.Server)
		} else if ok && svc.Remote.Module != "" {
			r.queue.add(store.Orders.Name() + "/" + svc.Order)
		}
	case store.Tasks.Name():
		if k, ok := store.Tasks.View(r.store, id); ok {
			r.about(k)
			if !k.Remind().IsZero() {
				r.queue.add(table + "/" + id)
			}
		}
	case store.SignUps.Name():
		r.signedUp(id)
	case store.ResellerPlans.Name(), store.Allotments.Name():
		r.queue.add(store.ResellerPlans.Name() + "/" + id)
	case store.Resellers.Name():
		r.queue.add(table + "/" + id)
		r.shortBelow(id)
		r.signedUpFor(id)
		r.suspendedBelow(id)
		r.roomAt(id)
	case store.Retails.Name():
		r.roomAt(id)
	case store.Offers.Name():
		r.queue.add(table + "/" + id)
	case store.Subscriptions.Name(), store.SubscriptionUses.Name():
		r.queue.add(store.Subscriptions.Name() + "/" + id)
	case store.Provisions.Name():
		r.provided(id)
	case store.Accounts.Name(), store.Hosted.Name(), store.HostedResults.Name():
		r.accountNews(id)
	case store.ServerGroups.Name():
		r.regrouped(id)
	case stock.Resynced:
		r.everything()
	case stock.Available:
		r.queue.add(waitingKey)
	}
}

// revoking looks at a sale, if it is being taken back.
func (r *Reconciler) revoking(id string) {
	if sale, ok := store.Sales.View(r.store, id); ok && sale.State == reselling.Revoking {
		r.queue.add(store.Sales.Name() + "/" + id)
	}
}

// waitingOn looks at the operation of a server about which doubts came up, or whose agent or power came or went.
func (r *Reconciler) waitingOn(server string) {
	if s, ok := store.Servers.View(r.store, server); ok && s.Operation != "" {
		r.queue.add(store.Operations.Name() + "/" + s.Operation)
	}
}

// awaited is until when the agent of a server that is not connected may come back by itself: after this replica began to
// lead, and after the agent was lost.
func (r *Reconciler) awaited(server string) time.Time {
	from := r.since
	if lost := r.stock.Index.Lost(server); lost.After(from) {
		from = lost
	}
	return from.Add(agentsBack)
}

// about looks at what may wait for a task.
func (r *Reconciler) about(k *task.Task) {
	if k.Order != "" {
		r.queue.add(store.Orders.Name() + "/" + k.Order)
	}
	if k.Operation != "" {
		r.queue.add(store.Operations.Name() + "/" + k.Operation)
	}
}

// operationOf cuts a command key, <server>/<operation>-<step>-<attempt>.
func operationOf(key string) string {
	_, id, _ := strings.Cut(key, "/")
	parts := strings.Split(id, "-")
	if len(parts) < 3 {
		return id
	}
	return strings.Join(parts[:len(parts)-2], "-")
}

// everything is looked at once at the start: what was missed while nobody led.
func (r *Reconciler) everything() {
	r.queue.add(sweepKey)
	snap := r.store.Snapshot()
	for id := range store.Operations.Keys(snap) {
		r.queue.add(store.Operations.Name() + "/" + id)
	}
	for id := range store.Orders.Keys(snap) {
		r.queue.add(store.Orders.Name() + "/" + id)
	}
	for id := range store.Servers.Keys(snap) {
		r.queue.add(store.Servers.Name() + "/" + id)
	}
	for i := range store.Tasks.Items(snap) {
		if !i.Value.Remind().IsZero() {
			r.queue.add(store.Tasks.Name() + "/" + i.ID)
		}
	}
	for id := range store.SignUps.Keys(snap) {
		r.signedUp(id)
	}
	for id := range store.Sales.Keys(snap) {
		r.revoking(id)
	}
	for id := range store.ResellerPlans.Keys(snap) {
		r.queue.add(store.ResellerPlans.Name() + "/" + id)
	}
	for id := range store.Offers.Keys(snap) {
		r.queue.add(store.Offers.Name() + "/" + id)
	}
	for id := range store.Subscriptions.Keys(snap) {
		r.queue.add(store.Subscriptions.Name() + "/" + id)
	}
	for id := range store.Accounts.Keys(snap) {
		r.accountNews(id)
	}
}

func (r *Reconciler) work(ctx context.Context) error {
	for {
		key, ok := r.queue.get(ctx)
		if !ok {
			return ctx.Err()
		}
		next, err := r.look(ctx, key)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if !fault.Is(err, fault.KindUnavailable) && !fault.Is(err, fault.KindConflict) {
				r.log.Error("reconcile failed", "key", key, "error", err)
			}
			r.queue.addAt(key, r.now().Add(retryAfter))
		case !next.IsZero():
			r.queue.addAt(key, next)
		}
		r.queue.done(key)
	}
}

// look does what the record asks for now, and tells when to look again.
func (r *Reconciler) look(ctx context.Context, key string) (next time.Time, err error) {
	switch key {
	case waitingKey:
		return time.Time{}, r.waiting(ctx)
	case sweepKey:
		return r.sweep(ctx)
	}
	table, id, _ := strings.Cut(key, "/")
	switch table {
	case store.Orders.Name():
		return r.order(ctx, id)
	case store.Operations.Name():
		return r.operation(ctx, id)
	case store.Tasks.Name():
		return r.due(ctx, id)
	case store.Offers.Name():
		return r.reach(ctx, id)
	case store.Subscriptions.Name():
		return r.subscription(ctx, id)
	case store.Sales.Name():
		return time.Time{}, r.sale(ctx, id)
	case store.Accounts.Name():
		return r.account(ctx, id)
	case store.ResellerPlans.Name():
		if err := r.plan(ctx, id); err != nil {
			return time.Time{}, err
		}
		return r.reachResellers(id), nil
	case store.Resellers.Name():
		return time.Time{}, r.reseller(ctx, id)
	case store.Retails.Name():
		r.room(id)
		return time.Time{}, nil
	default:
		return r.server(ctx, id)
	}
}

// change commits as the leader, or not at all.
func (r *Reconciler) change(ctx context.Context, f func(tx *store.Tx) error) error {
	_, err := r.store.Change(store.WithFence(ctx, r.fence), f)
	return err
}
