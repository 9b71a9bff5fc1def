package intake

import (
	"cmp"
	"context"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxComments bounds one task; who has more to say opens a ticket elsewhere.
const maxComments = 200

// changeTask commits a person's change of an open task with its audit line.
func (in *Intake) changeTask(ctx context.Context, actor access.Actor, action, taskID, reason string,
	change func(tx *store.Tx, t *task.Task) error,
) (t task.Task, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Tasks.Get(tx, taskID)
		if err != nil {
			return err
		}
		t = before
		t.Comments = slices.Clone(before.Comments)
		if err := change(tx, &t); err != nil {
			return err
		}
		t.ChangedAt = now
		return cmp.Or(store.Tasks.Put(tx, taskID, t), audit(tx, actor, action, "tasks/"+taskID, before, t, reason, now))
	})
	return t, rev, err
}

// CommentTask adds what a person has to say, to an open task or a closed one.
func (in *Intake) CommentTask(ctx context.Context, actor access.Actor, taskID, text string) (task.Task, int64, error) {
	var c fault.Check
	c.Require(text != "" && len(text) <= MaxReason, "text", "is empty or longer than %d bytes", MaxReason)
	if err := c.Err("the comment cannot be added"); err != nil {
		return task.Task{}, 0, err
	}
	now := in.now()
	return in.changeTask(ctx, actor, "task.comment", taskID, "", func(_ *store.Tx, t *task.Task) error {
		if len(t.Comments) >= maxComments {
			return fault.Refused("task %s has %d comments; no more fit", t.ID, maxComments)
		}
		t.Comments = append(t.Comments, task.Comment{Author: actor.Name, Text: text, At: now})
		return nil
	})
}

// AssignTask says who works on a task; "" is nobody.
func (in *Intake) AssignTask(ctx context.Context, actor access.Actor, taskID, assignee string) (task.Task, int64, error) {
	if assignee != "" {
		var c fault.Check
		order.CheckName(&c, "assignee", assignee)
		if err := c.Err("the task cannot be assigned"); err != nil {
			return task.Task{}, 0, err
		}
	}
	return in.changeTask(ctx, actor, "task.assign", taskID, "", func(_ *store.Tx, t *task.Task) error {
		if t.State != task.Open {
			return fault.Refused("task %s is closed; it cannot be assigned", t.ID)
		}
		t.Assignee = assignee
		return nil
	})
}

// EndTask closes a task by hand. What waits for it is reconcile's to decide.
func (in *Intake) EndTask(ctx context.Context, actor access.Actor, taskID, reason string) (task.Task, int64, error) {
	if err := needReason(reason, "say what was done, or why it is not needed"); err != nil {
		return task.Task{}, 0, err
	}
	now := in.now()
	return in.changeTask(ctx, actor, "task.close", taskID, reason, func(tx *store.Tx, t *task.Task) error {
		*t = t.Close(actor.Name, reason, now)
		held, ok, err := store.TaskKeys.Find(tx, t.DedupeKey)
		if err != nil || !ok || held.Task != t.ID {
			return err
		}
		return store.TaskKeys.Delete(tx, t.DedupeKey)
	})
}
