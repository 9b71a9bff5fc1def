package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/remote"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// remoteAgain is how often remote modules are asked for an order that waits.
const remoteAgain = time.Minute

// choice is what one of an order's modules offers: a server here, or a place there.
type choice struct {
	offer match.Offer
	image string // id there, when the module is a remote one
}

// among asks an order's modules in their order, up to the first exact offer, and picks one (rules B11,
// A14). unsure is why the pick may be worse than it needs to be: a backend that was there moments ago could
// not be asked.
func (r *Reconciler) among(ctx context.Context, o order.Order, modules []match.Module, settings map[string]order.Module) (c choice, found bool, why, unsure error) {
	modules = slices.Clone(modules)
	match.SortModules(modules)
	var choices []choice
	var offers []match.Offer
	var reasons []error
	for _, m := range modules {
		one := choice{offer: match.Offer{Module: m.ID}}
		if settings[m.ID].Kind == order.ModuleRemote {
			if o.Remote.Rests == m.ID && r.now().Sub(o.Remote.TriedAt) < remoteAgain {
				continue
			}
			var err error
			if one, err = r.inquire(ctx, o, settings[m.ID]); err != nil {
				reasons = append(reasons, err)
				if r.lately(m.ID) {
					unsure = err
				}
			}
		} else {
			one.offer.Result, one.offer.Found = r.stock.Catalogue.Best(m.Wish)
		}
		if o.HoldExpired && !one.offer.Result.Exact {
			one.offer.Found = false
		}
		choices, offers = append(choices, one), append(offers, one.offer)
		if one.offer.Found && one.offer.Result.Exact {
			break
		}
	}
	i := match.Pick(offers)
	if i < 0 {
		return c, false, errors.Join(reasons...), unsure
	}
	if choices[i].offer.Result.Exact {
		unsure = nil // nothing is better than exact
	}
	return choices[i], true, errors.Join(reasons...), unsure
}

// lately reports whether a backend is connected, or was within the time after which a person is told: until
// then an order rather waits for its answer than takes a server that would have to be rebuilt.
func (r *Reconciler) lately(module string) bool {
	st, ok := store.Remotes.View(r.store, module)
	return ok && (st.State == order.RemoteConnected || st.State == order.RemoteUnreachable && r.now().Sub(st.Since) < remote.Patience)
}

// inquire asks a backend what it would give.
func (r *Reconciler) inquire(ctx context.Context, o order.Order, m order.Module) (choice, error) {
	none := choice{offer: match.Offer{Module: m.ID}}
	if r.remotes == nil {
		return none, fault.Unavailable("module %s cannot be asked by this controller", m.Name)
	}
	client, err := r.remotes.Of(m.ID)
	if err != nil {
		return none, err
	}
	img, err := r.imageThere(ctx, client, o, m)
	if err != nil {
		return none, err
	}
	offer, err := client.Match(ctx, wishThere(o, m))
	if err != nil {
		return none, fault.Unavailable("module %s was asked: %w", m.Name, err)
	}
	none.image = img
	none.offer.Found = offer.Found
	none.offer.Result.Exact, none.offer.Result.Distance = offer.Exact, offer.Distance
	return none, nil
}

func wishThere(o order.Order, m order.Module) remote.Wish {
	w := remote.Wish{Module: m.RemoteModule, Configuration: o.Configuration}
	if m.ByServerType {
		w.ServerType = o.ServerType
	}
	return w
}

// imageThere is the id of the order's image there: the one with the same content, else the one
// with the same name and family of systems.
func (r *Reconciler) imageThere(ctx context.Context, c *remote.Client, o order.Order, m order.Module) (string, error) {
	img, ok := store.Images.View(r.store, o.Image)
	if !ok {
		return "", fault.Refused("image %s does not exist any more", o.Image)
	}
	there, err := c.Images(ctx, img.Name)
	if err != nil {
		return "", fault.Unavailable("module %s was asked for image %s: %w", m.Name, img.Name, err)
	}
	fits := func(i remote.Image) bool { return i.OSFamily == img.OSFamily }
	same := func(i remote.Image) bool { return fits(i) && i.SHA256 == img.RawSHA256 }
	for _, good := range []func(remote.Image) bool{same, fits} {
		if i := slices.IndexFunc(there, good); i >= 0 {
			return there[i].ID, nil
		}
	}
	return "", fault.Refused("module %s: there is no image %s (%s) there; let them add it, or take the module off the tariff", m.Name, img.Name, img.OSFamily)
}

// commission gives an order to a remote module. Only our record says so: the next look places
// the order there, so that a crash at any moment neither doubles nor forgets it.
func (r *Reconciler) commission(ctx context.Context, o order.Order, c choice, m order.Module) error {
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		was, err := store.Orders.Get(tx, o.ID)
		if err != nil {
			return err
		}
		if was.State != order.New && was.State != order.Waiting {
			return errOrderMoved
		}
		svc, err := store.Services.Get(tx, o.Service)
		if err != nil {
			return err
		}
		o := was
		o.Remote = order.RemoteOrder{Module: m.ID, Attempt: was.Remote.Attempt + 1, State: order.RemotePlacing, Image: c.image, Exact: c.offer.Result.Exact}
		o.Module, o.Distance, o.Parts = m.ID, c.offer.Result.Distance, nil
		o.State, o.Message, o.ChangedAt, o.HeldUntil = order.Preparing, "it is being ordered at "+m.Name, now, time.Time{}
		svc.State, svc.Message, svc.ChangedAt = order.ServicePreparing, o.Message, now
		return cmp.Or(store.Orders.Put(tx, o.ID, o), store.Services.Put(tx, svc.ID, svc),
			intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, "module "+m.Name+" takes the order", now),
			intake.Audit(tx, access.System, "order.commission", "orders/"+o.ID, was, o, "", now))
	})
}

// place orders there, unless that was done before: the order is looked for first, so that an
// answer that was lost is found again however long ago it was.
func (f *farLook) place(ctx context.Context) (time.Duration, error) {
	reference := order.RemoteReference(&f.order)
	if err := f.trying(ctx); err != nil {
		return 0, err
	}
	seen, found, err := f.client.Find(ctx, reference)
	if err == nil && !found {
		wanted := f.placing(reference)
		var data logging.Secret
		if data, err = f.remotes.UserData(f.order.ID); err == nil {
			wanted.UserData = string(data)
			seen, err = f.client.Place(ctx, wanted)
		}
	}
	switch {
	case fault.Is(err, fault.KindInvalid) || fault.Is(err, fault.KindNotFound):
		return 0, f.unwanted(ctx, err)
	case fault.Is(err, fault.KindRefused): // it is being answered at this moment, or was: look again
		return remoteRetry, nil
	case err != nil:
		return 0, err
	}
	return f.mirror(ctx, seen)
}

// trying records that a request is about to be sent.
func (f *farLook) trying(ctx context.Context) error {
	now := f.at()
	err := f.keep(ctx, func(_ *store.Tx, o *order.Order, _ *order.Service) error {
		o.Remote.TriedAt = now
		return nil
	})
	f.order.Remote.TriedAt = now
	return err
}

func (f *farLook) placing(reference string) remote.Placing {
	o := f.order
	minutes := f.module.InstallTimeoutLinux
	if img, ok := store.Images.View(f.store, o.Image); ok && img.OSFamily == "windows" {
		minutes = f.module.InstallTimeoutWindows
	}
	return remote.Placing{
		Wish: wishThere(o, f.module), Reference: reference, Customer: f.module.Username, Image: o.Remote.Image, Hostname: o.Hostname,
		SSHKeys: o.SSHKeys, ExactOnly: o.Remote.Exact || o.HoldExpired, EmailConfirmed: true,
		InstallTimeout: minutes, DiagTimeout: f.module.DiagTimeout,
	}
}

// unwanted lets an order wait here that the backend does not take as it is.
func (f *farLook) unwanted(ctx context.Context, cause error) error {
	return f.giveUp(ctx, "module "+f.module.Name+" does not take it: "+cause.Error())
}

// giveUp lets the order be matched anew, by a counterpart of its own name if it comes here again.
func (f *farLook) giveUp(ctx context.Context, message string) error {
	now := f.at()
	err := f.keep(ctx, func(tx *store.Tx, o *order.Order, svc *order.Service) error {
		o.Remote = order.RemoteOrder{Attempt: o.Remote.Attempt, TriedAt: now, Rests: o.Remote.Module}
		o.Module, o.State, o.Message, o.ChangedAt = "", order.Waiting, message, now
		svc.State, svc.Message, svc.ChangedAt = order.ServiceOrdered, "ordered", now
		k := task.New(id.At("tsk", now), f.department(*o), task.Build, order.BuildKey(o.ID), "No server for order "+o.ID, message, now)
		k.Order, k.Service = o.ID, o.Service
		o.Task = k.ID
		return cmp.Or(intake.CloseTask(tx, order.BuildKey(o.ID), access.System.Name, message, now), intake.FileTask(tx, k))
	})
	if err == nil {
		f.queue.addAt(store.Orders.Name()+"/"+f.order.ID, now.Add(remoteAgain))
	}
	return err
}

// withdraw sees to it that nothing is left of an order there: one that was canceled here, or
// one that found no server there and goes back to being matched.
func (f *farLook) withdraw(ctx context.Context) (time.Duration, error) {
	seen, found, err := f.counterpart(ctx)
	switch {
	case err != nil:
		return 0, err
	case !found && f.at().Sub(f.order.Remote.TriedAt) < remoteQuiet:
		return remoteQuiet - f.at().Sub(f.order.Remote.TriedAt), nil // a request may still be on its way
	case !found:
		return 0, f.ended(ctx)
	case f.order.State != order.Canceled && seen.State != order.Waiting && seen.State != order.Canceled:
		return f.mirror(ctx, seen) // a server came free there
	case seen.State == order.Canceled:
		return 0, f.ended(ctx)
	case seen.State == order.Fulfilled:
		return f.takeBack(ctx, seen)
	}
	if seen, err = f.client.Cancel(ctx, seen.ID, f.order.Message); err != nil {
		if fault.Is(err, fault.KindRefused) { // it became active at this moment
			return remoteRetry, nil
		}
		return 0, err
	}
	if seen.State == order.Canceled {
		return 0, f.ended(ctx)
	}
	return remoteMoving, nil
}

func (f *farLook) counterpart(ctx context.Context) (seen order.SeenOrder, found bool, err error) {
	if f.order.Remote.Order == "" {
		return f.client.Find(ctx, order.RemoteReference(&f.order))
	}
	seen, err = f.client.Order(ctx, f.order.Remote.Order)
	if fault.Is(err, fault.KindNotFound) {
		return seen, false, nil
	}
	return seen, err == nil, err
}

// takeBack deletes a service there that became active before its order could be canceled.
func (f *farLook) takeBack(ctx context.Context, seen order.SeenOrder) (time.Duration, error) {
	svc, err := f.client.Move(ctx, seen.Service, order.WishDelete, f.order.Message)
	switch {
	case err != nil:
		return 0, err
	case svc.State == order.ServiceDeleted:
		return 0, f.ended(ctx)
	}
	return remoteMoving, nil
}

func (f *farLook) ended(ctx context.Context) error {
	if f.order.State != order.Canceled {
		return f.giveUp(ctx, "there is no server for it at "+f.module.Name+" any more; the order waits")
	}
	return f.keep(ctx, func(_ *store.Tx, o *order.Order, _ *order.Service) error {
		o.Remote.State = order.RemoteEnded
		return nil
	})
}

// placeAnywhere is place for orders that a remote module may take, too.
func (r *Reconciler) placeAnywhere(ctx context.Context, o order.Order, modules []match.Module, settings map[string]order.Module) (next time.Time, err error) {
	again := r.now().Add(remoteAgain)
	started := time.Now()
	c, found, why, unsure := r.among(ctx, o, modules, settings)
	if ctx.Err() != nil {
		return next, ctx.Err()
	}
	r.observe.Matched(found, c.offer.Result.Exact, time.Since(started))
	m := settings[c.offer.Module]
	switch {
	case !found || unsure != nil:
		return again, r.wait(ctx, o, why)
	case m.Kind == order.ModuleRemote:
		if err := r.commission(ctx, o, c, m); !errors.Is(err, errOrderMoved) {
			return next, err
		}
		return next, nil
	case !r.stock.Catalogue.Take(c.offer.Result.ServerID): // somebody was faster
		return r.now().Add(time.Millisecond), nil
	}
	err = r.take(ctx, o, c.offer, m)
	if errors.Is(err, errStale) {
		r.stock.Catalogue.Release(c.offer.Result.ServerID)
		return r.now().Add(retryAfter), nil // stock has seen what changed by then
	}
	return next, err
}
