package reconcile

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/remote"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Pace of looking at what remote modules serve. Events come sooner; this is for when they do not.
const (
	remoteRetry   = 5 * time.Second  // an answer is missing
	remoteMoving  = 15 * time.Second // something is on its way there
	remoteSettled = 15 * time.Minute
	// remoteQuiet is how long an order that is not found there may still arrive: longer than any
	// request lives.
	remoteQuiet = 2 * time.Minute
)

// Remotes finds the backends of remote modules; package remote has them.
type Remotes interface {
	// Of is the client of a module; the fault is unavailable while its backend is not connected.
	Of(module string) (*remote.Client, error)
	// Listen tells of orders whose counterparts may have changed.
	Listen(f func(orderID string)) (stop func())
	// UserData is what the customer of an order wrote for cloud-init.
	UserData(orderID string) (logging.Secret, error)
}

// SetRemotes gives the backends of remote modules, before first use. Without them such modules
// offer nothing.
func (r *Reconciler) SetRemotes(remotes Remotes) { r.remotes = remotes }

// farLook is one look at an order that a remote module took.
type farLook struct {
	*Reconciler
	client *remote.Client
	module order.Module
	order  order.Order
	svc    order.Service
}

// far looks at an order that a remote module took, and at its service: for ever, until nothing is left there.
func (r *Reconciler) far(ctx context.Context, o order.Order) (next time.Time, err error) {
	svc, ok := store.Services.View(r.store, o.Service)
	if !ok || !o.InUse(svc) {
		return time.Time{}, nil
	}
	f := &farLook{Reconciler: r, order: o, svc: *svc}
	if m, ok := store.Modules.View(r.store, o.Remote.Module); ok {
		f.module = *m
	}
	if r.remotes == nil {
		return time.Time{}, nil
	}
	if f.client, err = r.remotes.Of(o.Remote.Module); err != nil { // what was seen last stays; the task about the backend says why
		return r.now().Add(remoteAgain), nil
	}
	var wait time.Duration
	switch {
	case o.Remote.State == order.RemotePlacing:
		wait, err = f.place(ctx)
	case o.Remote.State == order.RemoteWithdrawing:
		wait, err = f.withdraw(ctx)
	case o.State == order.Fulfilled:
		wait, err = f.follow(ctx)
	default:
		wait, err = f.watch(ctx)
	}
	if fault.Is(err, fault.KindUnavailable) || fault.Is(err, fault.KindDenied) {
		wait, err = remoteRetry, nil
	}
	if wait == 0 || err != nil {
		return time.Time{}, err
	}
	return r.now().Add(wait), nil
}

// at is now as it is when it was stored and read again: what is compared with a record holds
// no other.
func (f *farLook) at() time.Time { return f.Reconciler.now().UTC().Round(0) }

// errStep says that the order moved on while the backend was asked; its change is looked at.
var errStep = fault.Conflict("the order changed meanwhile")

// keep commits what follows from an answer, if order and service are still as they were when
// it was asked for.
func (f *farLook) keep(ctx context.Context, change func(tx *store.Tx, o *order.Order, svc *order.Service) error) error {
	return f.change(ctx, func(tx *store.Tx) error {
		o, err := store.Orders.Get(tx, f.order.ID)
		if err != nil {
			return err
		}
		svc, err := store.Services.Get(tx, f.order.Service)
		if err != nil {
			return err
		}
		if o.State != f.order.State || o.Remote != f.order.Remote || svc != f.svc {
			return errStep
		}
		was, before := o, svc
		if err := change(tx, &o, &svc); err != nil {
			return err
		}
		var errs error
		if o.State != was.State || o.Message != was.Message || o.Remote != was.Remote || o.Distance != was.Distance || o.HoldExpired != was.HoldExpired {
			errs = cmp.Or(errs, store.Orders.Put(tx, o.ID, o))
		}
		if o.State != was.State {
			errs = cmp.Or(errs, intake.Audit(tx, access.System, "order."+o.State, "orders/"+o.ID, was, o, "", f.at()))
		}
		if svc != before {
			errs = cmp.Or(errs, store.Services.Put(tx, svc.ID, svc))
		}
		if svc.State != before.State {
			errs = cmp.Or(errs, intake.Audit(tx, access.System, "service."+svc.State, "services/"+svc.ID, before, svc, "", f.at()))
		}
		return cmp.Or(errs, f.tasks(tx, o, svc))
	})
}

// tasks files and closes what a person has to know of an order and its service.
func (f *farLook) tasks(tx *store.Tx, o order.Order, svc order.Service) error {
	now := f.at()
	kinds := []struct {
		key, kind, subject, body string
		open                     bool
	}{
		{order.BuildKey(o.ID), task.Build, "Order " + o.ID + " waits for a rebuild at " + f.module.Name, o.Message, o.State == order.Held},
		{order.FailureKey(o.ID), task.Failure, "Order " + o.ID + " failed at " + f.module.Name, o.Message + ". Cancel the order to withdraw it there.", o.State == order.Failed},
		{order.RemoteServiceKey(svc.ID), task.Failure, "Service " + svc.ID + " at " + f.module.Name + " needs attention", svc.Message, o.State == order.Fulfilled && svc.State == order.ServiceNeedsAttention},
	}
	for _, k := range kinds {
		if !k.open {
			if err := intake.CloseTask(tx, k.key, access.System.Name, "it is "+svc.State+" at "+f.module.Name, now); err != nil {
				return err
			}
			continue
		}
		t := task.New(id.At("tsk", now), f.department(o), k.kind, k.key, k.subject, k.body, now)
		t.Order, t.Service = o.ID, svc.ID
		if err := intake.FileTask(tx, t); err != nil {
			return err
		}
	}
	return nil
}

// watch follows the preparation of an order there.
func (f *farLook) watch(ctx context.Context) (time.Duration, error) {
	seen, err := f.client.Order(ctx, f.order.Remote.Order)
	if fault.Is(err, fault.KindNotFound) {
		return remoteSettled, f.missing(ctx)
	}
	if err != nil {
		return 0, err
	}
	return f.mirror(ctx, seen)
}

// mirror shows here what is so there. When there is no server there, the order is withdrawn and goes back to
// being matched among all modules: it waits here, not there (rules B11, B28b).
func (f *farLook) mirror(ctx context.Context, seen order.SeenOrder) (time.Duration, error) {
	now := f.at()
	var fulfilled bool
	err := f.keep(ctx, func(_ *store.Tx, o *order.Order, svc *order.Service) (err error) {
		o.Remote.State = order.RemotePlaced
		placed, service, back := order.Mirror(*o, *svc, seen, f.module.Name, now)
		fulfilled = placed.State == order.Fulfilled && o.State != order.Fulfilled
		*o, *svc = placed, service
		if back {
			o.Remote.State, o.HoldExpired = order.RemoteWithdrawing, o.HoldExpired || seen.HoldExpired && !o.Remote.Exact
		}
		if o.Remote != f.order.Remote {
			o.Remote.SeenAt = now
		}
		return nil
	})
	if err == nil && fulfilled {
		f.observe.OrderFulfilled(now.Sub(f.order.PlacedAt))
	}
	if seen.State == order.Failed || seen.State == order.Canceled {
		return remoteSettled, err
	}
	return remoteMoving, err
}

// missing says that the backend does not know what it took. That is no proof that nothing is left there.
func (f *farLook) missing(ctx context.Context) error {
	words := "it is not known at " + f.module.Name + " any more; ask there what became of order " + f.order.Remote.Order
	return f.keep(ctx, func(_ *store.Tx, o *order.Order, svc *order.Service) error {
		if o.State != order.Fulfilled {
			o.State, o.Message, o.ChangedAt = order.Failed, words, f.at()
		}
		if svc.State != order.ServiceNeedsAttention || svc.Message != words {
			svc.State, svc.Message, svc.ChangedAt = order.ServiceNeedsAttention, words, f.at()
		}
		return nil
	})
}

// follow keeps a service that was active once as it is there, and tells its wish until it is so.
func (f *farLook) follow(ctx context.Context) (time.Duration, error) {
	seen, err := f.client.Service(ctx, f.order.Remote.Service)
	if fault.Is(err, fault.KindNotFound) {
		return remoteSettled, f.missing(ctx)
	}
	if err != nil {
		return 0, err
	}
	svc, ask := order.Follow(f.svc, seen, f.module.Name, f.at())
	if svc != f.svc {
		if err := f.keepService(ctx, svc); err != nil {
			return 0, err
		}
	}
	if ask {
		return f.tell(ctx)
	}
	return pace(&f.svc), nil
}

// keepService commits the service; what follows compares with it.
func (f *farLook) keepService(ctx context.Context, after order.Service) error {
	err := f.keep(ctx, func(_ *store.Tx, _ *order.Order, svc *order.Service) error {
		*svc = after
		return nil
	})
	if err == nil {
		f.svc = after
	}
	return err
}

func pace(svc *order.Service) time.Duration {
	switch {
	case svc.State == order.ServiceDeleted:
		return 0
	case svc.Moving():
		return remoteMoving
	}
	return remoteSettled
}

// tell asks the backend for what is wished. Asking twice does no harm: what is so already
// stays so there.
func (f *farLook) tell(ctx context.Context) (time.Duration, error) {
	w := f.svc.Remote
	var seen order.SeenService
	var err error
	if w.Wish == order.WishPower {
		seen, err = f.client.Power(ctx, w.Service, w.Action, w.Reason)
	} else {
		seen, err = f.client.Move(ctx, w.Service, w.Wish, w.Reason)
	}
	now := f.at()
	switch {
	case fault.Is(err, fault.KindRefused) || fault.Is(err, fault.KindInvalid):
		words := err.Error()
		if seen, err = f.client.Service(ctx, w.Service); err != nil {
			return 0, err
		}
		return remoteMoving, f.keepService(ctx, f.svc.Declined(seen, f.module.Name, words, now))
	case err != nil:
		return 0, err
	}
	asked := f.svc
	asked.Remote.Asked = true
	after, _ := order.Follow(asked, seen, f.module.Name, now)
	return pace(&after), f.keepService(ctx, after)
}
