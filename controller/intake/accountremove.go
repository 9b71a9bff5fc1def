package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// namesAtOnce is how many domain names one commit lets go of: each is read and deleted, and a commit has 128 operations.
const namesAtOnce = 20

// RemoveAccount lets the node remove an account with all that is in it (rule C14). confirm is its domain. Removing one that is leaving already, or is gone, changes
// nothing: who did not hear the answer asks again (rule X10). Until nothing of it is left its user name and its domain names are held (X15).
func (in *Intake) RemoveAccount(ctx context.Context, actor access.Actor, accountID, confirm, reason string) (a account.Account, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		w := &work{tx: tx, now: now}
		if err := w.find(accountID); err != nil {
			return err
		}
		if domain, err := account.Pasted(confirm); err != nil || domain != w.a.Domain {
			var c fault.Check
			c.Add("confirm", "is not %s; type the domain of the account to remove it with all that is in it", w.a.Domain)
			return c.Err("the account stays")
		}
		if a = w.a; !a.Live() {
			return nil
		}
		a.State, a.Message, a.ChangedAt = account.Leaving, "it is being removed", now
		return firstly(
			func() error { return in.leave(tx, &w.a, a, now) },
			func() error { return in.tellNode(tx, &a, &w.sub, nil, now) },
			func() error { return in.lockOut(tx, a.ID, actor, now) },
			func() error {
				return audit(tx, actor, "account.remove", "accounts/"+a.ID, account.RemovalOf(&w.a), nil, reason, now)
			},
		)
	})
	return a, rev, err
}

// leave writes an account, its placement and its forwards in a state of leaving.
func (in *Intake) leave(tx *store.Tx, before *account.Account, after account.Account, now time.Time) error {
	if err := store.Accounts.Put(tx, after.ID, after); err != nil {
		return err
	}
	return placementIs(tx, after.ID, map[string]string{account.Leaving: hosting.Leaving, account.Stuck: hosting.Stuck, account.There: hosting.There}[after.State], after.Message, now)
}

func placementIs(tx *store.Tx, placementID, state, message string, now time.Time) error {
	p, known, err := store.Placements.Find(tx, placementID)
	if err != nil || !known || p.State == state && p.Message == message {
		return err
	}
	p.State, p.Message, p.ChangedAt = state, message, now
	return store.Placements.Put(tx, p.ID, p)
}

// lockOut keeps the console user of an account out, from the moment on at which it is removed.
func (in *Intake) lockOut(tx *store.Tx, accountID string, actor access.Actor, now time.Time) error {
	u, known, err := consoleUser(tx, accountID)
	if err != nil || !known || u.Disabled {
		return err
	}
	before := u
	u.Disabled = true
	return cmp.Or(store.Users.Put(tx, u.ID, u), audit(tx, actor, "user.disable", "users/"+u.ID, before, u, "its account is removed", now))
}

// consoleUser is the user who has the name of an account.
func consoleUser(tx *store.Tx, accountID string) (u access.User, known bool, err error) {
	a, known, err := store.Accounts.Find(tx, accountID)
	if err != nil || !known {
		return u, false, err
	}
	u, known, err = userNamed(tx, a.User)
	return u, known && u.Account == accountID, err
}

// RetryAccount lets the node try again what it could not do: to remove what is left of an account, or to make one.
func (in *Intake) RetryAccount(ctx context.Context, actor access.Actor, accountID, reason string) (a account.Account, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		w := &work{tx: tx, now: now}
		if err := w.read(accountID); err != nil {
			return err
		}
		a = w.a
		if a.State == account.Stuck {
			a.State, a.Message, a.LeftOvers, a.ChangedAt = account.Leaving, "the node tries again to remove it", nil, now
			if err := in.leave(tx, &w.a, a, now); err != nil {
				return err
			}
		}
		d, err := store.Hosted.Get(tx, a.ID)
		if err != nil {
			return err
		}
		d.Account.Version++ // the same again is a new version: the node looks at it at once
		d.At = now
		return cmp.Or(store.Hosted.Put(tx, a.ID, d), audit(tx, actor, "account.retry", "accounts/"+a.ID, w.a, a, reason, now))
	})
	return a, rev, err
}

// AccountNews brings an account on by what its node said of the newest version of what it shall be. It is for reconcile, in a commit of the leader's; it
// reports whether something is left to do at once. What the node said of an older version changes nothing.
func AccountNews(tx *store.Tx, accountID string, now time.Time) (more bool, err error) {
	var in *Intake // no secret changes

	a, known, err := store.Accounts.Find(tx, accountID)
	if err != nil || !known || a.State == account.Gone {
		return false, err
	}
	d, known, err := store.Hosted.Find(tx, accountID)
	if err != nil {
		return false, err
	}
	o, said, err := store.HostedResults.Find(tx, accountID)
	if err != nil {
		return false, err
	}
	newest := known && said && o.Server == d.Server && o.Result.Version == d.Account.Version
	lost, err := outOfFleet(tx, a.Server)
	switch {
	case err != nil:
		return false, err
	case a.Live() && newest && o.Done(d.Account.Version):
		return in.made(tx, a, now)
	case !a.Live() && (newest && o.Done(d.Account.Version) || lost):
		return in.gone(tx, a, lost, now)
	case a.State == account.Leaving && newest && len(o.Result.LeftOvers) > 0:
		return false, in.stuck(tx, a, account.LeftOversOf(&o.Result), now)
	case a.State == account.Stuck && newest && len(o.Result.LeftOvers) > 0:
		return false, in.stuck(tx, a, account.LeftOversOf(&o.Result), now)
	}
	return false, nil
}

// outOfFleet reports whether a server is gone for good, and with it all that was on it.
func outOfFleet(tx *store.Tx, serverID string) (bool, error) {
	s, known, err := store.Servers.Find(tx, serverID)
	return !known || s.Approval == fleet.Retired, err
}

// made is an account of which the node has made the newest version true.
func (in *Intake) made(tx *store.Tx, before account.Account, now time.Time) (more bool, err error) {
	after, free := before.Settled(namesAtOnce, now)
	changed := before.State != after.State || len(free.Names)+len(free.Forwards)+len(before.Removing.Databases)+len(before.Removing.Mailboxes) > 0
	if err := forwardsThere(tx, &after, now); err != nil || !changed {
		return false, err
	}
	sub, err := store.Subscriptions.Get(tx, after.Subscription)
	if err != nil {
		return false, err
	}
	more = len(after.Dropped) > 0 || leaving(after.Forwards)
	return more, firstly(
		func() error { return in.shed(tx, after.ID, free) },
		func() error { return store.Accounts.Put(tx, after.ID, after) },
		func() error { return placementIs(tx, after.ID, hosting.There, "", now) },
		func() error { return in.tellNode(tx, &after, &sub, nil, now) },
		func() error { return CloseTask(tx, troubleKey(after.ID), access.System.Name, "the node made it", now) },
		func() error {
			if before.State == after.State {
				return nil
			}
			return audit(tx, access.System, "account.there", "accounts/"+after.ID, before, after, "the node made all of it", now)
		},
	)
}

func leaving(list []account.Leads) bool {
	for _, f := range list {
		if f.Leaving {
			return true
		}
	}
	return false
}

// shed lets go of names and forwards of which the node has nothing any more.
func (in *Intake) shed(tx *store.Tx, accountID string, free account.Shed) error {
	for _, name := range free.Names {
		if err := freeName(tx, name, accountID); err != nil {
			return err
		}
	}
	for _, f := range free.Forwards {
		if err := cmp.Or(store.Forwards.Delete(tx, f.Forward), unplace(tx, f.Forward)); err != nil {
			return err
		}
	}
	return nil
}

// unplace removes a placement, counts it no more, and frees its names.
func unplace(tx *store.Tx, placementID string) error {
	p, known, err := store.Placements.Find(tx, placementID)
	if err != nil || !known {
		return err
	}
	return cmp.Or(store.Placements.Delete(tx, placementID), carry(tx, &p, -1), release(tx, &p))
}

// gone removes the records of an account of which nothing is left, in several commits where it had many names. Its past stays in the audit log, and the
// record a while to be read.
func (in *Intake) gone(tx *store.Tx, before account.Account, lost bool, now time.Time) (more bool, err error) {
	after, free := before.Settled(namesAtOnce, now)
	if err := in.shed(tx, after.ID, free); err != nil {
		return false, err
	}
	if !after.Bare() {
		return true, store.Accounts.Put(tx, after.ID, after)
	}
	sub, sold, err := store.Subscriptions.Find(tx, after.Subscription)
	if err != nil {
		return false, err
	}
	after.State, after.Message, after.LeftOvers, after.ChangedAt = account.Gone, "nothing of it is left", nil, now
	if lost {
		after.Message = "its server is out of the fleet"
	}
	after.Mailboxes, after.Lists, after.FTPLogins, after.Databases = []account.Mailbox{}, []account.List{}, []account.Login{}, []string{}
	after.Subdomains, after.Forwards, after.Removing, after.Dropped = []string{}, []account.Leads{}, account.Removing{}, nil
	return false, firstly(
		func() error { return store.FormerAccounts.Put(tx, after.ID, former(&before, &sub, sold, now)) },
		func() error { return unplace(tx, after.ID) },
		func() error { return in.forgetUser(tx, &before, now) },
		func() error {
			return cmp.Or(store.Hosted.Delete(tx, after.ID), store.HostedResults.Delete(tx, after.ID), logins.Delete(tx, after.User), store.Accounts.Put(tx, after.ID, after))
		},
		func() error {
			if !sold {
				return nil
			}
			return unsubscribe(tx, access.System, sub, "its account is gone", now)
		},
		func() error {
			return CloseTask(tx, troubleKey(after.ID), access.System.Name, "the account is gone", now)
		},
		func() error {
			return audit(tx, access.System, "account.gone", "accounts/"+after.ID, before, after, after.Message, now)
		},
	)
}

// former is what stays of an account: whose its figures are (rule C21).
func former(a *account.Account, s *subscription.Subscription, sold bool, now time.Time) usage.Former {
	f := usage.Former{Domain: a.Domain, User: a.User, Reseller: a.Reseller, Customer: a.Customer, Owner: a.Owner, Server: a.Server, Limit: reselling.NoLimit, GoneAt: now}
	if sold {
		f.Limit, f.Past = s.Values.Of(plan.TrafficMiB).Limit, s.PastTraffic
	}
	return f
}

// forgetUser removes the console user of an account, and its name.
func (in *Intake) forgetUser(tx *store.Tx, a *account.Account, now time.Time) error {
	u, known, err := consoleUser(tx, a.ID)
	if err != nil || !known {
		return err
	}
	return cmp.Or(store.Users.Delete(tx, u.ID), store.SecondFactors.Delete(tx, u.ID), rename(tx, "users", u.Name, "", u.ID),
		audit(tx, access.System, "user.delete", "users/"+u.ID, u, nil, "its account is gone", now))
}

// stuck is an account of which the node could not remove all (rules C14, X15).
func (in *Intake) stuck(tx *store.Tx, before account.Account, left []account.Found, now time.Time) error {
	if before.State == account.Stuck && sameFound(before.LeftOvers, left) {
		return nil
	}
	after := before
	after.LeftOvers, after.Message = left, "something of it could not be removed"
	if after.State != account.Stuck {
		after.State, after.ChangedAt = account.Stuck, now
	}
	words := ""
	for _, f := range left[:min(len(left), 20)] {
		words += "\n- " + f.Name + " " + f.Detail
	}
	k := task.New(id.At("tsk", now), "operations", task.Failure, troubleKey(after.ID), "Something of account "+after.Domain+" could not be removed",
		"The node left:\n"+words+"\n\nIt tries again by itself. Until nothing is left nobody gets the user name "+after.User+" or the account's domains. At once: steelyard account retry "+after.Domain, now)
	k.Server = after.Server
	return cmp.Or(in.leave(tx, &before, after, now), FileTask(tx, k), audit(tx, access.System, "account.stuck", "accounts/"+after.ID, before, after, "", now))
}

func sameFound(a, b []account.Found) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// troubleKey is the dedupe key of the task about an account that its node cannot make or remove.
func troubleKey(accountID string) string { return "account/" + accountID }

// AccountTrouble files a task about an account that its node could not make true for long, with the node's words.
func AccountTrouble(tx *store.Tx, accountID, words string, now time.Time) error {
	a, known, err := store.Accounts.Find(tx, accountID)
	if err != nil || !known || a.State == account.Gone {
		return err
	}
	k := task.New(id.At("tsk", now), "operations", task.Failure, troubleKey(a.ID), "The node cannot make account "+a.Domain+" as it shall be",
		"It says: "+words+"\n\nIt tries again by itself. At once: steelyard account retry "+a.Domain+"; all of its words: steelyard account show "+a.Domain, now)
	k.Server = a.Server
	return FileTask(tx, k)
}

// AccountTroubleKey is the dedupe key of that task.
func AccountTroubleKey(accountID string) string { return troubleKey(accountID) }

// AccountWell closes that task. That of an account that goes is closed when it is gone.
func AccountWell(tx *store.Tx, accountID string, now time.Time) error {
	if a, known, err := store.Accounts.Find(tx, accountID); err != nil || known && !a.Live() {
		return err
	}
	return CloseTask(tx, troubleKey(accountID), access.System.Name, "the node made it", now)
}
