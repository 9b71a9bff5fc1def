package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
)

func moduleJSON(name, location string, more ...string) string {
	return fmt.Sprintf(`{"name":%q,"location":%q,"department":"dc-ops","diagtimeout":30,"installtimeout_linux":60,"installtimeout_windows":90%s}`,
		name, location, strings.Join(append([]string{""}, more...), ","))
}

func tariffJSON(name string, modules ...string) string {
	list, _ := json.Marshal(modules)
	return fmt.Sprintf(`{"name":%q,"modules":%s,"configuration":{"cores":24}}`, name, list)
}

// location makes a location with a pool of IPv4 addresses, which modules need.
func (h *house) location() string {
	h.t.Helper()
	location := h.id(h.must(201, "POST", "/v1/locations", `{"name":"Frankfurt","external_id":"fra-1"}`))
	h.must(201, "POST", "/v1/pools", `{"name":"fra-v4","location":"`+location+`","prefix":"192.0.2.0/24","gateway":"192.0.2.1"}`)
	return location
}

// setup makes a location, a module in it, and a tariff of that.
func (h *house) setup() (location, module, tariff string) {
	h.t.Helper()
	location = h.location()
	module = h.id(h.must(201, "POST", "/v1/modules", moduleJSON("Hall 1", location)))
	tariff = h.id(h.must(201, "POST", "/v1/tariffs", tariffJSON("Basic", module)))
	return location, module, tariff
}

func TestB2_ALocationHasNameExternalIDAndSortOrder(t *testing.T) {
	h := newHouse(t)
	a := h.must(201, "POST", "/v1/locations", `{"name":"Frankfurt","external_id":"fra-1","sort_order":3}`)
	var l Location
	a.json(t, &l)
	if l.Name != "Frankfurt" || l.ExternalID != "fra-1" || l.SortOrder != 3 || l.Generation != order.LocalGeneration || l.Rev == 0 {
		t.Fatalf("the location is %+v", l)
	}
	if a.header.Get("Location") != "/v1/locations/"+l.ID || a.header.Get("ETag") != tag(l.Rev, l.Rev) {
		t.Errorf("headers: %v", a.header)
	}
	got := h.must(200, "GET", "/v1/locations/"+l.ID, "")
	if string(got.body) != string(a.body) || got.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("read back %s, was answered %s", got.body, a.body)
	}
	p := h.must(422, "POST", "/v1/locations", `{"name":"FRANKFURT","external_id":"FRA-1","sort_order":-1}`).problem(t)
	for _, field := range []string{"body.name", "body.external_id", "body.sort_order"} {
		if !p.names(field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
	if again := h.ask(access.RoleAdmin, "PATCH", "/v1/locations/"+l.ID, `{"name":"frankfurt"}`, "If-Match", a.header.Get("ETag")); again.status != 200 {
		t.Errorf("a location may not change the case of its own name: %d %s", again.status, again.body)
	}
}

func TestB3_AModuleOfAnotherGenerationIsRefused(t *testing.T) {
	h := newHouse(t)
	old := h.id(h.must(201, "POST", "/v1/locations", `{"name":"Old hall","external_id":"old","generation":"dci5"}`))
	p := h.must(422, "POST", "/v1/modules", moduleJSON("Hall", old)).problem(t)
	if !p.names("body.location") || !strings.Contains(p.Errors[0].Message, "dci5") || !strings.Contains(p.Errors[0].Message, order.LocalGeneration) {
		t.Errorf("the refusal does not tell both generations: %+v", p)
	}
	a := h.must(200, "GET", "/v1/locations/"+old, "")
	p = h.must(422, "PATCH", "/v1/locations/"+old, `{"generation":"`+order.LocalGeneration+`"}`, "If-Match", a.header.Get("ETag")).problem(t)
	if !p.names("body.generation") {
		t.Errorf("the generation of a location was changed: %+v", p)
	}
}

func TestB7_B8_AModuleHasItsParameters(t *testing.T) {
	h := newHouse(t)
	location := h.location()
	a := h.must(201, "POST", "/v1/modules", moduleJSON("Hall 1", location, `"sort_order":7`, `"by_server_type":true`, `"weights":{"dimm_add":9}`))
	var m Module
	a.json(t, &m)
	want := match.DefaultWeights()
	want.DIMMAdd = 9
	if m.Kind != order.ModuleLocal || m.Location != location || m.Department != "dc-ops" || m.SortOrder != 7 || !m.ByServerType ||
		m.DiagTimeout != 30 || m.InstallTimeoutLinux != 60 || m.InstallTimeoutWindows != 90 || m.Weights != want {
		t.Errorf("the module is %+v", m)
	}
	p := h.must(422, "POST", "/v1/modules", moduleJSON("Hall 2", "loc-none", `"weights":{"dimm_add":0,"magic":1}`, `"kind":"remote2"`)).problem(t)
	for _, field := range []string{"body.location", "body.weights", "body.weights.dimm_add", "body.kind"} {
		if !p.names(field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
}

func TestB10_ByServerTypeChangesOnlyWithoutTariffs(t *testing.T) {
	h := newHouse(t)
	_, module, tariff := h.setup()
	path := "/v1/modules/" + module
	p := h.must(422, "PATCH", path, `{"by_server_type":true}`, "If-Match", "*").problem(t)
	if !p.names("body.by_server_type") || !strings.Contains(p.Errors[0].Message, "Basic") {
		t.Errorf("the refusal does not name field and tariff: %+v", p)
	}
	h.must(200, "PATCH", path, `{"sort_order":5}`, "If-Match", "*")
	h.must(204, "DELETE", "/v1/tariffs/"+tariff, "", "If-Match", "*")
	var m Module
	h.must(200, "PATCH", path, `{"by_server_type":true}`, "If-Match", "*").json(t, &m)
	if !m.ByServerType || m.SortOrder != 5 {
		t.Errorf("the module is %+v", m)
	}
}

func TestB9_ATariffOfAModuleByServerTypeNamesOne(t *testing.T) {
	h := newHouse(t)
	location := h.location()
	module := h.id(h.must(201, "POST", "/v1/modules", moduleJSON("Hall 1", location, `"by_server_type":true`)))
	if p := h.must(422, "POST", "/v1/tariffs", tariffJSON("Basic", module)).problem(t); !p.names("body.server_type") {
		t.Errorf("server_type is not named: %+v", p)
	}
}

func TestB12_EachEditOfATariffIsARevision(t *testing.T) {
	h := newHouse(t)
	_, _, tariff := h.setup()
	path := "/v1/tariffs/" + tariff
	for want := 2; want < 4; want++ {
		var got Tariff
		h.must(200, "PATCH", path, fmt.Sprintf(`{"configuration":{"cores":%d}}`, 24+want), "If-Match", "*").json(t, &got)
		if got.Revision != want || got.Configuration.Cores != 24+want {
			t.Fatalf("after edit %d the tariff is %+v", want-1, got)
		}
	}
	p := h.must(422, "PATCH", path, `{"modules":["mod-none"],"images":["img-none"]}`, "If-Match", "*").problem(t)
	if !p.names("body.modules[0]") || !p.names("body.images[0]") {
		t.Errorf("module and image are not named: %+v", p.Errors)
	}
}

func TestB13_TheRefusalNamesFieldAndRange(t *testing.T) {
	h := newHouse(t)
	location := h.location()
	for _, bad := range []string{`0`, `721`, `-5`, `1.5`, `"60"`} {
		body := strings.Replace(moduleJSON("Hall 1", location), `"diagtimeout":30`, `"diagtimeout":`+bad, 1)
		p := h.must(422, "POST", "/v1/modules", body).problem(t)
		if !p.names("body.diagtimeout") {
			t.Errorf("diagtimeout %s: %+v", bad, p.Errors)
		}
	}
	body := strings.Replace(moduleJSON("Hall 1", location), `"diagtimeout":30`, `"diagtimeout":0`, 1)
	if p := h.must(422, "POST", "/v1/modules", body).problem(t); !strings.Contains(p.Errors[0].Message, "1 to 720") {
		t.Errorf("the range is not named: %+v", p.Errors)
	}
}

func TestX13_ShapeAndMeaningAreToldTogether(t *testing.T) {
	h := newHouse(t)
	p := h.must(422, "POST", "/v1/modules",
		`{"name":"","location":"loc-none","department":7,"diagtimeout":1000,"installtimeout_linux":"x","surprise":true}`).problem(t)
	for _, field := range []string{
		"body.name", "body.location", "body.department", "body.diagtimeout", "body.installtimeout_linux", "body.surprise",
	} {
		if !p.names(field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
	if !strings.Contains(fmt.Sprint(p.Errors), "installtimeout_windows") {
		t.Errorf("the missing field is not named in %+v", p.Errors)
	}
}

func TestX13_WhatIsNoJSONIsAProblem(t *testing.T) {
	h := newHouse(t)
	_, module, _ := h.setup()
	for _, c := range []struct {
		method, path, body, contentType string
		status                          int
	}{
		{"POST", "/v1/locations", `{"name":`, "", 400},
		{"POST", "/v1/locations", ``, "", 400},
		{"POST", "/v1/locations", `[]`, "", 422},
		{"POST", "/v1/locations", `null`, "", 422},
		{"POST", "/v1/locations", `{"name":"x","external_id":"x"}`, "text/plain", 415},
		{"POST", "/v1/locations", strings.Repeat(`[`, 20_000), "", 400},
		{"POST", "/v1/locations", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, "", 413},
		{"PATCH", "/v1/modules/" + module, `{"name":`, "", 400},
		{"PATCH", "/v1/modules/" + module, `{} {}`, "", 400},
		{"PATCH", "/v1/modules/" + module, `"x"`, "", 422},
		{"PATCH", "/v1/modules/" + module, `{"surprise":1,"department":null,"sort_order":"x"}`, "", 422},
		{"PATCH", "/v1/modules/" + module, `{}`, "text/plain", 415},
	} {
		headers := []string{"If-Match", "*"}
		if c.contentType != "" {
			headers = append(headers, "Content-Type", c.contentType)
		}
		a := h.ask(access.RoleAdmin, c.method, c.path, c.body, headers...)
		if a.problem(t); a.status != c.status {
			t.Errorf("%s %s %.60s: status %d, want %d: %.300s", c.method, c.path, c.body, a.status, c.status, a.body)
		}
		if p := a.problem(t); c.method == "POST" && slices.ContainsFunc(p.Errors, func(f ProblemField) bool { return f.Location != "body" }) {
			t.Errorf("%.60s cannot be read, but its fields are blamed: %+v", c.body, p.Errors)
		}
	}
	p := h.must(422, "PATCH", "/v1/modules/"+module, `{"surprise":1,"department":null,"sort_order":"x","diagtimeout":0}`, "If-Match", "*").problem(t)
	if !p.names("body.surprise") || !p.names("body.sort_order") || !p.names("body.diagtimeout") {
		t.Errorf("not all is named: %+v", p.Errors)
	}
}

func TestB2_WhatIsInUseIsNotDeleted(t *testing.T) {
	h := newHouse(t)
	location, module, tariff := h.setup()
	for path, by := range map[string]string{"/v1/locations/" + location: "Hall 1", "/v1/modules/" + module: "Basic"} {
		p := h.must(409, "DELETE", path, "", "If-Match", "*").problem(t)
		if !strings.Contains(p.Detail, by) {
			t.Errorf("%s: %q does not name %s", path, p.Detail, by)
		}
	}
	h.must(200, "PATCH", "/v1/modules/"+module, `{"name":"Hall one"}`, "If-Match", "*")
	if p := h.must(409, "DELETE", "/v1/locations/"+location, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, "Hall one") {
		t.Errorf("after renaming the module: %q", p.Detail)
	}
	server := h.addServer("node1", func(s *fleet.Server) { s.Location = location })
	h.must(204, "DELETE", "/v1/tariffs/"+tariff, "", "If-Match", "*")
	h.must(204, "DELETE", "/v1/modules/"+module, "", "If-Match", "*")
	for _, pool := range h.ids("/v1/pools") {
		h.must(204, "DELETE", "/v1/pools/"+pool, "", "If-Match", "*")
	}
	if p := h.must(409, "DELETE", "/v1/locations/"+location, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, server) {
		t.Errorf("a location with a server: %q", p.Detail)
	}
	h.must(200, "PATCH", "/v1/servers/"+server, `{"location":null}`, "If-Match", "*")
	h.must(204, "DELETE", "/v1/locations/"+location, "", "If-Match", "*")
	h.must(404, "GET", "/v1/locations/"+location, "")
	h.must(201, "POST", "/v1/locations", `{"name":"Frankfurt","external_id":"fra-1"}`) // the names are free again
}

func TestB12_ATariffWithOpenOrdersIsNotDeleted(t *testing.T) {
	h := newHouse(t)
	_, _, tariff := h.setup()
	o := order.Order{ID: "ord-1", Tariff: tariff, State: order.Waiting, Customer: "acme"}
	h.change(func(tx *store.Tx) error { return store.Orders.Put(tx, o.ID, o) })
	if p := h.must(409, "DELETE", "/v1/tariffs/"+tariff, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, o.ID) {
		t.Errorf("the refusal does not name the order: %q", p.Detail)
	}
	o.State = order.Fulfilled
	h.change(func(tx *store.Tx) error { return store.Orders.Put(tx, o.ID, o) })
	h.must(204, "DELETE", "/v1/tariffs/"+tariff, "", "If-Match", "*")
}

func TestIfMatch_NobodysChangeIsLost(t *testing.T) {
	h := newHouse(t)
	location := h.must(201, "POST", "/v1/locations", `{"name":"Frankfurt","external_id":"fra-1"}`)
	path, seen := "/v1/locations/"+h.id(location), location.header.Get("ETag")
	h.must(http.StatusPreconditionRequired, "PATCH", path, `{"sort_order":1}`).problem(t)
	h.must(http.StatusPreconditionRequired, "DELETE", path, "").problem(t)
	first := h.must(200, "PATCH", path, `{"sort_order":1}`, "If-Match", seen)
	h.must(http.StatusPreconditionFailed, "PATCH", path, `{"sort_order":2}`, "If-Match", seen).problem(t)
	h.must(http.StatusPreconditionFailed, "PATCH", path, `{"sort_order":2}`, "If-Match", `"nonsense"`).problem(t)
	h.must(http.StatusPreconditionFailed, "DELETE", path, "", "If-Match", seen).problem(t)
	h.must(http.StatusNotModified, "GET", path, "", "If-None-Match", first.header.Get("ETag"))
	h.must(200, "GET", path, "", "If-None-Match", seen)
	h.must(204, "DELETE", path, "", "If-Match", first.header.Get("ETag"))
}
