package reconcile

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// HoldFor is how long a server is held for an order without anybody working on
// its build task (rule B27).
const HoldFor = 72 * time.Hour

// waitingKey stands for all orders that wait for a server.
const waitingKey = "waiting"

// errStale says that a server which looked available is not, or that the order moved on.
var errStale = errors.New("the server or the order changed meanwhile")

// order looks at one order.
func (r *Reconciler) order(ctx context.Context, orderID string) (time.Time, error) {
	o, ok := store.Orders.View(r.store, orderID)
	r.queued.note(orderID, ok && o.State == order.Waiting)
	if !ok {
		return time.Time{}, nil
	}
	if o.Remote.Module != "" {
		return r.far(ctx, *o)
	}
	switch o.State {
	case order.New, order.Waiting: // stock may have come while it was found waiting
		return r.place(ctx, *o)
	case order.Held:
		return r.held(ctx, *o)
	}
	return time.Time{}, nil
}

// waiting offers new stock to the orders that wait, oldest first.
func (r *Reconciler) waiting(ctx context.Context) error {
	var list []*order.Order
	for _, id := range r.queued.list() {
		if o, ok := store.Orders.View(r.store, id); ok && o.State == order.Waiting {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *order.Order) int { return a.PlacedAt.Compare(b.PlacedAt) })
	for _, o := range list {
		if r.stock.Catalogue.Free() == 0 {
			return nil
		}
		next, err := r.place(ctx, *o)
		if err != nil {
			return err
		}
		if !next.IsZero() {
			r.queue.addAt(store.Orders.Name()+"/"+o.ID, next)
		}
	}
	return nil
}

// place finds the best server for an order and claims it, or takes the next best when
// somebody else was faster (rule B28b). Only when there is none the order waits; next is when remote
// modules are asked again.
func (r *Reconciler) place(ctx context.Context, o order.Order) (next time.Time, err error) {
	modules, settings := r.modules(o)
	if slices.ContainsFunc(modules, func(m match.Module) bool { return settings[m.ID].Kind == order.ModuleRemote }) {
		return r.placeAnywhere(ctx, o, modules, settings)
	}
	var stale []string
	defer func() {
		for _, s := range stale {
			r.stock.Catalogue.Release(s)
			r.queue.addAt(waitingKey, r.now().Add(retryAfter)) // stock has seen what changed by then
		}
	}()
	for {
		started := time.Now()
		offer, ok := r.offer(modules, o.HoldExpired)
		r.observe.Matched(ok, offer.Result.Exact, time.Since(started))
		if !ok {
			return next, r.wait(ctx, o, nil)
		}
		if err := r.take(ctx, o, offer, settings[offer.Module]); !errors.Is(err, errStale) {
			return next, err
		}
		stale = append(stale, offer.Result.ServerID)
	}
}

// take claims a reserved server for an order. errStale says that the server was not what it
// seemed; it stays reserved.
func (r *Reconciler) take(ctx context.Context, o order.Order, offer match.Offer, m order.Module) error {
	var given bool
	err := r.change(ctx, func(tx *store.Tx) (err error) {
		given, err = r.claim(tx, o.ID, offer, m)
		return err
	})
	switch {
	case err == nil && given:
		return nil // stock forgets the server when it sees the claim
	case err == nil, errors.Is(err, errOrderMoved):
		r.giveBack(offer.Result.ServerID)
		return nil
	case lacksAddress(err):
		r.stock.Catalogue.Release(offer.Result.ServerID)
		return r.lack(ctx, o, err)
	case !errors.Is(err, errStale):
		r.giveBack(offer.Result.ServerID)
	}
	return err
}

// giveBack ends a reservation, and tells those who were answered "none" meanwhile.
func (r *Reconciler) giveBack(server string) {
	r.stock.Catalogue.Release(server)
	r.queue.add(waitingKey)
}

func (r *Reconciler) offer(modules []match.Module, exactOnly bool) (match.Offer, bool) {
	if !exactOnly {
		return r.stock.Catalogue.ReserveOf(modules)
	}
	for {
		o, ok := r.stock.Catalogue.BestOf(modules)
		if !ok || !o.Result.Exact {
			return match.Offer{}, false
		}
		if r.stock.Catalogue.Take(o.Result.ServerID) {
			return o, true
		}
	}
}

// modules are the order's modules as the matcher wants them (rules B2, B9, B11).
func (r *Reconciler) modules(o order.Order) ([]match.Module, map[string]order.Module) {
	var list []match.Module
	settings := map[string]order.Module{}
	for _, mid := range o.Modules {
		if m, ok := store.Modules.View(r.store, mid); ok {
			list = append(list, match.Module{ID: m.ID, Sort: m.SortOrder, CreatedAt: m.CreatedAt.UnixNano(), Wish: wishOf(o, *m)})
			settings[m.ID] = *m
		}
	}
	return list, settings
}

func wishOf(o order.Order, m order.Module) match.Wish {
	w := match.Wish{Location: m.Location, Configuration: o.Configuration}
	if m.ByServerType {
		w.ServerType = o.ServerType
	}
	if m.Weights != (match.Weights{}) {
		w.Weights = &m.Weights
	}
	return w
}

var errOrderMoved = errors.New("the order moved on")

// claim gives a server to an order: an exact one to be prepared (rule B26), the
// closest one to be rebuilt (B27). Order, service, server, operation or task, and
// the audit lines are one commit. given is false when the order cannot be served at all.
func (r *Reconciler) claim(tx *store.Tx, orderID string, offer match.Offer, m order.Module) (given bool, err error) {
	o, err := store.Orders.Get(tx, orderID)
	if err != nil {
		return false, err
	}
	if o.State != order.New && o.State != order.Waiting {
		return false, errOrderMoved
	}
	free, err := intake.ForOrder(tx, offer.Result.ServerID, r.stock.Index.Surroundings(offer.Result.ServerID))
	if fault.Is(err, fault.KindRefused) || fault.Is(err, fault.KindNotFound) {
		return false, errStale
	}
	if err != nil {
		return false, err
	}
	o.Server, o.Module, o.Distance, o.Parts = offer.Result.ServerID, m.ID, offer.Result.Distance, offer.Result.Changes
	if offer.Result.Exact {
		return r.prepare(tx, o, free, m)
	}
	return true, r.hold(tx, o, free, m)
}

// prepare starts the installation; given is false when it can never succeed.
func (r *Reconciler) prepare(tx *store.Tx, o order.Order, free intake.Free, m order.Module) (given bool, err error) {
	now := r.now()
	svc, err := store.Services.Get(tx, o.Service)
	if err != nil {
		return false, err
	}
	before, was := free.Server(), o
	s := free.To(fleet.Claim{Kind: fleet.ClaimClient, Ref: svc.ID}, now)
	op, err := intake.Begin(tx, &s, id.At("opn", now), operation.Install,
		operation.Params{Image: o.Image, Hostname: o.Hostname, SSHKeys: o.SSHKeys}, r.installTime(tx, o, m), now)
	if fault.Is(err, fault.KindRefused) || fault.Is(err, fault.KindNotFound) {
		return false, r.impossible(tx, was, before, svc, m, err)
	}
	if err != nil {
		return false, err
	}
	if _, err := intake.AssignAddresses(tx, &s, svc, m.Pools, now); err != nil {
		return false, addressFault(err)
	}
	op.Order, op.Service, op.Department, op.RequestedBy = o.ID, svc.ID, m.Department, "order "+o.ID
	o.State, o.Operation, o.Message, o.ChangedAt, o.HeldUntil = order.Preparing, op.ID, "server "+s.Name+" is being prepared", now, time.Time{}
	svc.State, svc.Server, svc.Message, svc.ChangedAt = order.ServicePreparing, s.ID, o.Message, now
	return true, cmp.Or(store.Servers.Put(tx, s.ID, s), store.Orders.Put(tx, o.ID, o), store.Services.Put(tx, svc.ID, svc),
		store.Operations.Create(tx, op.ID, op),
		intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "server "+s.ID+" fits and is being prepared", now),
		intake.Audit(tx, access.System, "order.prepare", "orders/"+o.ID, was, o, "", now),
		intake.Audit(tx, access.System, "server.claim", "servers/"+s.ID, before, s, "", now))
}

// installTime is the module's, by the family of the image's system (rules B13–B16).
func (r *Reconciler) installTime(tx *store.Tx, o order.Order, m order.Module) time.Duration {
	minutes := m.InstallTimeoutLinux
	if img, ok, err := store.Images.Find(tx, o.Image); err == nil && ok && img.OSFamily == "windows" {
		minutes = m.InstallTimeoutWindows
	}
	if o.InstallTimeout > 0 {
		minutes = o.InstallTimeout
	}
	return time.Duration(minutes) * time.Minute
}

// impossible ends an order that no waiting can help, and lets a server go that was
// held for it (rule B43).
func (r *Reconciler) impossible(tx *store.Tx, o order.Order, s fleet.Server, svc order.Service, m order.Module, cause error) error {
	now := r.now()
	was := o
	o.State, o.Message, o.ChangedAt, o.Server, o.HeldUntil = order.Failed, cause.Error(), now, "", time.Time{}
	svc.State, svc.Message, svc.ChangedAt = order.ServiceNeedsAttention, o.Message, now
	k := task.New(id.At("tsk", now), m.Department, task.Failure, order.FailureKey(o.ID), "Order "+o.ID+" cannot be prepared", cause.Error(), now)
	k.Order, k.Service = o.ID, o.Service
	return cmp.Or(store.Orders.Put(tx, o.ID, o), store.Services.Put(tx, svc.ID, svc), r.unhold(tx, o, s, o.Message),
		intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "the order cannot be prepared", now), intake.FileTask(tx, k),
		intake.Audit(tx, access.System, "order.fail", "orders/"+o.ID, was, o, o.Message, now))
}

func (r *Reconciler) hold(tx *store.Tx, o order.Order, free intake.Free, m order.Module) error {
	now := r.now()
	before, was := free.Server(), o
	s := free.To(fleet.Claim{Kind: fleet.ClaimHeld, Ref: o.ID}, now)
	k := task.New(id.At("tsk", now), m.Department, task.Build, order.BuildKey(o.ID),
		"Rebuild server "+s.Name+" for order "+o.ID, match.Parts(o.Parts), now)
	k.Server, k.Order, k.Service, k.Parts = s.ID, o.ID, o.Service, o.Parts
	o.State, o.Task, o.HeldUntil, o.ChangedAt = order.Held, k.ID, now.Add(HoldFor), now
	o.Message = "server " + s.Name + " is held; to do: " + match.Parts(o.Parts)
	return cmp.Or(
		intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "server "+s.ID+" is held now", now),
		intake.FileTask(tx, k), store.Servers.Put(tx, s.ID, s), store.Orders.Put(tx, o.ID, o),
		intake.Audit(tx, access.System, "order.hold", "orders/"+o.ID, was, o, "", now),
		intake.Audit(tx, access.System, "server.hold", "servers/"+s.ID, before, s, "", now))
}

// waitlist is the set of orders that wait. It is derived: every order is looked at
// when the reconciler starts and whenever it changes.
type waitlist struct {
	mu  sync.Mutex
	ids map[string]bool
}

func newWaitlist() *waitlist { return &waitlist{ids: map[string]bool{}} }

func (w *waitlist) note(id string, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if waits {
		w.ids[id] = true
	} else {
		delete(w.ids, id)
	}
}

func (w *waitlist) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.ids))
}

// wait records that there is no server now, and that somebody should know.
func (r *Reconciler) wait(ctx context.Context, seen order.Order, why error) error {
	if seen.State == order.Waiting {
		return nil
	}
	reasons := ""
	if why != nil {
		reasons = " " + strings.ReplaceAll(why.Error(), "\n", "; ") + "."
	}
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		o, err := store.Orders.Get(tx, seen.ID)
		if err != nil || o.State != order.New {
			return err
		}
		was := o
		k := task.New(id.At("tsk", now), r.department(o), task.Build, order.BuildKey(o.ID), "No server for order "+o.ID,
			"No available server can serve it: "+o.Configuration.String()+". It is served as soon as one becomes available."+reasons, now)
		k.Order, k.Service = o.ID, o.Service
		o.State, o.Task, o.Message, o.ChangedAt = order.Waiting, k.ID, "no server is available that may be taken; the order waits."+reasons, now
		if reasons == "" {
			o.Message = "no server is available that may be taken; the order waits"
		}
		return cmp.Or(store.Orders.Put(tx, o.ID, o), intake.FileTask(tx, k),
			intake.Audit(tx, access.System, "order.wait", "orders/"+o.ID, was, o, "", now))
	})
}

func (r *Reconciler) department(o order.Order) string {
	modules, settings := r.modules(o)
	if len(modules) == 0 {
		return "operations"
	}
	match.SortModules(modules)
	return settings[modules[0].ID].Department
}
