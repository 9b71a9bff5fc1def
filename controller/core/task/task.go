package task

import (
	"time"
)

// New makes an open task. Give it a dedupe key that is the same for the same
// cause, so that a cause that is met twice files one task.
func New(id, department, kind, key, subject, body string, now time.Time) Task {
	return Task{
		ID: id, Department: department, Kind: kind, DedupeKey: key, Subject: subject, Body: body,
		State: Open, CreatedAt: now, ChangedAt: now,
	}
}

// Close ends a task. Closing a closed one changes nothing.
func (t Task) Close(by, reason string, now time.Time) Task {
	if t.State == Closed {
		return t
	}
	t.State, t.ClosedAt, t.ChangedAt, t.ClosedBy, t.CloseReason = Closed, now, now, by, reason
	return t
}

// Remind is when those who want to know are told that the task is overdue; zero is never.
func (t Task) Remind() time.Time {
	if t.State != Open || t.Overdue {
		return time.Time{}
	}
	return t.DueAt
}

// Due gives the task until at; zero is as long as it takes.
func (t Task) Due(at, now time.Time) Task {
	t.DueAt, t.Overdue = at, false
	t.ChangedAt = now
	return t
}

// Worked reports whether a person works on the task: it is assigned, or was
// commented within the time given. Holds for it are then extended (rule B27).
func (t Task) Worked(now time.Time, within time.Duration) bool {
	if t.State != Open {
		return false
	}
	if t.Assignee != "" {
		return true
	}
	for _, c := range t.Comments {
		if now.Sub(c.At) < within {
			return true
		}
	}
	return false
}
