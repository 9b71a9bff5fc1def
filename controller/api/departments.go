package api

import (
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
)

// Department is a name that tasks, users and modules share, and what is to do there. It is derived from them: a department is there as long
// as something names it, so that one whose tasks nobody sees is seen.
type Department struct {
	ID         string    `json:"id" doc:"Its name."`
	Open       int       `json:"open" doc:"Open tasks."`
	Unassigned int       `json:"unassigned" doc:"Those of them on which nobody works."`
	Overdue    int       `json:"overdue" doc:"Those of them that should be done."`
	Members    int       `json:"members" doc:"Users with role department who may log in."`
	Modules    int       `json:"modules" doc:"Processing modules whose build tasks it gets."`
	ChangedAt  time.Time `json:"changed_at"`
	Rev        int64     `json:"rev"`
}

func (a *API) registerDepartments() {
	a.lister("departments", "Departments, and what is to do in each", Department{})
	a.getter("departments", "One department", Department{})
}

// part is what one record adds to its department; by is 1 or -1.
func (d *Department) part(v any, by int) {
	switch v := v.(type) {
	case *task.Task:
		if v.State != task.Open {
			return
		}
		d.Open += by
		if v.Assignee == "" {
			d.Unassigned += by
		}
		if v.Overdue {
			d.Overdue += by
		}
	case *access.User:
		if !v.Disabled {
			d.Members += by
		}
	case *order.Module:
		d.Modules += by
	}
}

// departmentOf is the department that a record names, "" for none.
func departmentOf(v any) string {
	switch v := v.(type) {
	case *task.Task:
		if v != nil {
			return v.Department
		}
	case *access.User:
		if v != nil && v.Role == access.RoleDepartment {
			return v.Department
		}
	case *order.Module:
		if v != nil {
			return v.Department
		}
	}
	return ""
}

// takeMember updates the departments that a task, user or module names or named, before it is entered itself.
func (b *board) takeMember(d delta, tell bool) {
	if old := b.sheets[d.table].get(d.id); old != nil {
		b.count(departmentOf(old.value), old.value, -1, d.rev, tell)
	}
	b.count(departmentOf(d.value), d.value, 1, d.rev, tell)
	b.takeRecord(d, tell)
}

func (b *board) count(name string, v any, by int, rev int64, tell bool) {
	if name == "" {
		return
	}
	s, next, created := b.sheets["departments"], Department{ID: name}, rev
	if old := s.get(name); old != nil {
		next, created = *old.value.(*Department), old.created
	}
	before := next
	if next.part(v, by); next == before {
		return
	}
	next.ChangedAt, next.Rev = b.now(), rev
	if next.Open+next.Members+next.Modules == 0 {
		if gone := s.drop(name, rev); gone != nil && tell {
			b.events.add(event{Rev: rev, Table: s.name, ID: name, At: b.now(), row: gone, gone: true})
		}
		return
	}
	r := &row{id: name, rev: rev, state: rev, created: created, value: &next, search: strings.ToLower(name), render: renderDepartment}
	s.put(r)
	if tell {
		b.events.add(event{Rev: rev, Table: s.name, ID: name, At: b.now(), row: r})
	}
}

func renderDepartment(r *row) []byte { return render(r.value.(*Department)) }

func departmentSheet() *sheet {
	return newSheet("departments",
		label("id", func(d *Department) string { return d.ID }),
		only(text("department", func(d *Department) string { return d.ID })),
		number("open", func(d *Department) int64 { return int64(d.Open) }),
		number("unassigned", func(d *Department) int64 { return int64(d.Unassigned) }),
		number("overdue", func(d *Department) int64 { return int64(d.Overdue) }),
		number("members", func(d *Department) int64 { return int64(d.Members) }),
	)
}
