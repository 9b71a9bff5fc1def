package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
)

// far reports whether another operator's controller serves a service.
func (in *Intake) far(serviceID string) bool {
	svc, ok := store.Services.View(in.store, serviceID)
	return ok && svc.Remote.Module != ""
}

// wishRemote records what a service at a remote module is to become. Reconcile tells it there until it
// is so; what is so already, or on its way, is left alone.
func (in *Intake) wishRemote(ctx context.Context, actor access.Actor, serviceID, wish, action, reason string) (svc order.Service, err error) {
	now := in.now()
	err = in.change(ctx, func(tx *store.Tx) error {
		before, err := store.Services.Get(tx, serviceID)
		if err != nil {
			return err
		}
		svc = before
		if wish == order.WishPower {
			if err := checkPower(operation.Params{Action: action}); err != nil {
				return err
			}
		}
		there, err := order.Wish(&svc, wish, action, reason)
		if err != nil || there {
			return err
		}
		svc.ChangedAt = now
		return cmp.Or(store.Services.Put(tx, svc.ID, svc), audit(tx, actor, "service."+wish, "services/"+svc.ID, before, svc, reason, now))
	})
	return svc, err
}
