package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// allotable is a server that may be sold, and assigned to a plan.
func (h *house) allotable(name, group string) string {
	h.t.Helper()
	id := h.sellable(name)
	h.must(200, "PUT", "/v1/servers/"+id+"/roles", rolesJSON(group, "web", "mail", "mysql"), "If-Match", "*")
	h.runs(id, hardware.OS{Name: "Debian GNU/Linux 13", ID: "debian", Kernel: "6.12"})
	return id
}

// runs says what system a server runs.
func (h *house) runs(server string, os hardware.OS) {
	h.t.Helper()
	h.change(func(tx *store.Tx) error {
		f, err := store.Facts.Get(tx, server)
		if err != nil {
			return err
		}
		f.Inventory.OS = os
		return store.Facts.Put(tx, server, f)
	})
}

// gold is a plan that hands out servers.
func (h *house) gold() string {
	h.t.Helper()
	return h.id(h.must(201, "POST", "/v1/reseller-plans", `{"name":"gold","allocated_server":true}`))
}

// assigning is what became of a server that was to be assigned to a plan.
func (h *house) assigning(plan, server string) (outcome, message string) {
	h.t.Helper()
	var a intake.Assignment
	h.must(200, "POST", "/v1/reseller-plans/"+plan+"/assign", fmt.Sprintf(`{"servers":[%q]}`, server)).json(h.t, &a)
	return a.Servers[0].Outcome, a.Servers[0].Message
}

func (h *house) forPlans() []string { return h.ids("/v1/servers?label=unassigned,available,taken") }

func TestH6_H7_ServersWhoseContentMovesAreForNobody(t *testing.T) {
	h := newHouse(t)
	g, plan, acme := h.group("plan", "web", "mail", "mysql"), h.gold(), h.reseller("acme", nil)
	from, to, third := h.allotable("from", g), h.allotable("to", g), h.allotable("third", g)
	h.place(201, `{"kind":"account","name":"example.org","server":"`+from+`"}`)
	if got := h.forPlans(); slices.Contains(got, from) || !slices.Contains(got, to) {
		t.Fatalf("before it begins servers for plans are %v", got)
	}
	var op Operation
	body := `{"to":"` + to + `","reason":"it is old"}`
	h.must(201, "POST", "/v1/servers/"+from+"/move-content", body, "Idempotency-Key", "move-1").json(t, &op)
	if op.Kind != operation.MoveContent || op.State != operation.Running || op.Params.To != to || op.RequestedBy == "" {
		t.Errorf("%+v", op)
	}
	var again Operation
	h.must(201, "POST", "/v1/servers/"+from+"/move-content", body, "Idempotency-Key", "move-1").json(t, &again)
	if again.ID != op.ID {
		t.Errorf("said again, it is %s, not %s", again.ID, op.ID)
	}
	if got := h.forPlans(); !slices.Equal(got, []string{third}) {
		t.Errorf("servers for plans are %v", got)
	}
	for _, server := range []string{from, to} {
		var s Server
		h.must(200, "GET", "/v1/servers/"+server, "").json(t, &s)
		if s.ContentMove != op.ID || s.Available {
			t.Errorf("%s takes part in %q", server, s.ContentMove)
		}
		if outcome, why := h.assigning(plan, server); outcome != "refused" || !strings.Contains(why, op.ID) {
			t.Errorf("it is %s: %s", outcome, why)
		}
		var sale intake.SaleAnswer
		h.must(200, "POST", "/v1/sales", wish(acme, server)).json(t, &sale)
		if sale.Sold != 0 || !strings.Contains(sale.Results[0].Message, op.ID) {
			t.Errorf("%+v", sale)
		}
		for path, body := range map[string]string{
			"/v1/placements":                          `{"kind":"account","name":"other.example","server":"` + server + `"}`,
			"/v1/servers/" + server + "/operations":   `{"kind":"diagnose"}`,
			"/v1/servers/" + server + "/move-content": `{"to":"` + third + `","reason":"again"}`,
		} {
			h.must(409, "POST", path, body).want(t, 409, op.ID)
		}
	}
	h.must(200, "POST", "/v1/operations/"+op.ID+"/cancel", `{"reason":"not now"}`)
	h.must(422, "POST", "/v1/servers/"+third+"/move-content", `{"to":"srv-none"}`).want(t, 422, "body.to", "body.reason")
	h.must(422, "POST", "/v1/servers/"+third+"/operations", `{"kind":"move-content"}`)
}

func TestH13_NoContentIsMovedFromOrToAServerOfAPlan(t *testing.T) {
	h := newHouse(t)
	g, plan := h.group("plan", "web", "mail", "mysql"), h.gold()
	used, assigned := h.allotable("used", g), h.allotable("assigned", g)
	h.place(201, `{"kind":"account","name":"example.org","server":"`+used+`"}`)
	if outcome, why := h.assigning(plan, assigned); outcome != "assigned" {
		t.Fatalf("%s: %s", outcome, why)
	}
	h.must(409, "POST", "/v1/servers/"+used+"/move-content", `{"to":"`+assigned+`","reason":"room"}`).want(t, 409, "gold", "unassign")
	h.must(409, "POST", "/v1/servers/"+assigned+"/move-content", `{"to":"`+used+`","reason":"room"}`).want(t, 409, "gold", "unassign")
}

func TestH1_H5_OnlyAnEmptyUnixServerIsAssigned(t *testing.T) {
	h := newHouse(t)
	g, plan := h.group("plan", "web", "mail", "mysql"), h.gold()
	windows, used, fit := h.allotable("windows", g), h.allotable("used", g), h.allotable("fit", g)
	h.runs(windows, hardware.OS{Name: "Windows Server 2025", ID: "windows", Kernel: "10.0"})
	h.place(201, `{"kind":"mailbox","name":"a@example.org","server":"`+used+`"}`)
	for server, want := range map[string][]string{windows: {"refused", "Windows Server 2025, which is no *nix"}, used: {"refused", "customers have"}, fit: {"assigned", ""}} {
		if outcome, why := h.assigning(plan, server); outcome != want[0] || !strings.Contains(why, want[1]) {
			t.Errorf("it is %s: %s; not %v", outcome, why, want)
		}
	}
}

func TestS3_OnlyFreeServersAreListedForASale(t *testing.T) {
	h := newHouse(t)
	g, plan, acme := h.group("plan", "web", "mail", "mysql"), h.gold(), h.reseller("acme", nil)
	free, bare := h.allotable("a", g), h.sellable("b")
	used, assigned, dirty := h.allotable("c", g), h.allotable("d", g), h.sellable("e", func(s *fleet.Server) { s.Cleanliness = fleet.Dirty })
	h.sell(acme, h.sellable("f"))
	h.place(201, `{"kind":"account","name":"example.org","server":"`+used+`"}`)
	if outcome, why := h.assigning(plan, assigned); outcome != "assigned" {
		t.Fatalf("%s: %s", outcome, why)
	}
	if got := h.ids("/v1/servers?label=free&sort=name"); !slices.Equal(got, []string{free, bare}) {
		t.Errorf("the list has %v, not %v; %s is dirty", got, []string{free, bare}, dirty)
	}
	for _, server := range []string{free, bare} { // each of the list can be sold
		h.sell(acme, server)
	}
}
