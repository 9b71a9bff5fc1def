package store

import (
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Change runs fn and commits what it wrote, if nothing that it read has changed
// meanwhile; otherwise it runs fn again with what is there now. fn may run
// several times and must have no effect but through tx; read the clock outside.
//
// The revision is that of the commit; Change returns when the snapshot of this
// replica has reached it, so that the caller reads what it wrote (when the watch
// is broken it does not wait for long: the commit is done all the same). A
// change that writes nothing commits nothing, but what it read is proven to have
// been true at one moment; so is what fn had read when it returns an error,
// which Change then returns as it is.
//
// Faults: conflict when others kept changing the same records; refused when the
// change is too large; unavailable when the backend is, in which case the
// change may have happened or may still happen, or with [ErrNotLeader] when the
// fence of ctx is broken, in which case it has not.
func (s *Store) Change(ctx context.Context, fn func(tx *Tx) error) (rev int64, err error) {
	c := &change{s: s, fn: fn, fence: fenceOf(ctx)}
	defer s.wants.forget(c) // only now others see in their snapshot what it made
	rev, err = c.commit(ctx)
	if err == nil {
		s.catchUp(ctx, rev)
	}
	return rev, err
}

// catchUpFor is how long a Change waits for a snapshot that does not move.
const catchUpFor = 5 * time.Second

func (s *Store) catchUp(ctx context.Context, rev int64) {
	if snap := s.view.Snapshot(); snap.Rev == 0 || snap.Rev >= rev {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpFor)
	defer cancel()
	_ = s.view.WaitRev(ctx, rev) // the change is committed; a late snapshot is no failure of it
}

// Commit is Change without waiting for the snapshot of this replica.
func (s *Store) Commit(ctx context.Context, fn func(tx *Tx) error) (rev int64, err error) {
	c := &change{s: s, fn: fn, fence: fenceOf(ctx)}
	defer s.wants.forget(c)
	return c.commit(ctx)
}

type change struct {
	s     *Store
	fn    func(*Tx) error
	fence *Fence
	known map[string]kv.Entry // what the last conflict taught
	hot   *hotKey             // held while we insist on a contended record
	wants []string            // keys that fn said it is about to make
}

func (c *change) commit(ctx context.Context) (rev int64, err error) {
	defer c.release()
	rev, err = c.run(ctx)
	if fault.Is(err, fault.KindUnavailable) {
		c.s.stats.unavailable.Add(1)
	}
	return rev, err
}

func (c *change) run(ctx context.Context) (int64, error) {
	view := c.s.optimistic()
	for attempt := range c.s.opt.Attempts {
		tx := newTx(ctx, c, view)
		out := c.attempt(ctx, tx)
		if out.lost == nil {
			return out.rev, out.err
		}
		if c.fence != nil && slices.Contains(out.lost, c.fence.Key) {
			return 0, c.fence.broken()
		}
		c.s.stats.conflicts.Add(1)
		view = nil
		if err := c.prepare(ctx, attempt, tx, out); err != nil {
			return 0, err
		}
	}
	c.s.stats.gaveUp.Add(1)
	return 0, fault.Conflict("others kept changing the same records; %d attempts were made, try again", c.s.opt.Attempts)
}

// attempt is one run of fn and its commit.
func (c *change) attempt(ctx context.Context, tx *Tx) outcome {
	err := c.fn(tx)
	if err != nil && ctx.Err() == nil && !fault.Is(err, fault.KindUnavailable) || err == nil && len(tx.wrote) == 0 {
		return c.prove(ctx, tx, err)
	}
	if err == nil {
		err = tx.told()
	}
	if err != nil {
		return outcome{err: err}
	}
	t, err := tx.txn(c.fence)
	if err != nil {
		return outcome{err: err}
	}
	out := c.s.group.commit(ctx, t)
	if out.rev != 0 {
		c.s.stats.changes.Add(1)
	}
	return out
}

// prove makes sure that what was read was true, before result, which rests on
// it, is believed.
func (c *change) prove(ctx context.Context, tx *Tx, result error) outcome {
	if tx.proven() {
		return outcome{rev: tx.newest(), err: result}
	}
	tx.writes, tx.wrote = nil, nil
	t, err := tx.txn(c.fence)
	if err != nil {
		return outcome{err: err}
	}
	for {
		rev, ok, err := c.s.kv.Commit(ctx, t)
		if err != nil {
			return outcome{err: err}
		}
		if ok {
			return outcome{rev: rev, err: result}
		}
		now, err := c.s.group.current(ctx, t.Compares)
		if err != nil {
			return outcome{err: err}
		}
		if lost := lostKeys(t.Compares, now); len(lost) > 0 {
			return outcome{lost: lost, now: now}
		}
	}
}

// prepare makes the next attempt worth while: it queues for the contended record
// among the callers of this process, waits a little for those of others, and
// learns in one round trip how all that was read is now.
func (c *change) prepare(ctx context.Context, attempt int, tx *Tx, out outcome) error {
	waited, err := c.queueFor(ctx, out.lost[0])
	if err != nil {
		return err
	}
	if attempt > 1 {
		waited = true
		if err := sleep(ctx, time.Millisecond<<min(attempt, 6)); err != nil {
			return err
		}
	}
	c.known = out.now
	if waited || c.known == nil {
		c.known, err = c.s.group.current(ctx, compareAll(tx.order))
	}
	return err
}

func compareAll(keys []string) []kv.Compare {
	cs := make([]kv.Compare, len(keys))
	for i, k := range keys {
		cs[i].Key = k
	}
	return cs
}

// queueFor holds key instead of what was held; waited tells that others had it.
func (c *change) queueFor(ctx context.Context, key string) (waited bool, err error) {
	if c.hot != nil && c.hot.key == key {
		return false, nil
	}
	c.release()
	c.hot, waited, err = c.s.hot.lock(ctx, key)
	return waited, err
}

func (c *change) release() {
	if c.hot != nil {
		c.s.hot.unlock(c.hot)
		c.hot = nil
	}
}
