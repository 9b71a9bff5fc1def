package remote

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Patience is how long a backend may be away before a person is told.
const Patience = 5 * time.Minute

// seenEvery is how old the time of the last answer may get in the record.
const seenEvery = 5 * time.Minute

// note records what came of asking who is there, and files or closes the task about it.
func (f *follower) note(ctx context.Context, err error) error {
	now := f.opt.Now()
	state, message := order.RemoteConnected, ""
	if err != nil {
		state, message = stateOf(err), err.Error()
	}
	st, ok := store.Remotes.View(f.opt.Store, f.module)
	if !ok {
		return nil
	}
	known := st.State == state && st.Message == message
	fresh := state != order.RemoteConnected || now.Sub(st.SeenAt) < seenEvery
	if known && fresh && !f.overdue(st, state, now) {
		return nil
	}
	if st.State != state {
		f.opt.Logger.Info("a remote module's backend is "+state, "module", f.module, logging.KeyError, message)
	}
	_, failed := f.opt.Store.Change(store.WithFence(ctx, f.fence), func(tx *store.Tx) error {
		return f.record(tx, state, message, now)
	})
	return failed
}

func stateOf(err error) string {
	switch {
	case errors.Is(err, errChanged):
		return order.RemoteChanged
	case fault.Is(err, fault.KindDenied):
		return order.RemoteDenied
	}
	return order.RemoteUnreachable
}

// overdue reports whether the task about a backend is still to be filed.
func (f *follower) overdue(st *order.Remote, state string, now time.Time) bool {
	key, filed := store.TaskKeys.View(f.opt.Store, order.RemoteTaskKey(f.module))
	return needsPerson(state, st.Since, now) && (!filed || key.Task == "")
}

func needsPerson(state string, since, now time.Time) bool {
	switch state {
	case order.RemoteConnected:
		return false
	case order.RemoteUnreachable:
		return now.Sub(since) >= Patience
	}
	return true
}

func (f *follower) record(tx *store.Tx, state, message string, now time.Time) error {
	st, ok, err := store.Remotes.Find(tx, f.module)
	if err != nil || !ok {
		return err
	}
	m, ok, err := store.Modules.Find(tx, f.module)
	if err != nil || !ok {
		return err
	}
	was := st
	if st.State != state {
		st.State, st.Since = state, now
	}
	if st.Message = message; state == order.RemoteConnected {
		st.SeenAt = now
	}
	err = store.Remotes.Put(tx, f.module, st)
	if was.State != st.State {
		err = cmp.Or(err, intake.Audit(tx, access.System, "remote."+state, "remotes/"+f.module, nil, nil, message, now))
	}
	switch {
	case err != nil:
		return err
	case state == order.RemoteConnected:
		return intake.CloseTask(tx, order.RemoteTaskKey(f.module), access.System.Name, "the backend answers again", now)
	case needsPerson(state, st.Since, now):
		return intake.FileTask(tx, task.New(id.At("tsk", now), m.Department, task.Failure, order.RemoteTaskKey(f.module),
			"The backend of module "+m.Name+" is "+state, message+". It takes no orders until then; services there keep their last known state. Seen last: "+
				st.SeenAt.UTC().Format(time.RFC3339)+". "+advice[state], now))
	}
	return nil
}

var advice = map[string]string{
	order.RemoteUnreachable: "The task closes by itself when it answers.",
	order.RemoteDenied:      "Give the module its password again: steelyard module edit MODULE --password-file FILE.",
	order.RemoteChanged:     "Nothing is asked of it, and nothing that it says is believed.",
}

// renewAt is when half of a token's life is over.
func renewAt(st *order.Remote) time.Time {
	return st.TokenAt.Add(st.TokenExpires.Sub(st.TokenAt) / 2)
}

// renew lets the token make its successor, stores that, and ends the old one. What dies in between leaves
// a token that nobody has, which ends by itself.
func (f *follower) renew(ctx context.Context, c *Client, m *order.Module, st *order.Remote) error {
	t, err := c.ownToken(ctx, m.Name)
	if err != nil {
		if f.opt.Now().Before(st.TokenExpires) {
			return nil // there is time, and the next look tries again
		}
		return err
	}
	now := f.opt.Now()
	_, err = f.opt.Store.Change(store.WithFence(ctx, f.fence), func(tx *store.Tx) error {
		present, err := store.Remotes.Get(tx, f.module)
		if err != nil || present.Token.Key != st.Token.Key || string(present.Token.Box) != string(st.Token.Box) {
			return cmp.Or(err, error(fault.Unavailable("the module was connected anew meanwhile")))
		}
		present.TokenAt, present.TokenExpires = now, t.ExpiresAt
		return cmp.Or(seal.RemoteToken.Set(tx, f.opt.Ring, f.module, &present, logging.Secret(t.Secret)), store.Remotes.Put(tx, f.module, present))
	})
	if err != nil {
		c.with(logging.Secret(t.Secret)).logout(ctx)
		return err
	}
	c.logout(ctx)
	return errRenewed
}

var errRenewed = fault.Unavailable("the token was renewed; the next request uses the new one")
