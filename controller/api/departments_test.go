package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

func (h *house) department(as access.Role, name string) (d Department) {
	h.t.Helper()
	var list struct{ Items []Department }
	a := h.ask(as, "GET", "/v1/departments", "")
	if err := json.Unmarshal(a.body, &list); err != nil || a.status != 200 {
		h.t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	for _, one := range list.Items {
		if one.ID == name {
			return one
		}
	}
	return d
}

// TestX6_DepartmentsShowWhatIsToDo, and one that nobody is in is seen.
func TestX6_DepartmentsShowWhatIsToDo(t *testing.T) {
	h := newHouse(t)
	if d := h.department(access.RoleAdmin, "dc-ops"); d.Open != 0 {
		t.Fatalf("at the beginning: %+v", d)
	}
	var filed Task
	a := h.must(201, "POST", "/v1/tasks", `{"department":"dc-ops","subject":"count the disks"}`)
	if err := json.Unmarshal(a.body, &filed); err != nil || filed.Kind != task.Manual || filed.CreatedBy == "" {
		t.Fatalf("%s: %v", a.body, err)
	}
	if d := h.department(access.RoleDepartment, "dc-ops"); d.Open != 1 || d.Unassigned != 1 || d.Members != 0 {
		t.Errorf("with a task: %+v", d)
	}
	h.must(201, "POST", "/v1/users", `{"name":"kim","role":"department","department":"dc-ops","password":"long enough 123"}`)
	h.must(200, "POST", "/v1/tasks/"+filed.ID+"/assign", `{"assignee":"kim"}`)
	if d := h.department(access.RoleAdmin, "dc-ops"); d.Open != 1 || d.Unassigned != 0 || d.Members != 1 {
		t.Errorf("assigned: %+v", d)
	}
	a = h.ask(access.RoleAdmin, "PATCH", "/v1/tasks/"+filed.ID, `{"department":"billing"}`, "If-Match", "*")
	if a.status != 200 || strings.Contains(string(a.body), "kim") {
		t.Errorf("another department has it with the assignee of the first: %d %s", a.status, a.body)
	}
	if d := h.department(access.RoleAdmin, "billing"); d.Open != 1 || d.Members != 0 {
		t.Errorf("billing: %+v", d)
	}
	if d := h.department(access.RoleDepartment, "billing"); d.ID != "" {
		t.Errorf("a member of dc-ops sees %+v", d)
	}
	h.must(200, "POST", "/v1/tasks/"+filed.ID+"/close", `{"reason":"nine"}`)
	if d := h.department(access.RoleAdmin, "billing"); d.ID != "" {
		t.Errorf("nothing names it any more: %+v", d)
	}
}

// TestX6_AnAssigneeIsToldByMail, but not of what he took himself, and once.
func TestX6_AnAssigneeIsToldByMail(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/v1/users", `{"name":"kim","email":"kim@example.net","role":"department","department":"dc-ops","password":"long enough 123"}`)
	var filed Task
	if err := json.Unmarshal(h.must(201, "POST", "/v1/tasks", `{"department":"dc-ops","subject":"count the disks"}`).body, &filed); err != nil {
		t.Fatal(err)
	}
	assign := func(who string) { h.must(200, "POST", "/v1/tasks/"+filed.ID+"/assign", `{"assignee":"`+who+`"}`) }
	letters := func() int {
		return strings.Count(string(h.must(200, "GET", "/v1/deliveries", "").body), `"to":"kim@example.net"`)
	}
	assign("kim")
	if n := letters(); n != 0 {
		t.Errorf("%d letters wait for a mail server that nobody set", n)
	}
	h.change(func(tx *store.Tx) error {
		return store.MailServers.Put(tx, store.TheMailServer, notify.MailServer{Host: "mail.example.net"})
	})
	assign("")
	assign("KIM")
	assign("kim")
	if n := letters(); n != 1 {
		t.Errorf("%d letters, want 1", n)
	}
}

// TestX13_ATaskWithMistakesTellsThemAll, and the text of what Steelyard filed is its own.
func TestX13_ATaskWithMistakesTellsThemAll(t *testing.T) {
	h := newHouse(t)
	a := h.ask(access.RoleAdmin, "POST", "/v1/tasks", `{"department":"","subject":"two\nlines","server":"srv-none"}`)
	for _, field := range []string{"body.department", "body.subject", "body.server"} {
		if a.status != 422 || !strings.Contains(string(a.body), `"`+field+`"`) {
			t.Errorf("%s is not named: %d %s", field, a.status, a.body)
		}
	}
	h.change(func(tx *store.Tx) error {
		return intake.FileTask(tx, task.New("tsk-1", "dc-ops", task.Build, "build/1", "Rebuild", "Add a disk", h.now()))
	})
	a = h.ask(access.RoleAdmin, "PATCH", "/v1/tasks/tsk-1", `{"subject":"Never mind","body":"x","due_at":"2030-01-01T00:00:00Z"}`, "If-Match", "*")
	if a.status != 422 || !strings.Contains(string(a.body), "body.subject") || !strings.Contains(string(a.body), `"body.body"`) {
		t.Errorf("changed what is not a person's: %d %s", a.status, a.body)
	}
	a = h.ask(access.RoleAdmin, "PATCH", "/v1/tasks/tsk-1", `{"due_at":"2030-01-01T00:00:00Z"}`, "If-Match", "*")
	if a.status != 200 || !strings.Contains(string(a.body), "2030-01-01") {
		t.Errorf("more time: %d %s", a.status, a.body)
	}
}
