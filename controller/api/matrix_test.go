package api

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// stranger is the name of everything that is none of the narrowed callers' business; hush is in all that the provider keeps to itself.
const (
	stranger = "zz-stranger"
	hush     = "zz-hush"
)

// caller is somebody who asks. own and foreign are ids by table, where he sees a part of it; secret is what no answer to him may say.
type caller struct {
	name         access.Role // of his token in the house
	actor        access.Actor
	own, foreign map[string][]string
	fill         map[string]string // placeholders of bodies
	secret       []string
}

func (c *caller) narrowed(table string) bool { return access.ScopeOf(c.actor, table).Field != "" }

// matrix is a fleet in which everybody has something: a reseller, one below him, one beside him, their customers and servers.
type matrix struct {
	*house
	t       *testing.T
	callers []*caller
	n       int
	any     map[string]string // an id that is there, by table
}

func newMatrix(t *testing.T) *matrix {
	h := newHouse(t, func(o *Options) { o.Burst = 1_000_000 })
	h.api.peers = newLimiter(1, 1_000_000)
	m := &matrix{house: h, t: t, any: map[string]string{}}
	above, beside := h.reseller("above", nil), h.reseller(stranger, nil)
	below := h.reseller("below", &above)
	toy := h.reseller("toy", &above) // to be suspended
	h.reseller(stranger, &beside)
	grand := reselling.Limits{reselling.Servers: reselling.NoLimit, reselling.Customers: reselling.NoLimit}
	h.change(func(tx *store.Tx) error {
		for _, r := range []reselling.Reseller{above, below, beside} {
			r.Limits, r.Oversell = grand, true
			if err := store.Resellers.Put(tx, r.ID, r); err != nil {
				return err
			}
		}
		return nil
	})
	customer := func(name string, of string) string {
		return h.id(h.must(201, "POST", "/v1/customers", jsonOf(map[string]any{"name": name, "email": "a@example.org", "reseller": of})))
	}
	mine, toys, lower := customer("mine", above.ID), customer("toys", above.ID), customer("lower", below.ID)
	theirs, house := customer(stranger, beside.ID), customer(stranger, "")
	user := func(name string, more map[string]any) string {
		more["name"], more["password"] = name+"@example.org", goodPassword
		return h.id(h.must(201, "POST", "/v1/users", jsonOf(more)))
	}
	ann, kid := user("ann", map[string]any{"role": "reseller", "reseller": above.ID}), user("kid", map[string]any{"role": "customer", "customer": lower})
	bob, staff := user(stranger, map[string]any{"role": "reseller", "reseller": beside.ID}), user(stranger+"2", map[string]any{"role": "marketing"})
	server := func(name string, r reselling.Reseller) (id, sale string) {
		id = h.sellable(name)
		return id, h.sell(r, id)
	}
	s1, sale1 := server("mine1", above)
	s2, sale2 := server("lower1", below)
	s3, sale3 := server(stranger, beside)
	free := h.sellable(stranger)
	h.become(s1, soil)
	h.become(s2, soil)
	h.change(m.things(map[string][3]string{above.Path: {s1, mine, "mine"}, below.Path: {s2, lower, "lower"}, beside.Path: {s3, theirs, stranger}}))
	h.token[access.RoleReseller] = h.token["above"]
	h.token[access.RoleCustomer] = h.bearer(access.Actor{Name: "customer token", Role: access.RoleCustomer, Customer: mine, Reseller: above.Path})

	for _, role := range append(access.Roles(), "") {
		m.callers = append(m.callers, &caller{name: role, actor: access.Actor{Role: role}, fill: map[string]string{"role": "marketing", "customer": mine, "reseller": above.ID, "server": free}})
	}
	c := m.caller(access.RoleReseller)
	c.actor.Reseller, c.fill = above.Path, map[string]string{"role": "customer", "customer": mine, "reseller": above.ID, "server": s1}
	c.own = map[string][]string{
		"resellers": {toy.ID}, "customers": {toys}, "users": {ann}, "servers": {s1}, "sales": {sale1}, "placements": {"plc-mine"},
		"offers": {"ofr-mine"}, "subscriptions": {"sub-mine"},
	}
	c.foreign = map[string][]string{
		"resellers": {beside.ID}, "customers": {theirs, house}, "users": {bob, staff}, "servers": {s3, free, stranger}, "sales": {sale3}, "placements": {"plc-" + stranger},
		"offers": {"ofr-" + stranger}, "subscriptions": {"sub-" + stranger},
	}
	c.secret = []string{stranger, hush, beside.ID, theirs, house, bob, staff, s3, free, sale3}
	child := &caller{
		name: "below", actor: access.Actor{Role: access.RoleReseller, Reseller: below.Path}, fill: map[string]string{"role": "customer", "customer": lower, "reseller": below.ID, "server": s2},
		own: map[string][]string{"customers": {lower}, "users": {kid}, "servers": {s2}, "sales": {sale2}, "placements": {"plc-lower"}, "offers": {"ofr-lower"}, "subscriptions": {"sub-lower"}},
		foreign: map[string][]string{
			"resellers": {above.ID, toy.ID, beside.ID}, "customers": {mine, theirs, house}, "users": {ann, bob, staff}, "servers": {s1, "mine1", s3, free, stranger}, "sales": {sale1, sale3}, "placements": {"plc-mine", "plc-" + stranger},
			"offers": {"ofr-mine", "ofr-" + stranger}, "subscriptions": {"sub-mine", "sub-" + stranger},
		},
		secret: append([]string{mine, toys, toy.ID, ann, s1, sale1, "plc-mine", "ofr-mine", "sub-mine"}, c.secret...),
	}
	m.callers = append(m.callers, child)
	c = m.caller(access.RoleCustomer)
	c.actor.Customer, c.actor.Reseller = mine, above.Path
	c.own = map[string][]string{"orders": {"ord-mine"}, "services": {"svc-mine"}, "addresses": {"192.0.2.1"}, "subscriptions": {"sub-mine"}}
	c.foreign = map[string][]string{
		"orders": {"ord-lower", "ord-" + stranger}, "services": {"svc-lower", "svc-" + stranger}, "addresses": {"192.0.2.2", "192.0.2.3"}, "customers": {theirs, lower},
		"subscriptions": {"sub-lower", "sub-" + stranger},
	}
	c.secret = []string{stranger, hush, "ord-lower", "svc-lower", "192.0.2.2", theirs, lower}
	c = m.caller(access.RoleDepartment)
	c.actor.Department = "dc-ops"
	c.own, c.foreign = map[string][]string{"tasks": {"tsk-mine"}, "departments": {"dc-ops"}}, map[string][]string{"tasks": {"tsk-" + stranger}, "departments": {"billing"}, "users": {bob, stranger + "2@example.org"}}
	c.secret = []string{"tsk-" + stranger, `"billing"`}
	m.any = map[string]string{"servers": free, "resellers": toy.ID, "customers": toys, "users": bob, "sales": sale3, "placements": "plc-mine", "offers": "ofr-mine", "subscriptions": "sub-mine", "orders": "ord-mine", "services": "svc-mine", "addresses": "192.0.2.1", "tasks": "tsk-mine", "departments": "dc-ops"}
	return m
}

// soil writes into a server of a reseller what is none of his business.
func soil(s *fleet.Server) {
	at := s.Claim.Since.Add(-time.Hour)
	note := fleet.Note{Reason: hush, Actor: hush, At: at}
	s.EnrolKey, s.InstanceID, s.CertSerial, s.PrevSerial, s.Operation, s.ContentMove, s.Installed, s.Alias = hush, hush, hush, hush, hush, hush, hush, hush
	s.Identity.UUID, s.ApprovedBy, s.Quarantine = hush, &note, &note
	s.Maintenance, s.Override = &fleet.Maintenance{Note: note}, &fleet.Override{Note: note}
	s.Node, s.LeftOvers = &fleet.Node{Note: note, Inspection: hush}, &fleet.LeftOvers{Inspection: hush, Count: 3}
	s.Roles = []fleet.LogicalServer{{Type: "web", Group: hush}}
	s.Last = &fleet.LastOperation{ID: hush, Kind: "erase", Message: hush}
	s.Successor = &fleet.Successor{InstanceID: hush}
	s.IdentityHistory, s.PendingIdentity = []fleet.IdentityChange{{}}, nil
	s.Diagnosis = &fleet.DiagnosisSummary{ID: hush, At: at, Checks: []protocol.Check{{Name: hush}}}
	s.FreeSince, s.CleanSince, s.PowerTries = at, at, []time.Time{at}
}

// things are records of each reseller: server, customer and the end of their ids.
func (m *matrix) things(of map[string][3]string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		for i, path := range slices.Sorted(maps.Keys(of)) {
			server, customer, name := of[path][0], of[path][1], of[path][2]
			ip := "192.0.2." + map[string]string{"mine": "1", "lower": "2", stranger: "3"}[name]
			f, err := store.Facts.Get(tx, server)
			if err != nil {
				return err
			}
			f.At = f.At.Add(-24 * time.Hour)
			f.Inventory.OS = hardware.OS{Hostname: hush}
			f.Inventory.NICs = []hardware.NIC{{Name: "eth0", Addresses: []string{hush}, LLDP: &hardware.Neighbour{SystemName: hush}}}
			before := fleet.PastDiagnosis{ID: hush, StartedAt: f.At, At: f.At}
			offer := plan.Offer{ID: "ofr-" + name, Kind: plan.Service, Name: name, Reseller: path, Values: plan.Values{}.Complete(), Version: 1}
			edition := offer.Edition()
			dept := map[string]string{"mine": "dc-ops", "lower": "dc-ops", stranger: "billing"}[name]
			for _, err := range []error{
				store.Facts.Put(tx, server, f),
				store.Observations.Put(tx, server, outofband.Observation{Server: server, Power: outofband.On, PowerError: hush}),
				store.Diagnoses.Put(tx, server, fleet.Diagnoses{Server: server, Past: []fleet.PastDiagnosis{before}, Series: []fleet.Series{{Check: hush, Values: []*float64{new(float64)}}}}),
				store.Placements.Put(tx, "plc-"+name, hosting.Placement{ID: "plc-" + name, Server: server, Kind: hosting.Account, Name: name + ".example", Reseller: path, Customer: customer, State: hosting.There}),
				store.Offers.Put(tx, offer.ID, offer),
				store.OfferUses.Put(tx, offer.ID, store.OfferUse{Subscriptions: 1}),
				store.Subscriptions.Put(tx, "sub-"+name, subscription.Subscription{
					ID: "sub-" + name, Name: name + ".example", Reseller: path, Customer: customer, Server: hush, Plan: &edition, Values: plan.Values{}.Complete(),
				}),
				store.Orders.Put(tx, "ord-"+name, order.Order{
					ID: "ord-" + name, Customer: customer, Hostname: name, State: order.New, Service: "svc-" + name, PlacedAt: m.now(),
					PlacedBy: hush, Message: hush, Module: hush, Modules: []string{hush}, Task: hush, Parts: []match.Change{{Text: hush}}, Remote: order.RemoteOrder{Module: hush},
				}),
				store.Services.Put(tx, "svc-"+name, order.Service{
					ID: "svc-" + name, Order: "ord-" + name, Customer: customer, Hostname: name, State: order.ServiceOrdered, CreatedAt: m.now(),
					Message: hush, Remote: order.RemoteService{Server: hush, Reason: hush},
				}),
				store.Addresses.Put(tx, ip, address.Address{ID: ip, Address: ip, Prefix: ip + "/32", State: address.Used, Customer: customer, Service: "svc-" + name, Pool: hush, Server: hush}),
				store.Tasks.Put(tx, "tsk-"+name, task.New("tsk-"+name, dept, task.Manual, "asked/"+strconv.Itoa(i), name, name, m.now())),
			} {
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func (m *matrix) caller(name access.Role) *caller {
	i := slices.IndexFunc(m.callers, func(c *caller) bool { return c.name == name })
	return m.callers[i]
}

// body is the example of a route, for somebody.
func (m *matrix) body(c *caller, route string) string {
	m.n++
	text := strings.ReplaceAll(examples[route], "{n}", strconv.Itoa(m.n))
	for name, value := range c.fill {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

func tableOf(path string) string { return strings.Split(strings.TrimPrefix(path, "/v1/"), "/")[0] }

const absent = "xxx-0000000000000000"

// try asks a route about one object.
func (m *matrix) try(c *caller, route, id, body string, headers ...string) answer {
	m.t.Helper()
	m.pass(time.Second) // nobody may ask only so often
	method, path := split(route)
	a := m.ask(c.name, method, strings.Replace(path, "{id}", id, 1), body, append(headers, "If-Match", "*")...)
	if a.status == http.StatusInternalServerError {
		m.t.Errorf("%s %s as %q: %s", route, id, c.name, a.body)
	}
	return a
}

// silent insists that an answer says nothing of what is none of the caller's business, but what he asked with.
func (m *matrix) silent(c *caller, what string, a answer, asked ...string) {
	m.t.Helper()
	text := string(a.body)
	for _, word := range asked {
		text = strings.ReplaceAll(text, word, "")
	}
	for _, word := range c.secret {
		if strings.Contains(text, word) {
			m.t.Errorf("%s tells %s of %s: %s", what, c.name, word, a.body)
		}
	}
}

// untouched insists that nothing is written by what f does.
func (m *matrix) untouched(what string, f func()) {
	m.t.Helper()
	before := m.store.Snapshot().Rev
	f()
	if after := m.store.Snapshot().Rev; after != before {
		m.t.Errorf("%s changed something", what)
	}
}

// alike insists that a foreign object is answered as one that is not there, in every byte, and that neither changes anything.
func (m *matrix) alike(c *caller, what, foreign string, ask func(id string) answer) {
	m.t.Helper()
	m.untouched(what, func() {
		m.t.Helper()
		a, none := ask(foreign), ask(absent)
		said := strings.ReplaceAll(string(a.body), foreign, absent)
		if a.status != none.status || said != string(none.body) || a.header.Get("ETag") != none.header.Get("ETag") || a.status < 400 {
			m.t.Errorf("%s as %s: the foreign %s is answered %d %s; what is not there %d %s", what, c.name, foreign, a.status, a.body, none.status, none.body)
		}
		m.silent(c, what, a, foreign)
	})
}

// TestX7_Matrix walks every route as every role, on what is the caller's own, what is somebody else's and what is not there.
func TestX7_Matrix(t *testing.T) {
	m := newMatrix(t)
	for _, route := range slices.Sorted(maps.Keys(permissions)) {
		if _, ok := examples[route]; !ok {
			t.Errorf("%s has no example; give it one in matrix_table_test.go", route)
			continue
		}
		for _, c := range m.callers {
			m.cell(c, route)
		}
	}
	for route := range examples {
		if _, ok := permissions[route]; !ok {
			t.Errorf("the example of %s is of no route", route)
		}
	}
	if strings.Contains(m.log.String(), "level=ERROR") {
		t.Errorf("the walk left errors in the log:\n%s", m.log)
	}
}

func (m *matrix) cell(c *caller, route string) {
	m.t.Helper()
	perm := permissions[route]
	_, path := split(route)
	table, hasID := tableOf(path), strings.Contains(path, "{id}")
	if !access.Allowed(c.actor.Role, perm) {
		m.denied(c, route, table)
		return
	}
	if route == "GET /v1/events" || route == "POST /v1/logout" { // a stream, see below; and the end of the token, see login_test.go
		return
	}
	if !hasID {
		a := m.try(c, route, "", m.body(c, route))
		m.entered(c, route, a)
		if c.narrowed(table) && a.status == http.StatusOK && strings.HasPrefix(route, "GET") {
			m.listed(c, table, a)
		}
		return
	}
	if a := m.try(c, route, absent, m.body(c, route)); perm != access.Public && a.status == http.StatusForbidden {
		m.t.Errorf("%s as %q is denied: %s", route, c.name, a.body)
	}
	if !c.narrowed(table) {
		return
	}
	for _, id := range c.foreign[table] {
		body := m.body(c, route)
		m.alike(c, route, id, func(id string) answer { return m.try(c, route, id, body) })
		m.alike(c, route+" with an old ETag", id, func(id string) answer {
			return m.try(c, route, id, body, "If-None-Match", `"1"`, "If-Match", `"1"`)
		})
	}
	for _, id := range c.own[table] {
		a := m.try(c, route, id, m.body(c, route))
		m.entered(c, route, a)
		if a.status == http.StatusNotFound {
			m.t.Errorf("%s as %s does not find his own %s: %s", route, c.name, id, a.body)
		}
	}
}

// denied insists that a route is closed to somebody, and that asking changes nothing.
func (m *matrix) denied(c *caller, route, table string) {
	m.t.Helper()
	want := http.StatusForbidden
	if c.name == "" {
		want = http.StatusUnauthorized
	}
	m.untouched(route, func() {
		m.t.Helper()
		a, none := m.try(c, route, cmpText(m.any[table], absent), m.body(c, route)), m.try(c, route, absent, m.body(c, route))
		if a.status != want || string(a.body) != string(none.body) {
			m.t.Errorf("%s as %q: status %d, want %d: %s; of what is not there: %s", route, c.name, a.status, want, a.body, none.body)
			return
		}
		a.problem(m.t)
		m.silent(c, route, a)
	})
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// entered insists that somebody came in.
func (m *matrix) entered(c *caller, route string, a answer) {
	m.t.Helper()
	if permissions[route] != access.Public && (a.status == http.StatusForbidden || a.status == http.StatusUnauthorized) {
		m.t.Errorf("%s as %q: denied with %d: %s", route, c.name, a.status, a.body)
	}
	m.silent(c, route, a)
}

// listed insists that a list has all that is the caller's own, and nothing else.
func (m *matrix) listed(c *caller, table string, a answer) {
	m.t.Helper()
	var list struct {
		Items []struct{ ID string }
		Total int
	}
	a.json(m.t, &list)
	var ids []string
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	for _, id := range c.own[table] {
		if !slices.Contains(ids, id) {
			m.t.Errorf("the list of %s does not show %s his own %s: %v", table, c.name, id, ids)
		}
	}
	for _, id := range c.foreign[table] {
		if slices.Contains(ids, id) {
			m.t.Errorf("the list of %s shows %s the foreign %s", table, c.name, id)
		}
		b := m.ask(c.name, "GET", "/v1/"+table+"?all=true&q="+id, "")
		m.silent(c, "a search in "+table, b)
	}
	if list.Total != len(ids) {
		m.t.Errorf("the list of %s counts %d for %s and shows %d", table, list.Total, c.name, len(ids))
	}
}

// references are fields of bodies that name a record, and its table.
var references = map[string]string{
	"reseller": "resellers", "parent": "resellers", "customer": "customers", "server": "servers", "order": "orders", "service": "services", "assignee": "users",
}

// TestX7_AForeignReferenceIsLikeNone puts what is foreign, and what is not there, into each field of each body that a narrowed role may send.
func TestX7_AForeignReferenceIsLikeNone(t *testing.T) {
	m := newMatrix(t)
	tried := 0
	for _, route := range slices.Sorted(maps.Keys(examples)) {
		_, path := split(route)
		for _, c := range m.callers {
			if c.own == nil || !access.Allowed(c.actor.Role, permissions[route]) || permissions[route] == access.Public || !strings.HasPrefix(examples[route], "{") {
				continue
			}
			id := absent
			if own := c.own[tableOf(path)]; len(own) > 0 {
				id = own[0]
			}
			for _, field := range slices.Sorted(maps.Keys(references)) {
				for _, foreign := range c.foreign[references[field]] {
					for _, name := range []string{"", stranger} { // a name that the foreigner has given already, too
						body := m.body(c, route)
						tried++
						m.alike(c, route+" with "+field+" "+name, foreign, func(ref string) answer {
							return m.try(c, route, id, with(t, body, field, ref, name))
						})
					}
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d references were tried", tried)
	}
}

// with is a body with another value in a field, for a user with the role that the field is of.
func with(t *testing.T, body, field, value, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatalf("the example %s: %v", body, err)
	}
	fields[field] = value
	if _, ok := fields["role"]; ok {
		delete(fields, map[string]string{"reseller": "customer", "customer": "reseller"}[field])
		fields["role"] = field
	}
	if _, ok := fields["name"]; ok && name != "" {
		fields["name"] = name
	}
	return jsonOf(fields)
}

// TestX7_ActingRaisesNobody walks every route as everybody, acting for a reseller and for a customer.
func TestX7_ActingRaisesNobody(t *testing.T) {
	m := newMatrix(t)
	targets := map[access.Role]string{access.RoleReseller: "reseller/" + m.caller(access.RoleReseller).fill["reseller"], access.RoleCustomer: "customer/" + m.caller(access.RoleCustomer).actor.Customer}
	for _, route := range slices.Sorted(maps.Keys(permissions)) {
		perm := permissions[route]
		if perm == access.Public || route == "GET /v1/events" {
			continue
		}
		_, path := split(route)
		for _, by := range access.Roles() {
			for role, target := range targets {
				c, as := m.caller(by), m.caller(role)
				want := access.Allowed(by, access.PeopleAct) && !notActing[route]
				if perm == access.Self {
					want = want && route == "GET /v1/whoami"
				} else {
					want = want && access.MayActing(by, role, perm)
				}
				if by == access.RoleReseller && role == access.RoleReseller {
					want = false
				}
				may := func() {
					a := m.try(c, route, absent, m.body(as, route), actForHeader, target)
					out := a.status == http.StatusForbidden || by == role && a.status == http.StatusNotFound
					if out == want {
						t.Errorf("%s as %s for %s: %d %s; the tables say %v", route, by, target, a.status, a.body, want)
					}
				}
				if !want {
					m.untouched(route, may)
					continue
				}
				may()
				for _, id := range as.foreign[tableOf(path)] {
					if !strings.Contains(path, "{id}") || !as.narrowed(tableOf(path)) {
						break
					}
					body := m.body(as, route)
					m.alike(as, route+" acting", id, func(id string) answer {
						b := m.try(c, route, id, body, actForHeader, target)
						b.body = []byte(strings.ReplaceAll(string(b.body), target, ""))
						return b
					})
				}
			}
		}
	}
}

// TestX7_EventsTellWhatMayBeRead changes what is foreign, then what is his own: he is told the second, as he sees it.
func TestX7_EventsTellWhatMayBeRead(t *testing.T) {
	m := newMatrix(t)
	srv := httptest.NewServer(m.api)
	t.Cleanup(srv.Close)
	for _, name := range []access.Role{access.RoleReseller, "below"} {
		c := m.caller(name)
		l := m.listen(t, srv, name, "", 0)
		again := func(id string) { m.become(id, func(s *fleet.Server) { s.Rack += "x" }) }
		for _, id := range c.foreign["servers"] {
			if strings.HasPrefix(id, "srv-") {
				again(id)
			}
		}
		m.change(func(tx *store.Tx) error {
			for _, id := range c.foreign["customers"] {
				v, err := store.Customers.Get(tx, id)
				if err != nil {
					return err
				}
				v.Company += "x"
				if err := store.Customers.Put(tx, id, v); err != nil {
					return err
				}
			}
			return nil
		})
		again(c.own["servers"][0])
		e := l.next()
		if e.Table != "servers" || e.ID != c.own["servers"][0] {
			t.Errorf("%s is told %s/%s", name, e.Table, e.ID)
		}
		m.silent(c, "an event", answer{body: e.Object})
	}
}

// TestX7_AResellerSeesHisServerAsHis shows what is left of a server for its reseller, and that the provider's people see the rest.
func TestX7_AResellerSeesHisServerAsHis(t *testing.T) {
	m := newMatrix(t)
	c := m.caller(access.RoleReseller)
	id := c.own["servers"][0]
	for _, path := range []string{"", "/why", "/diagnoses"} {
		a, all := m.ask(c.name, "GET", "/v1/servers/"+id+path, ""), m.must(200, "GET", "/v1/servers/"+id+path, "")
		if a.status != 200 || !strings.Contains(string(all.body), hush) || strings.Contains(string(a.body), hush) {
			t.Errorf("servers%s: he reads %s; the provider %s", path, a.body, all.body)
		}
		if !strings.Contains(a.header.Get("Vary"), "Authorization") {
			t.Errorf("servers%s: two people's caches may share it", path)
		}
	}
	var v ServerDetail
	m.ask(c.name, "GET", "/v1/servers/"+id, "").json(t, &v)
	if v.Name != "mine1" || v.Owner != "sold to above" || v.Claim.Since.IsZero() || v.Maintenance == nil || v.Quarantine == nil || len(v.Roles) != 1 || v.Inventory == nil || v.ConfigurationText == "" {
		t.Errorf("of his own he is shown only %+v", v)
	}
	if !v.FreeSince.IsZero() || !v.CleanSince.IsZero() || v.LeftOvers != nil || v.Node != nil || v.Diagnosis != nil || len(v.IdentityHistory)+len(v.PowerTries) > 0 {
		t.Errorf("he is shown what was before him: %+v", v.Server)
	}
	now := m.now()
	m.change(func(tx *store.Tx) error { // what was found since he has it is his
		d, err := store.Diagnoses.Get(tx, id)
		if err != nil {
			return err
		}
		one := 1.0
		d.Past = append(d.Past, fleet.PastDiagnosis{ID: "opn-2", Profile: "quick", StartedAt: now, At: now, Verdict: protocol.VerdictOK})
		d.Series = append(d.Series, fleet.Series{Check: "cpu", Name: "rate", Values: []*float64{nil, &one}})
		d.Series[0].Values = append(d.Series[0].Values, nil)
		return store.Diagnoses.Put(tx, id, d)
	})
	var d Diagnoses
	m.ask(c.name, "GET", "/v1/servers/"+id+"/diagnoses", "").json(t, &d)
	if len(d.Past) != 1 || d.Past[0].Profile != "quick" || len(d.Series) != 1 || len(d.Series[0].Values) != 1 || *d.Series[0].Values[0] != 1 {
		t.Errorf("his diagnoses: %+v", d)
	}
}

// TestX7_ACustomerSeesHisOrderAsHis shows what is left of an order, a service and an address for their customer.
func TestX7_ACustomerSeesHisOrderAsHis(t *testing.T) {
	m := newMatrix(t)
	c := m.caller(access.RoleCustomer)
	m.change(func(tx *store.Tx) error {
		o, err := store.Orders.Get(tx, c.own["orders"][0])
		if err != nil {
			return err
		}
		svc, err := store.Services.Get(tx, c.own["services"][0])
		if err != nil {
			return err
		}
		o.Server, o.Operation, svc.Server, svc.Operation = hush, hush, hush, hush
		return cmp.Or(store.Orders.Put(tx, o.ID, o), store.Services.Put(tx, svc.ID, svc))
	})
	for table, told := range map[string]string{"orders": "a server is looked for", "services": "ordered", "addresses": "svc-mine"} {
		path := "/v1/" + table + "/" + c.own[table][0]
		a, all := m.ask(c.name, "GET", path, ""), m.must(200, "GET", path, "")
		if a.status != 200 || !strings.Contains(string(all.body), hush) || strings.Contains(string(a.body), hush) || !strings.Contains(string(a.body), told) {
			t.Errorf("%s: he reads %d %s; the provider %s", path, a.status, a.body, all.body)
		}
	}
	for state, messages := range map[string]map[string]string{"an order": toldOfOrder, "a service": toldOfService} {
		table := orderSheet()
		if state == "a service" {
			table = serviceSheet()
		}
		for _, v := range table.column("state").values {
			if messages[v] == "" && v != order.ServiceRescue {
				t.Errorf("%s that is %s tells its customer nothing", state, v)
			}
		}
	}
}

// TestX7_WhatIsHiddenIsNotToldByOrderOrChoice asks lists by columns that a narrowed caller is not shown: an answer would tell their values.
func TestX7_WhatIsHiddenIsNotToldByOrderOrChoice(t *testing.T) {
	m := newMatrix(t)
	for role, queries := range map[access.Role][]string{
		access.RoleReseller: {"servers?pool=x", "servers?sort=created_at", "servers?sort=-free_since", "servers?sort=traffic_in", "servers?sort=traffic_out", "sales?sort=server_name"},
		access.RoleCustomer: {"orders?server=" + hush, "orders?module=x", "orders?sort=server", "services?server=" + hush, "services?sort=server", "addresses?server=" + hush, "addresses?pool=x"},
	} {
		c := m.caller(role)
		for _, q := range queries {
			m.must(200, "GET", "/v1/"+q, "")
			table, ask, _ := strings.Cut(q, "?")
			name, value, _ := strings.Cut(ask, "=")
			a := m.ask(c.name, "GET", "/v1/"+q, "")
			if p := a.problem(t); a.status != 422 || !p.names("query."+name) {
				t.Errorf("%s asks %s: %d %s", role, q, a.status, a.body)
			}
			unknown := m.ask(c.name, "GET", "/v1/"+table+"?"+strings.Replace(ask, cmp.Or(map[string]string{"sort": strings.TrimPrefix(value, "-")}[name], name), "zz", 1), "")
			if unknown.status != 422 || strings.Contains(string(unknown.body), "traffic") || strings.Contains(string(unknown.body), "module") {
				t.Errorf("%s asks %s by a column that is not there: %d %s", role, table, unknown.status, unknown.body)
			}
		}
	}
}

// TestX7_AFormerOwnerLearnsNothingMore of a server that was taken back and has another name by now.
func TestX7_AFormerOwnerLearnsNothingMore(t *testing.T) {
	m := newMatrix(t)
	c := m.caller(access.RoleReseller)
	id, sale := c.own["servers"][0], c.own["sales"][0]
	m.become(id, func(s *fleet.Server) {
		s.Name, s.Claim = "other-name", fleet.Claim{Kind: fleet.ClaimNone, Since: m.now()}
	})
	m.change(func(tx *store.Tx) error {
		v, err := store.Sales.Get(tx, sale)
		if err != nil {
			return err
		}
		v.State, v.RevokedAt, v.RevokedBy, v.Reason, v.Message = reselling.Revoked, m.now(), hush, hush, hush
		return store.Sales.Put(tx, sale, v)
	})
	a := m.ask(c.name, "GET", "/v1/sales/"+sale, "")
	if a.status != 200 || strings.Contains(string(a.body), "other-name") || strings.Contains(string(a.body), hush) {
		t.Errorf("he is told %d %s", a.status, a.body)
	}
	if got := m.ids("/v1/sales?q=other-name", c.name); len(got) != 0 {
		t.Errorf("he finds his old sale by the new name of the server: %v", got)
	}
	if a := m.ask(c.name, "GET", "/v1/servers/other-name", ""); a.status != 404 {
		t.Errorf("he reads the server still: %d", a.status)
	}
}

func TestX7_APlacementIsOfACustomerOfItsReseller(t *testing.T) {
	m := newMatrix(t)
	c := m.caller(access.RoleReseller)
	of := func(customer string) string {
		return jsonOf(map[string]any{"kind": "database", "name": "db1", "server": m.any["servers"], "reseller": c.fill["reseller"], "customer": customer})
	}
	for _, customer := range append([]string{absent}, c.foreign["customers"]...) {
		m.untouched("a placement", func() {
			if p := m.must(422, "POST", "/v1/placements", of(customer)).problem(t); !p.names("body.customer") {
				t.Errorf("of %s: %+v", customer, p)
			}
		})
	}
	if a := m.ask(access.RoleAdmin, "POST", "/v1/placements", of(c.fill["customer"])); a.status == 422 {
		t.Errorf("of his own customer: %s", a.body)
	}
}
