package intake

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// share is what one subscription takes of its reseller's limits. The zero value is none.
type share struct {
	promised reselling.Limits
	used     map[string]uint64
}

// shareOf is that of a subscription of which there is use; one that was never counted takes nothing yet.
func shareOf(s *subscription.Subscription, use subscription.Use) (sh share) {
	if !s.Counted {
		return sh
	}
	sh.promised, sh.used = s.Promises(), maps.Clone(use)
	if sh.used == nil {
		sh.used = map[string]uint64{}
	}
	sh.used[reselling.Subscriptions] = 1
	sh.promised[reselling.Domains] = reselling.AtMost(use[reselling.Domains]) // nobody promises them: there are as many as there are
	return sh
}

// resold counts what one subscription takes of the limits of the reseller of a path, after instead of before, in the commit that changes it: what is promised with
// him, what is used with those above him too. So two who are after the last of something meet in these records. It refuses nothing; see mayPromise and mayUse.
func resold(tx *store.Tx, path string, before, after share) error {
	for at := path; at != ""; at = parentOf(at) {
		id := reselling.Own(at)
		was, _, err := store.Retails.Find(tx, id)
		if err != nil {
			return err
		}
		now := was.Use(before.used, after.used)
		if at == path {
			now = now.Promise(before.promised, after.promised)
		}
		switch {
		case reflect.DeepEqual(was, now):
		case now.Empty():
			err = store.Retails.Delete(tx, id)
		default:
			err = store.Retails.Put(tx, id, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// withRetail is a reseller with what his customers have, read in a commit.
func withRetail(tx *store.Tx, r reselling.Reseller) (reselling.Reseller, error) {
	retail, _, err := store.Retails.Find(tx, r.ID)
	r.Retail = retail
	return r, err
}

// mayPromise refuses a subscription that promises more than before where its reseller has no room for that (rule X12). It is for after [resold] in a commit.
func mayPromise(tx *store.Tx, actor access.Actor, path string, before, after share) error {
	if path == "" {
		return nil
	}
	r, err := store.Resellers.Get(tx, reselling.Own(path))
	if err != nil {
		return err
	}
	if r, err = withRetail(tx, r); err != nil {
		return err
	}
	was := r
	was.Retail = r.Retail.Promise(after.promised, before.promised)
	return toldTo(actor, &r, r.CheckSold(&was))
}

// toldTo is a refusal of a reseller's limits in words for the actor: figures are for those who see the reseller.
func toldTo(actor access.Actor, r *reselling.Reseller, err error) error {
	if err == nil || actor.Role != access.RoleCustomer && access.ScopeOf(actor, "resellers").Sees(r.Path) {
		return err
	}
	return fault.Refused("no more of it is possible now: there is no room for it; ask who gave you this login")
}

// mayUse refuses more of some resources where the reseller of a path, or one above him, may not have that much. It is for after [resold] in a commit.
func mayUse(tx *store.Tx, actor access.Actor, path string, grown []string) error {
	for at := path; at != "" && len(grown) > 0; at = parentOf(at) {
		r, err := store.Resellers.Get(tx, reselling.Own(at))
		if err != nil {
			return err
		}
		if r, err = withRetail(tx, r); err != nil {
			return err
		}
		if err := toldTo(actor, &r, r.CheckUsed(grown, at == path)); err != nil {
			return err
		}
	}
	return nil
}

// grown are the resources of which an account has more than before.
func grown(before, after *account.Account) (list []string) {
	was := subscription.Use{}
	if before != nil {
		was = before.Use()
	}
	for name, n := range after.Use() {
		if n > was[name] {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// PutUse keeps how much there is of what a subscription limits, in the place of what was said of the same properties before, and counts it for its resellers.
// All who count anything write it here.
func PutUse(tx *store.Tx, s *subscription.Subscription, use subscription.Use) error {
	before, _, err := store.SubscriptionUses.Find(tx, s.ID)
	if err != nil {
		return err
	}
	after := before.With(use)
	return cmp.Or(store.SubscriptionUses.Put(tx, s.ID, after), resold(tx, s.Reseller, shareOf(s, before), shareOf(s, after)))
}

// resoldAs counts a subscription that became another one, and that nobody refuses; for a reseller it is counted from now on.
func resoldAs(tx *store.Tx, before, after *subscription.Subscription) (was, is share, err error) {
	use, _, err := store.SubscriptionUses.Find(tx, after.ID)
	if err != nil {
		return was, is, err
	}
	was, is = shareOf(before, use), shareOf(after, use)
	return was, is, resold(tx, after.Reseller, was, is)
}
