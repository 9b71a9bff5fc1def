package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// providersDefaults is the key of the provider's own account defaults.
const providersDefaults = "provider"

// asOffered are the defaults of who never said anything.
var asOffered = plan.Defaults{VirusScan: plan.AsOffered, IMAP: plan.AsOffered}

// AccountDefaults are the basic settings of a reseller, "" being the provider, or himself for a reseller (rule C22). The fault is not_found for
// one whom the actor does not see.
func (in *Intake) AccountDefaults(actor access.Actor, reseller string) (d plan.Defaults, owner string, err error) {
	snap := in.store.Snapshot()
	owner = ownReseller(actor, reseller)
	if _, seen := seenReseller(snapshot{snap}, actor, owner); owner != "" && !seen {
		return d, owner, fault.NotFound("reseller %.80q does not exist", reseller)
	}
	d, known := found(store.AccountDefaults.In(snap, cmp.Or(owner, providersDefaults)))
	if !known {
		d = asOffered
	}
	return d, owner, nil
}

// SetAccountDefaults says what new accounts of a reseller get. Those that are there stay as they are.
func (in *Intake) SetAccountDefaults(ctx context.Context, actor access.Actor, reseller string, d plan.Defaults) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		owner := ownReseller(actor, reseller)
		err := checked(tx, "the account defaults cannot be set", func(c *fault.Check, look Lookup) {
			d.Check(c)
			_, seen := seenReseller(look, actor, owner)
			c.Require(owner == "" || seen, "reseller", "%.80q does not exist; see: steelyard reseller list", reseller)
		})
		if err != nil {
			return err
		}
		key := cmp.Or(owner, providersDefaults)
		before, err := defaultsOf(tx, owner)
		if err != nil || before == d {
			return err
		}
		return cmp.Or(store.AccountDefaults.Put(tx, key, d), audit(tx, actor, "account-defaults.set", "account-defaults/"+key, before, d, "", now))
	})
}

// defaultsOf are those of a reseller by id, "" being the provider, as a commit reads them.
func defaultsOf(tx *store.Tx, reseller string) (plan.Defaults, error) {
	d, known, err := store.AccountDefaults.Find(tx, cmp.Or(reseller, providersDefaults))
	if !known {
		d = asOffered
	}
	return d, err
}
