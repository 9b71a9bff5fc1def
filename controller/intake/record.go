package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
)

// Audit writes one line of the audit log into tx (rule X8): of before and after only
// the fields that differ, and never a secret's digest or hash (X9). Either may be nil.
func Audit(tx *store.Tx, actor access.Actor, action, object string, before, after any, reason string, now time.Time) error {
	return audit(tx, actor, action, object, before, after, reason, now)
}

func audit(tx *store.Tx, actor access.Actor, action, object string, before, after any, reason string, now time.Time) error {
	b, a, err := differing(before, after)
	if err != nil {
		return err
	}
	line := access.Audit{ID: id.At("aud", now), At: now, Actor: actor, Action: action, Object: object, Reason: reason, Request: RequestID(tx.Context())}
	if line.Before, err = textOf(b); err != nil {
		return err
	}
	if line.After, err = textOf(a); err != nil {
		return err
	}
	return store.Audit.Create(tx, line.ID, line)
}

type requestKey struct{}

// WithRequestID makes the audit lines of what is done with ctx name a request.
func WithRequestID(ctx context.Context, request string) context.Context {
	return context.WithValue(ctx, requestKey{}, request)
}

// RequestID is the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	s, _ := ctx.Value(requestKey{}).(string)
	return s
}

// FileTask stores an open task unless one with its dedupe key is open already (rule X6).
func FileTask(tx *store.Tx, t task.Task) error {
	open, ok, err := store.TaskKeys.Find(tx, t.DedupeKey)
	if err != nil || ok && open.Task != "" {
		return err
	}
	return cmp.Or(store.TaskKeys.Put(tx, t.DedupeKey, store.TaskKey{Task: t.ID}), store.Tasks.Create(tx, t.ID, t))
}

// CloseTask closes the open task with this dedupe key, if there is one.
func CloseTask(tx *store.Tx, dedupeKey, by, reason string, now time.Time) error {
	open, ok, err := store.TaskKeys.Find(tx, dedupeKey)
	if err != nil || !ok {
		return err
	}
	t, ok, err := store.Tasks.Find(tx, open.Task)
	if err != nil {
		return err
	}
	if ok {
		if err := store.Tasks.Put(tx, t.ID, t.Close(by, reason, now)); err != nil {
			return err
		}
	}
	return store.TaskKeys.Delete(tx, dedupeKey)
}
