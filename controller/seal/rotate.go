package seal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/pause"
)

// Begin makes a new data key the current one in tx. While an earlier rotation is under
// way, and its key can be used, it changes nothing and gives that key; begun is then
// false. What was sealed before is sealed anew by [Ring.Finish].
func (r *Ring) Begin(tx *store.Tx, actor access.Actor, at time.Time) (k Key, begun bool, err error) {
	st, ok, err := states.Find(tx, ring)
	if err != nil {
		return k, false, err
	}
	if len(st.Retiring) > 0 {
		if k, err = Keys.Get(tx, st.Current); err != nil {
			return k, false, err
		}
		if _, err := r.opened(k); err == nil {
			return k, false, nil
		}
	}
	if ok {
		st.Retiring = append(slices.Clone(st.Retiring), st.Current)
	}
	k = r.newKey(actor.Name, at)
	st.Current = k.ID
	if err := Keys.Create(tx, k.ID, k); err != nil {
		return k, false, err
	}
	return k, true, states.Put(tx, ring, st)
}

// perCommit is how many records are sealed anew in one commit.
const perCommit = 32

// Finish does what is left of a rotation: seals anew what old data keys sealed, and
// removes those keys. Without a rotation it does nothing. removed is called in the commit
// that removes a key. A secret that cannot be opened keeps its key, and is told in
// the error; the others go on.
func (r *Ring) Finish(ctx context.Context, removed func(tx *store.Tx, k Key) error) error {
	snap := r.store.Snapshot()
	st, ok := states.In(snap, ring)
	if !ok || len(st.Retiring) == 0 {
		return nil
	}
	if err := r.resealAll(ctx, snap, st.Retiring); err != nil {
		return err
	}
	var errs []error
	for _, old := range st.Retiring {
		errs = append(errs, r.remove(ctx, old, removed))
	}
	return errors.Join(errs...)
}

// resealAll looks at one snapshot, which holds the switch to the current key: whoever
// commits later than it seals with that, so nothing is missed.
func (r *Ring) resealAll(ctx context.Context, snap *store.Snapshot, old []string) error {
	var errs []error
	for _, h := range declared {
		var ids []string
		h.each(snap, func(id, key string) {
			if slices.Contains(old, key) {
				ids = append(ids, id)
			}
		})
		for batch := range slices.Chunk(ids, perCommit) {
			errs = append(errs, r.resealSome(ctx, h, batch))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return errors.Join(errs...)
}

// resealSome seals records of one table anew in one commit. When one of them cannot be
// opened, the others are done one by one.
func (r *Ring) resealSome(ctx context.Context, h holder, ids []string) error {
	_, err := r.store.Change(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := h.reseal(tx, r, id); err != nil {
				return err
			}
		}
		return nil
	})
	var bad unreadable
	if !errors.As(err, &bad) || len(ids) == 1 {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, r.resealSome(ctx, h, []string{id}))
	}
	return errors.Join(errs...)
}

// remove deletes a data key that nothing names any more. No commit can name it anew: a
// box is only ever copied by a commit that has read the record it is in.
func (r *Ring) remove(ctx context.Context, old string, removed func(tx *store.Tx, k Key) error) error {
	where, err := r.named(ctx, old)
	if err != nil {
		return err
	}
	if where != "" {
		return fault.Unavailable("data key %s is kept: %s still has a secret under it", old, where)
	}
	_, err = r.store.Change(ctx, func(tx *store.Tx) error {
		st, err := states.Get(tx, ring)
		if err != nil {
			return err
		}
		k, _, err := Keys.Find(tx, old)
		if err != nil || !slices.Contains(st.Retiring, old) {
			return err // another replica was faster
		}
		st.Retiring = slices.DeleteFunc(st.Retiring, func(id string) bool { return id == old })
		if err := states.Put(tx, ring, st); err != nil {
			return err
		}
		if err := Keys.Delete(tx, old); err != nil {
			return err
		}
		return removed(tx, k)
	})
	if err == nil {
		r.mu.Lock()
		delete(r.known, old)
		r.mu.Unlock()
	}
	return err
}

// page of a look through the whole store, in keys.
const page = 1000

// named is the first key in the whole store whose value has a box under a data key, ""
// when none has. It looks at the bytes: a replica of a newer version may have tables
// that this one does not know.
func (r *Ring) named(ctx context.Context, key string) (string, error) {
	mark := []byte(`"key":"` + key + `","box":`)
	for opt := (kv.ListOptions{From: "\x00", Limit: page}); ; {
		p, err := r.store.KV().List(ctx, "", opt)
		if err != nil {
			return "", err
		}
		for _, e := range p.Entries {
			if bytes.Contains(e.Value, mark) {
				return e.Key, nil
			}
		}
		if !p.More {
			return "", nil
		}
		opt.From, opt.Rev = p.Next, p.Rev
	}
}

// Pace of Run.
const (
	lookEvery = time.Second
	maxWait   = time.Minute
)

// Run finishes rotations until ctx ends. One replica at a time runs it, the leader;
// several do no harm.
func (r *Ring) Run(ctx context.Context, log *slog.Logger, removed func(tx *store.Tx, k Key) error) error {
	wait := lookEvery
	for {
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
		err := r.Finish(ctx, removed)
		if err == nil {
			wait = lookEvery
			continue
		}
		if ctx.Err() == nil {
			log.Warn("the rotation of data keys is not finished; it is tried again", logging.KeyError, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		wait = min(2*wait, maxWait)
	}
}
