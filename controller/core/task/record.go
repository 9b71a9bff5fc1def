package task

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/match"
)

// Kinds of task.
const (
	Build      = "build"
	Moderation = "moderation"
	Cleanup    = "cleanup"
	Conflict   = "conflict"
	Approval   = "approval"
	Failure    = "failure"
	Manual     = "manual" // a person is a hand: closing it says that it is done
)

// States.
const (
	Open   = "open"
	Closed = "closed"
)

// Task is one piece of work. Two open tasks never share a dedupe key.
type Task struct {
	ID          string         `json:"id"`
	Department  string         `json:"department"`
	Kind        string         `json:"kind" enum:"build,moderation,cleanup,conflict,approval,failure,manual"`
	Subject     string         `json:"subject"`
	Body        string         `json:"body"`
	DedupeKey   string         `json:"dedupe_key"`
	State       string         `json:"state" enum:"open,closed"`
	Server      string         `json:"server,omitempty"`
	Order       string         `json:"order,omitempty"`
	Service     string         `json:"service,omitempty"`
	Operation   string         `json:"operation,omitempty"`
	Parts       []match.Change `json:"parts"`
	Assignee    string         `json:"assignee,omitempty"` // name of a user
	DueAt       time.Time      `json:"due_at,omitzero"`    // until when it should be done
	Overdue     bool           `json:"overdue"`            // it was open when DueAt passed, and those who want to know were told
	Comments    []Comment      `json:"comments"`
	CreatedAt   time.Time      `json:"created_at"`
	CreatedBy   string         `json:"created_by,omitempty"` // the person who asked for it; "" when Steelyard found the cause
	ChangedAt   time.Time      `json:"changed_at"`
	ClosedAt    time.Time      `json:"closed_at,omitzero"`
	ClosedBy    string         `json:"closed_by,omitempty"` // a person, or "steelyard" when the cause was gone
	CloseReason string         `json:"close_reason,omitempty"`
}

// Comment is what a person wrote on a task.
type Comment struct {
	Author string    `json:"author"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
}
