package intake

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
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

// AssignTask says who works on a task: a user who may see it and work on it; "" is nobody. He is told by mail, unless it was he who said so.
func (in *Intake) AssignTask(ctx context.Context, actor access.Actor, taskID, assignee string) (task.Task, int64, error) {
	return in.changeTask(ctx, actor, "task.assign", taskID, "", func(tx *store.Tx, t *task.Task) error {
		if t.State != task.Open {
			return fault.Refused("task %s is closed; it cannot be assigned", t.ID)
		}
		if assignee == "" {
			t.Assignee = ""
			return nil
		}
		var u access.User
		if err := checked(tx, "the task cannot be assigned", func(c *fault.Check, look Lookup) {
			u = checkAssignee(c, tx, look, actor, assignee, t.Department)
		}); err != nil || t.Assignee == u.Name {
			return err
		}
		t.Assignee = u.Name
		if to := addressOf(u); to != "" && u.Name != actor.Name && in.MailSet() {
			return Post(tx, Letter{To: to, Subject: "Task for you: " + t.Subject, Body: assignedText(t, actor.Name)}, in.now())
		}
		return nil
	})
}

// maxTold bounds how much of a task a letter tells.
const maxTold = notify.MaxLetter / 2

// assignedText is the letter to a new assignee.
func assignedText(t *task.Task, by string) string {
	text := by + " says that you work on this task of " + t.Department + ":\n\n  " + t.Subject + "\n\n"
	if t.Body != "" {
		text += strings.ToValidUTF8(t.Body[:min(len(t.Body), maxTold)], "") + "\n\n"
	}
	if !t.DueAt.IsZero() {
		text += "It should be done by " + t.DueAt.UTC().Format("2006-01-02 15:04 UTC") + ".\n"
	}
	return text + "To do: steelyard task show " + t.ID + "; when it is done: steelyard task close " + t.ID + " --reason '…'\n"
}

// checkAssignee finds a user, and records one who does not exist, is disabled, or may not work on tasks of the department. Who sees only his
// department's tasks is not told which of these it is: it would tell him who there is.
func checkAssignee(c *fault.Check, tx *store.Tx, look Lookup, actor access.Actor, name, department string) access.User {
	holder, _ := look.Holder("users", name)
	u, known, err := store.Users.Find(tx, holder)
	scope := access.ScopeOf(access.Actor{Role: u.Role, Department: u.Department}, "tasks")
	works := err == nil && known && !u.Disabled && access.Allowed(u.Role, access.TaskWork) && scope.Sees(department)
	switch {
	case works:
	case access.ScopeOf(actor, "tasks").Field != "":
		c.Add("assignee", "%.80q is nobody who works on tasks of department %s", name, department)
	case err != nil || !known:
		c.Add("assignee", "%.80q is no user; see: steelyard user list", name)
	case u.Disabled:
		c.Add("assignee", "%s is disabled", u.Name)
	default:
		c.Add("assignee", "%s (%s) does not work on tasks of department %s", u.Name, u.Role, department)
	}
	return u
}

// CreateTask files a task that a person asks for. Nothing else closes it.
func (in *Intake) CreateTask(ctx context.Context, actor access.Actor, d task.Draft) (t task.Task, rev int64, err error) {
	now := in.now()
	fresh := id.At("tsk", now)
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the task cannot be filed", func(c *fault.Check, look Lookup) { CheckTask(c, look, d) }); err != nil {
			return err
		}
		t = task.New(fresh, d.Department, task.Manual, "asked/"+fresh, d.Subject, d.Body, now).Due(d.DueAt, now)
		t.Server, t.CreatedBy = d.Server, actor.Name
		return cmp.Or(FileTask(tx, t), audit(tx, actor, "task.create", "tasks/"+t.ID, nil, t, "", now), remember(tx, "tasks", t.ID, t, now))
	})
	return t, rev, err
}

// CheckTask records all fields of a draft that are wrong.
func CheckTask(c *fault.Check, look Lookup, d task.Draft) {
	order.CheckName(c, "department", d.Department)
	d.CheckText(c)
	if d.Server != "" {
		_, known := look.Server(d.Server)
		c.Require(known, "server", "%.80q does not exist; see: steelyard server list", d.Server)
	}
}

// EditTask changes an open task that is still at revision rev: whose work it is, until when, and, of one that a person filed, its text.
// Another department gets it without an assignee.
func (in *Intake) EditTask(ctx context.Context, actor access.Actor, taskID string, rev int64, edit func(task.Draft) (task.Draft, error)) (task.Task, int64, error) {
	now := in.now()
	return in.changeTask(ctx, actor, "task.edit", taskID, "", func(tx *store.Tx, t *task.Task) error {
		if err := unchanged(in, store.Tasks, taskID, rev, *t); err != nil {
			return err
		}
		if t.State != task.Open {
			return fault.Refused("task %s is closed; nothing of it can be changed", t.ID)
		}
		d, err := edit(task.DraftOf(*t))
		if err != nil {
			return err
		}
		return checked(tx, "the task cannot be changed", func(c *fault.Check, look Lookup) {
			var fixed []string
			*t, fixed = d.Onto(*t, now)
			for _, name := range fixed {
				c.Add(name, "cannot be changed; say it in a comment")
			}
			order.CheckName(c, "department", d.Department)
			if t.CreatedBy != "" {
				d.CheckText(c)
			}
		})
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
