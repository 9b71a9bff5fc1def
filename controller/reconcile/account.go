package reconcile

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// accountPatience is how long a node may fail with an account before a person is asked. It tries again by itself all the while.
const accountPatience = 10 * time.Minute

// keepGone is how long the record of an account of which nothing is left can be read.
const keepGone = 30 * 24 * time.Hour

// accountNews looks at an account when its node said something of it, or when what it shall be changed.
func (r *Reconciler) accountNews(id string) {
	if a, ok := store.Accounts.View(r.store, id); ok && a.State != account.Gone {
		r.queue.add(store.Accounts.Name() + "/" + id)
	}
}

// account brings an account on by what its node said last: there, gone, or stuck with what is left (rules C12, C14). One that its node cannot make
// for long becomes a task, with the node's words.
func (r *Reconciler) account(ctx context.Context, id string) (next time.Time, err error) {
	for more := r.accountMoves(id); more; {
		if err := r.change(ctx, func(tx *store.Tx) (err error) {
			more, err = intake.AccountNews(tx, id, r.now())
			return err
		}); err != nil {
			return next, err
		}
	}
	return r.troubled(ctx, id)
}

// accountMoves reports whether the snapshot shows that something may have come of an account: most news of a node change nothing here.
func (r *Reconciler) accountMoves(id string) bool {
	snap := r.store.Snapshot()
	a, ok := store.Accounts.In(snap, id)
	if !ok || a.State == account.Gone {
		return false
	}
	d, told := store.Hosted.In(snap, id)
	o, said := store.HostedResults.In(snap, id)
	switch {
	case !a.Live():
		return true
	case !told || !said || !o.Done(d.Account.Version):
		return false
	}
	settled, free := a.Settled(1, r.now())
	making := false
	for _, l := range a.Forwards {
		f, ok := store.Forwards.In(snap, l.Forward)
		making = making || ok && f.State == account.Making
	}
	return making || settled.State != a.State || len(free.Names)+len(free.Forwards)+len(a.Removing.Databases)+len(a.Removing.Mailboxes) > 0
}

// troubled files the task about an account that its node cannot make true for long, and closes it when it could.
func (r *Reconciler) troubled(ctx context.Context, id string) (next time.Time, err error) {
	snap := r.store.Snapshot()
	a, ok := store.Accounts.In(snap, id)
	d, told := store.Hosted.In(snap, id)
	if !ok || !told || a.State == account.Gone || a.State == account.Stuck {
		return next, nil
	}
	o, _ := store.HostedResults.In(snap, id)
	p := account.ProgressOf(d, o)
	open := r.open(intake.AccountTroubleKey(id))
	switch since := p.Since.Add(accountPatience); {
	case p.State == account.Failed && r.now().Before(since):
		return since, nil
	case p.State == account.Failed && !open:
		return next, r.change(ctx, func(tx *store.Tx) error { return intake.AccountTrouble(tx, id, p.Words(), r.now()) })
	case p.State == account.Done && open:
		return next, r.change(ctx, func(tx *store.Tx) error { return intake.AccountWell(tx, id, r.now()) })
	}
	return next, nil
}

// oldAccounts are those of which nothing has been left for long.
func (r *Reconciler) oldAccounts(now time.Time) (ids []string) {
	for i := range store.Accounts.Items(r.store.Snapshot()) {
		if i.Value.State == account.Gone && now.Sub(i.Value.ChangedAt) > keepGone {
			ids = append(ids, i.ID)
		}
	}
	return ids
}
