package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// diagnosed makes a server that would be available if its checks were fine.
func diagnosed(verdict string, now time.Time) func(*fleet.Server) {
	return func(s *fleet.Server) {
		s.Location = "loc-1"
		s.Diagnosis = &fleet.DiagnosisSummary{ID: "opn-1", At: now, Checks: []protocol.Check{{Name: "memory", Verdict: verdict, Value: "3 errors"}}}
		s.Diagnosis.ConfigurationKey = factsOf(*s).Key
	}
}

func (h *house) connect(server string) {
	h.change(func(tx *store.Tx) error {
		return store.Presences.Put(tx, server, fleet.Presence{Server: server, Since: h.now()})
	})
}

func TestB25_WhyIsAnsweredForEveryServer(t *testing.T) {
	h := newHouse(t)
	for _, claim := range []string{fleet.ClaimNone, fleet.ClaimHeld, fleet.ClaimClient} {
		server := h.addServer("node-"+claim, func(s *fleet.Server) { s.Claim.Kind, s.Claim.Ref = claim, "x" })
		var why Why
		h.must(200, "GET", "/v1/servers/"+server+"/why", "").json(t, &why)
		var view Server
		h.must(200, "GET", "/v1/servers/"+server, "").json(t, &view)
		if why.Server != server || why.Available || len(why.Reasons) == 0 || len(view.Reasons) != len(why.Reasons) {
			t.Errorf("claim %s: why %+v, server shows %+v", claim, why, view.Reasons)
		}
		for _, r := range why.Reasons {
			if r.Rule == "" || r.Message == "" || r.Fact == "" {
				t.Errorf("claim %s: a reason says too little: %+v", claim, r)
			}
		}
	}
}

func TestB24_AnOverrideNeedsAReasonIsAuditedAndRevocable(t *testing.T) {
	h := newHouse(t)
	fresh := h.addServer("fresh", nil)
	if p := h.must(409, "PUT", "/v1/servers/"+fresh+"/override", `{"reason":"x"}`).problem(t); !strings.Contains(p.Detail, "diagnostics") {
		t.Errorf("without diagnostics: %q", p.Detail)
	}
	server := h.addServer("node", diagnosed(protocol.VerdictError, h.now()))
	h.connect(server)
	path := "/v1/servers/" + server + "/override"
	if p := h.must(422, "PUT", path, `{}`).problem(t); !p.names("body.reason") {
		t.Errorf("without a reason: %+v", p)
	}
	available := func(want bool, when string) {
		t.Helper()
		var why Why
		h.must(200, "GET", "/v1/servers/"+server+"/why", "").json(t, &why)
		if why.Available != want {
			t.Errorf("%s: available is %v: %+v", when, why.Available, why.Reasons)
		}
	}
	available(false, "with an error")
	var s Server
	h.must(200, "PUT", path, `{"reason":"spare parts ordered"}`).json(t, &s)
	if s.Override == nil || s.Override.Reason != "spare parts ordered" || s.Override.Actor != "admin token" {
		t.Errorf("the override is %+v", s.Override)
	}
	available(true, "overridden")
	if n := h.audited("server.override", "servers/"+server); n != 1 {
		t.Errorf("%d audit lines", n)
	}
	h.must(200, "DELETE", path, "")
	available(false, "revoked")
	h.must(200, "PUT", path, `{"reason":"again"}`)
	h.change(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		d := *s.Diagnosis
		d.ID = "opn-2"
		s.Diagnosis = &d
		return store.Servers.Put(tx, server, s)
	})
	available(false, "after the next diagnostics")
}

// audited counts lines of an action about an object.
func (h *house) audited(action, object string) int {
	h.t.Helper()
	var list struct {
		Items []AuditLine `json:"items"`
		Total int         `json:"total"`
	}
	h.must(200, "GET", "/v1/audit?action="+action+"&object="+object, "").json(h.t, &list)
	for _, l := range list.Items {
		if l.Actor.Name != "admin token" || l.Actor.Role != access.RoleAdmin || l.Request == "" || l.At.IsZero() {
			h.t.Errorf("an audit line says too little: %+v", l)
		}
	}
	return list.Total
}

func TestX8_EveryDecisionLeavesOneLine(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("node", func(s *fleet.Server) { s.Approval, s.InService = fleet.Pending, false })
	base, object := "/v1/servers/"+server, "servers/"+server
	for _, step := range []struct{ method, path, body, action string }{
		{"POST", "/approve", `{"reason":"delivered","commission":false}`, "server.approve"},
		{"POST", "/commission", ``, "server.commission"},
		{"PUT", "/maintenance", `{"reason":"new fan"}`, "server.maintenance"},
		{"DELETE", "/maintenance", ``, "server.maintenance_end"},
		{"POST", "/decommission", `{"reason":"moved"}`, "server.decommission"},
		{"POST", "/reject", `{"reason":"not ours"}`, "server.reject"},
	} {
		for range 2 { // a second time changes nothing
			h.must(200, step.method, base+step.path, step.body)
			if step.action == "server.maintenance" {
				break // it is set again, with a new time
			}
		}
		if n := h.audited(step.action, object); n != 1 {
			t.Errorf("%s: %d audit lines, want 1", step.action, n)
		}
	}
	a := h.ask(access.RoleAdmin, "PATCH", base, `{"name":"web-1","rack":"R3"}`, "If-Match", "*", "X-Request-Id", "req-of-mine")
	if a.header.Get("X-Request-Id") != "req-of-mine" {
		t.Errorf("the request id is %q", a.header.Get("X-Request-Id"))
	}
	var list struct{ Items []AuditLine }
	h.must(200, "GET", "/v1/audit?q=req-of-mine", "").json(t, &list)
	if len(list.Items) != 1 || string(list.Items[0].Before) == "" || !strings.Contains(string(list.Items[0].After), `"web-1"`) || strings.Contains(string(list.Items[0].After), "epoch") {
		t.Errorf("the line of the edit is %s", a.body)
	}
	h.must(200, "GET", "/v1/servers/web-1", "")
	h.addServer("WEB-1", nil)
	if p := h.must(409, "GET", "/v1/servers/web-1", "").problem(t); !strings.Contains(p.Detail, "2 servers") {
		t.Errorf("an ambiguous name: %q", p.Detail)
	}
}

func TestB20_B21_RefusedDecisionsSayWhy(t *testing.T) {
	h := newHouse(t)
	taken := h.addServer("taken", func(s *fleet.Server) { s.Claim.Kind, s.Claim.Ref, s.Location = fleet.ClaimClient, "svc-9", "loc-1" })
	pending := h.addServer("pending", func(s *fleet.Server) { s.Approval, s.InService = fleet.Pending, false })
	for path, want := range map[string]string{
		taken + "/reject": "svc-9", taken + "/decommission": "svc-9", pending + "/commission": "approve it first",
	} {
		if p := h.must(409, "POST", "/v1/servers/"+path, "").problem(t); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %q", path, p.Detail)
		}
	}
	if p := h.must(422, "PUT", "/v1/servers/"+taken+"/maintenance", "").problem(t); !p.names("body.reason") {
		t.Errorf("maintenance without a reason: %+v", p)
	}
	h.must(409, "PATCH", "/v1/servers/"+taken, `{"location":null,"rack":"R1"}`, "If-Match", "*")
}

func TestX1_AQuarantineEndsOnlyWhenTheIdentityIsSettled(t *testing.T) {
	h := newHouse(t)
	a := h.addServer("a", nil)
	b := h.addServer("b", nil)
	shared := "system_serial/SN1"
	h.change(func(tx *store.Tx) error {
		for _, id := range []string{a, b} {
			s, err := store.Servers.Get(tx, id)
			if err != nil {
				return err
			}
			s.Identity.SystemSerial = "SN1"
			s.Quarantine = &fleet.Note{Reason: "same serial", At: h.now()}
			if err := store.Servers.Put(tx, id, s); err != nil {
				return err
			}
			if keys := fleet.IdentityKeys(s.Identity); len(keys) == 1 {
				shared = keys[0]
			}
		}
		return store.Identities.Put(tx, shared, store.Holders{Servers: []string{a, b}})
	})
	if p := h.must(409, "DELETE", "/v1/servers/"+a+"/quarantine?reason=looked", "").problem(t); !strings.Contains(p.Detail, b) {
		t.Errorf("the refusal does not name the other server: %q", p.Detail)
	}
	h.must(422, "DELETE", "/v1/servers/"+a+"/quarantine", "")
	h.must(200, "POST", "/v1/servers/"+b+"/reject", `{"reason":"a copied disk"}`)
	var s Server
	h.must(200, "DELETE", "/v1/servers/"+a+"/quarantine?reason=looked", "").json(t, &s)
	if s.Quarantine != nil || s.Cleanliness != fleet.Dirty {
		t.Errorf("after the quarantine the server is %+v; its disks count as dirty until erased", s.Server)
	}
}

func TestX1_ARetiredServerIsListedOnlyWhenAskedFor(t *testing.T) {
	h := newHouse(t)
	h.addServer("web1", nil)
	old := h.addServer("old", nil)
	path := "/v1/servers/" + old
	h.must(422, "POST", path+"/retire", `{}`)
	if a := h.ask(access.RoleMarketing, "POST", path+"/retire", `{"reason":"sold"}`); a.status != 403 {
		t.Errorf("marketing retires a server: %d", a.status)
	}
	h.must(200, "POST", path+"/retire", `{"reason":"sold"}`)
	var list struct{ Total int }
	for query, want := range map[string]int{"": 1, "?all=true&sort=name": 1, "?approval=retired": 1, "?approval=approved,retired": 2, "?q=old": 0, "?available=false": 1, "?approval=pending": 0} {
		h.must(200, "GET", "/v1/servers"+query, "").json(t, &list)
		if list.Total != want {
			t.Errorf("%q lists %d servers, want %d", query, list.Total, want)
		}
	}
	var why Why
	h.must(200, "GET", path+"/why", "").json(t, &why)
	if why.Available || !strings.Contains(fmt.Sprint(why.Reasons), "it was retired by admin token: sold") {
		t.Errorf("why: %+v", why)
	}
	h.must(404, "GET", "/v1/servers/old", "")
	h.addServer("old", nil) // the name is free
	h.must(200, "GET", "/v1/servers/old", "")
}

func TestX1_WhatIsSaidOfPartsIsSaidByWhoMay(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("web1", func(s *fleet.Server) {
		s.PendingIdentity = &fleet.PendingIdentity{ID: "0123456789ab", Identity: hardware.Identity{BoardSerial: "B2"}, Changes: []string{"board serial B1 is now B2"}, Seen: h.now()}
	})
	path := "/v1/servers/" + server + "/identity/"
	var why Why
	h.must(200, "GET", "/v1/servers/"+server+"/why", "").json(t, &why)
	if why.Available || !strings.Contains(fmt.Sprint(why.Reasons), "board serial B1 is now B2") {
		t.Errorf("why: %+v", why)
	}
	body := `{"identity":"0123456789ab","reason":"board died"}`
	if a := h.ask(access.RoleDepartment, "POST", path+"confirm", body); a.status != 403 {
		t.Errorf("a department confirms: %d", a.status)
	}
	h.must(422, "POST", path+"confirm", `{"identity":"0123456789ab"}`)
	if p := h.must(409, "POST", path+"confirm", `{"identity":"ba9876543210","reason":"board died"}`).problem(t); !strings.Contains(p.Detail, "look again") {
		t.Errorf("another identity than was seen: %q", p.Detail)
	}
	var s Server
	h.must(200, "POST", path+"reject", body).json(t, &s)
	if s.Quarantine == nil || s.PendingIdentity.Rejected == nil {
		t.Errorf("rejected: %+v", s.Server)
	}
	h.must(200, "POST", path+"confirm", body).json(t, &s)
	if s.Identity.BoardSerial != "B2" || s.Quarantine == nil || h.audited("server.identity_confirm", "servers/"+server) != 1 {
		t.Errorf("confirmed: %+v", s.Server)
	}
}

func TestX1_AMachineIsAdoptedThroughTheAPI(t *testing.T) {
	h := newHouse(t)
	known := h.addServer("web1", func(s *fleet.Server) { s.Claim = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"} })
	fresh := h.addServer("localhost", func(s *fleet.Server) { s.Approval, s.Cleanliness, s.CertSerial = fleet.Pending, fleet.Dirty, "77" })
	body := `{"as":"` + known + `","reason":"new board"}`
	if a := h.ask(access.RoleDepartment, "POST", "/v1/servers/"+fresh+"/adopt", body); a.status != 403 {
		t.Errorf("a department adopts: %d", a.status)
	}
	for range 2 { // the answer may have been lost
		var s Server
		h.must(200, "POST", "/v1/servers/"+fresh+"/adopt", body).json(t, &s)
		if s.ID != known || s.CertSerial != "77" || s.Claim.Ref != "svc-1" {
			t.Errorf("adopted: %+v", s.Server)
		}
	}
	h.must(404, "GET", "/v1/servers/"+fresh, "")
}

func TestB20_MaintenanceAndMovesTakeTheirParticulars(t *testing.T) {
	h := newHouse(t)
	location, _, _ := h.setup()
	server := h.addServer("web1", nil)
	path := "/v1/servers/" + server
	until := h.now().Add(time.Hour).Truncate(time.Second)
	var s Server
	h.must(200, "PUT", path+"/maintenance", `{"reason":"fan","until":"`+until.Format(time.RFC3339)+`"}`).json(t, &s)
	if s.Maintenance == nil || !s.Maintenance.Until.Equal(until) {
		t.Errorf("maintenance %+v", s.Maintenance)
	}
	h.must(200, "POST", path+"/move", `{"location":"`+location+`","rack":"R7","reason":"closer to the switch"}`).json(t, &s)
	if s.Location != location || s.Rack != "R7" || h.audited("server.move", "servers/"+server) != 1 {
		t.Errorf("moved to %q %q", s.Location, s.Rack)
	}
}

func TestX6_TasksAreWorkedOnByTheirDepartmentOnly(t *testing.T) {
	h := newHouse(t)
	mine := task.New("tsk-1", "dc-ops", task.Build, "build/1", "Rebuild", "Add a disk", h.now())
	other := task.New("tsk-2", "billing", task.Moderation, "mod/1", "Look", "Look at it", h.now())
	h.change(func(tx *store.Tx) error {
		if err := store.Tasks.Put(tx, other.ID, other); err != nil {
			return err
		}
		return intake.FileTask(tx, mine)
	})
	as := access.RoleDepartment
	if a := h.ask(as, "GET", "/v1/tasks", ""); !strings.Contains(string(a.body), "tsk-1") || strings.Contains(string(a.body), "tsk-2") {
		t.Errorf("the department sees %s", a.body)
	}
	hidden, absent := h.ask(as, "GET", "/v1/tasks/tsk-2", ""), h.ask(as, "GET", "/v1/tasks/tsk-0", "")
	if hidden.status != 404 || strings.ReplaceAll(string(hidden.body), "tsk-2", "tsk-0") != string(absent.body) {
		t.Errorf("a foreign task is told apart from none: %s, %s", hidden.body, absent.body)
	}
	for _, path := range []string{"/comments", "/assign", "/close"} {
		if a := h.ask(as, "POST", "/v1/tasks/tsk-2"+path, `{"text":"x","assignee":"x","reason":"x"}`); a.status != 404 && a.status != 422 {
			t.Errorf("%s of a foreign task: %d %s", path, a.status, a.body)
		}
	}
	if a := h.ask(as, "POST", "/v1/tasks/tsk-1/comments", `{"text":"on my way"}`); a.status != 200 || !strings.Contains(string(a.body), "on my way") {
		t.Errorf("comment: %d %s", a.status, a.body)
	}
	for name, department := range map[string]string{"kim": "dc-ops", "bo": "billing"} {
		h.must(201, "POST", "/v1/users", `{"name":"`+name+`","role":"department","department":"`+department+`","password":"long enough 123"}`)
	}
	if a := h.ask(as, "POST", "/v1/tasks/tsk-1/assign", `{"assignee":"kim"}`); a.status != 200 || !strings.Contains(string(a.body), `"assignee":"kim"`) {
		t.Errorf("assign: %d %s", a.status, a.body)
	}
	for _, name := range []string{"bo", "nobody"} {
		if a := h.ask(as, "POST", "/v1/tasks/tsk-1/assign", `{"assignee":"`+name+`"}`); a.status != 422 || !strings.Contains(string(a.body), `"location":"body.assignee"`) {
			t.Errorf("assign to %s: %d %s", name, a.status, a.body)
		}
	}
	if a := h.ask(as, "POST", "/v1/tasks/tsk-1/close", ``); a.status != 422 {
		t.Errorf("close without a reason: %d", a.status)
	}
	a := h.ask(as, "POST", "/v1/tasks/tsk-1/close", `{"reason":"done"}`)
	if a.status != 200 || !strings.Contains(string(a.body), `"state":"closed"`) {
		t.Errorf("close: %d %s", a.status, a.body)
	}
	h.change(func(tx *store.Tx) error {
		return intake.FileTask(tx, task.New("tsk-3", "dc-ops", task.Build, "build/1", "Again", "", h.now()))
	})
	h.must(200, "GET", "/v1/tasks/tsk-3", "") // the key was free again
}

func TestX7_ACustomerSeesAndOrdersOnlyForHimself(t *testing.T) {
	h := newHouse(t)
	_, _, tariff := h.setup()
	img := h.id(h.must(201, "POST", "/v1/images?name=debian&os_family=linux&format=raw", "bytes"))
	body := func(customer string) string {
		return fmt.Sprintf(`{"tariff":%q,"image":%q,"hostname":"web.example.org"%s}`, tariff, img, customer)
	}
	as := access.RoleCustomer
	own := h.ask(as, "POST", "/v1/orders", body(""))
	if own.status != 201 || !strings.Contains(string(own.body), `"customer":"acme"`) {
		t.Fatalf("own order: %d %s", own.status, own.body)
	}
	if a := h.ask(as, "POST", "/v1/orders", body(`,"customer":"other"`)); a.status != 422 || !a.problem(t).names("body.customer") {
		t.Errorf("an order for somebody else: %d %s", a.status, a.body)
	}
	foreign := h.id(h.must(201, "POST", "/v1/orders", body(`,"customer":"other"`)))
	for _, path := range []string{"/v1/orders/" + foreign, "/v1/orders/ord-none"} {
		if a := h.ask(as, "GET", path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
		if a := h.ask(as, "POST", path+"/cancel", ""); a.status != 404 {
			t.Errorf("cancel %s: %d", path, a.status)
		}
	}
	var list struct{ Total int }
	h.ask(as, "GET", "/v1/orders", "").json(t, &list)
	if list.Total != 1 {
		t.Errorf("the customer sees %d orders, want 1", list.Total)
	}
	h.ask(as, "GET", "/v1/services?customer=other", "").json(t, &list)
	if list.Total != 0 {
		t.Errorf("by asking for them the customer sees %d services of another", list.Total)
	}
	if a := h.ask(as, "POST", "/v1/orders/"+h.id(own)+"/cancel", `{"reason":"changed my mind"}`); a.status != 200 || !strings.Contains(string(a.body), order.Canceled) {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}
}

func TestX4_OperationsAreStartedAndDecided(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("node", nil)
	p := h.must(422, "POST", "/v1/servers/node/operations", `{"kind":"install","params":{"image":"img-none","hostname":"no host"}}`).problem(t)
	if !p.names("body.params.image") || !p.names("body.params.hostname") {
		t.Errorf("not all is named: %+v", p.Errors)
	}
	a := h.must(201, "POST", "/v1/servers/node/operations", `{"kind":"diagnose"}`)
	var op Operation
	a.json(t, &op)
	if op.Server != server || op.State != operation.Running || op.RequestedBy != "admin token" {
		t.Fatalf("the operation is %+v", op)
	}
	h.must(409, "POST", "/v1/servers/node/operations", `{"kind":"diagnose"}`)
	h.must(409, "POST", "/v1/operations/"+op.ID+"/retry", "")
	h.must(200, "POST", "/v1/operations/"+op.ID+"/cancel", `{"reason":"wrong server"}`).json(t, &op)
	if op.CancelAsked == nil || op.CancelAsked.Reason != "wrong server" {
		t.Errorf("after cancel: %+v", op)
	}
}

func TestB12_TheCatalogueIsListedMatchedAndRefreshed(t *testing.T) {
	refreshed := 0
	h := newHouse(t, func(o *Options) {
		o.Refresh = func(context.Context) error { refreshed++; return nil }
	})
	location, module, tariff := h.setup()
	server := h.addServer("node", func(s *fleet.Server) { s.Location = location })
	stockOf(h).Put(matchServer(server, location))
	var stock Stock
	h.must(200, "GET", "/v1/catalogue", "").json(t, &stock)
	if stock.Free != 1 || len(stock.Classes) != 1 || stock.Classes[0].Text == "" {
		t.Errorf("the catalogue is %+v", stock)
	}
	for range 2 {
		h.must(200, "POST", "/v1/catalogue/refresh", "")
	}
	if refreshed != 2 {
		t.Errorf("refreshed %d times", refreshed)
	}
	var m MatchAnswer
	h.must(200, "POST", "/v1/match", `{"tariff":"`+tariff+`"}`).json(t, &m)
	if !m.Found || m.Module != module || m.Server != "node" || !m.Result.Exact {
		t.Errorf("the match is %+v", m)
	}
	h.must(200, "POST", "/v1/match", `{"configuration":{"cores":24},"location":"`+location+`"}`).json(t, &m)
	if !m.Found || m.Result.ServerID != server {
		t.Errorf("the match is %+v", m)
	}
	if p := h.must(422, "POST", "/v1/match", `{"configuration":{"cores":-1},"location":"loc-none"}`).problem(t); !p.names("body.configuration.cores") || !p.names("body.location") {
		t.Errorf("not all is named: %+v", p.Errors)
	}
	var s Server
	h.must(200, "GET", "/v1/servers/"+server, "").json(t, &s)
	if s.Claim.Kind != fleet.ClaimNone {
		t.Errorf("asking for a match claimed the server: %+v", s.Claim)
	}
}

func TestB43_ImagesAreUploadedAndRetired(t *testing.T) {
	h := newHouse(t)
	const path = "/v1/images?name=debian&os_family=linux&format=raw"
	a := h.must(201, "POST", path, strings.Repeat("x", 2*maxBody)) // larger than any other body
	var img Image
	a.json(t, &img)
	if img.RawBytes != 2*maxBody || img.CreatedBy != "admin token" {
		t.Errorf("the image is %+v", img.Image)
	}
	if p := h.must(422, "POST", path, "y").problem(t); !p.names("query.name") {
		t.Errorf("a name that is taken: %+v", p)
	}
	h.must(200, "POST", "/v1/images/"+img.ID+"/retire", "")
	h.must(201, "POST", path, "y")
	var list struct{ Items []image.Image }
	h.must(200, "GET", "/v1/images?retired=false", "").json(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID == img.ID {
		t.Errorf("images in use: %+v", list.Items)
	}
}

func TestX11_ASampleIsShownFromMemory(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := newHouse(t, func(o *Options) {
		o.Sample = func(string) (hardware.Sample, time.Time, bool) { return hardware.Sample{Load1: 1.5}, at, true }
	})
	server := h.addServer("node", nil)
	a := h.must(200, "GET", "/v1/servers/"+server, "")
	var d ServerDetail
	a.json(t, &d)
	if d.Sample == nil || d.Sample.Load1 != 1.5 || !d.SampleAt.Equal(at) || d.Inventory == nil {
		t.Errorf("the detail is %s", a.body)
	}
	h.must(200, "PATCH", "/v1/servers/"+server, `{"rack":"R1"}`, "If-Match", a.header.Get("ETag"))
	var whole map[string]json.RawMessage
	h.must(200, "GET", "/v1/servers/"+server, "").json(t, &whole)
	for name, v := range whole {
		if string(v) == "null" {
			t.Errorf("%s is null; lists are empty, not null", name)
		}
	}
}

// Traffic is shown from stored figures, with the time of measurement, and a new
// measurement is no event: there is one for each server every few minutes.
func TestU6_TrafficIsShownWithItsAge(t *testing.T) {
	h := newHouse(t)
	quiet, busy := h.addServer("quiet", nil), h.addServer("busy", nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tr := outofband.Traffic{
		Server: busy, InBytes: 7e9, OutBytes: 1 << 60, Source: outofband.SourceSwitch, Since: at.Add(-time.Hour), At: at,
		GapCount: 1, Gaps: []outofband.Gap{{Switch: "sw1", Port: "ge-0/0/7", From: at.Add(-time.Minute), To: at, Reason: "the switch restarted"}},
		Ports: []outofband.Metering{{Name: "ge-0/0/7"}},
	}
	h.change(func(tx *store.Tx) error { return store.Traffic.Put(tx, busy, tr) })
	want := Traffic{InBytes: 7e9, OutBytes: 1 << 60, Source: "switch", Since: tr.Since, At: at, GapCount: 1}
	var list struct{ Items []Server }
	h.must(200, "GET", "/v1/servers?sort=-traffic_in", "").json(t, &list)
	if len(list.Items) != 2 || list.Items[0].ID != busy || list.Items[0].Traffic == nil || list.Items[1].Traffic != nil {
		t.Fatalf("list %+v", list.Items)
	}
	if diff := cmp.Diff(want, *list.Items[0].Traffic); diff != "" {
		t.Error(diff)
	}
	var one ServerDetail
	want.Gaps = tr.Gaps
	h.must(200, "GET", "/v1/servers/"+busy, "").json(t, &one)
	if diff := cmp.Diff(&want, one.Traffic); diff != "" {
		t.Error(diff)
	}
	h.must(200, "GET", "/v1/servers/"+quiet, "").json(t, &one)
}
