package task

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Limits of what a person writes.
const (
	MaxSubject = 200    // characters
	MaxBody    = 10_000 // bytes
)

// bodyField is where a request says what is to know: the field body of its body.
const bodyField = "body.body"

// Draft is what a person says of a task.
type Draft struct {
	Department string    `json:"department" doc:"Whose work it is."`
	Subject    string    `json:"subject" doc:"In one line; what Steelyard filed keeps its own."`
	Body       string    `json:"body,omitempty" doc:"All that is to know; what Steelyard filed keeps its own."`
	Server     string    `json:"server,omitempty" doc:"Id of the server that it is about; fixed for ever."`
	DueAt      time.Time `json:"due_at,omitzero" required:"false" doc:"Until when it should be done; none is as long as it takes."`
}

// DraftOf is the draft that would make t.
func DraftOf(t Task) Draft {
	return Draft{Department: t.Department, Subject: t.Subject, Body: t.Body, Server: t.Server, DueAt: t.DueAt}
}

// CheckText records what is wrong with subject and body.
func (d Draft) CheckText(c *fault.Check) {
	n := utf8.RuneCountInString(d.Subject)
	c.Require(0 < n && n <= MaxSubject && !strings.ContainsAny(d.Subject, "\r\n"), "subject", "is empty, has more than one line or more than %d characters", MaxSubject)
	c.Require(len(d.Body) <= MaxBody, bodyField, "has %d bytes; %d are the most", len(d.Body), MaxBody)
}

// Onto changes t to what the draft says. Its second value names the fields that may not change.
func (d Draft) Onto(t Task, now time.Time) (Task, []string) {
	var fixed []string
	if d.Server != t.Server {
		fixed = append(fixed, "server")
	}
	if t.CreatedBy == "" {
		if d.Subject != t.Subject {
			fixed = append(fixed, "subject")
		}
		if d.Body != t.Body {
			fixed = append(fixed, bodyField)
		}
	}
	if d.Department != t.Department {
		t.Assignee = ""
	}
	t.Department, t.Subject, t.Body, t.ChangedAt = d.Department, d.Subject, d.Body, now
	if !d.DueAt.Equal(t.DueAt) {
		t = t.Due(d.DueAt, now)
	}
	return t, fixed
}
