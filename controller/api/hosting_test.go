package api

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// group adds a server group for types.
func (h *house) group(name string, types ...string) string {
	h.t.Helper()
	return h.id(h.must(201, "POST", "/v1/server-groups", fmt.Sprintf(`{"name":%q,"types":["%s"]}`, name, strings.Join(types, `","`))))
}

// node is a server with a system of its own and logical servers of types in one group; it has 1000 MiB of disk.
func (h *house) node(name, group string, types ...string) string {
	h.t.Helper()
	id := h.addServer(name, nil)
	h.change(func(tx *store.Tx) error {
		f, err := store.Facts.Get(tx, id)
		if err != nil {
			return err
		}
		f.Inventory.OS = hardware.OS{Name: "Debian GNU/Linux 13", ID: "debian", Kernel: "6.12"}
		f.Configuration.Disks = []hardware.DiskGroup{{Count: 2, Medium: "ssd", SizeBytes: 500 << 20}}
		return store.Facts.Put(tx, id, f)
	})
	h.must(200, "PUT", "/v1/servers/"+id+"/roles", rolesJSON(group, types...), "If-Match", "*")
	return id
}

func rolesJSON(group string, types ...string) string {
	var list []string
	for _, kind := range types {
		list = append(list, fmt.Sprintf(`{"type":%q,"group":%q}`, kind, group))
	}
	return `{"roles":[` + strings.Join(list, ",") + `]}`
}

// become changes a server as if the part that owns this had done it.
func (h *house) become(server string, change func(*fleet.Server)) {
	h.t.Helper()
	h.change(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		change(&s)
		return store.Servers.Put(tx, server, s)
	})
}

func claimed(c fleet.Claim) func(*fleet.Server) { return func(s *fleet.Server) { s.Claim = c } }

// dealer stores a reseller.
func (h *house) dealer(id, parent string) string {
	h.t.Helper()
	path := strings.TrimPrefix(parent+"/"+id, "/")
	h.change(func(tx *store.Tx) error {
		up := parent[strings.LastIndex(parent, "/")+1:]
		return store.Resellers.Put(tx, id, reselling.Reseller{ID: id, Name: id, Parent: up, Path: path, State: reselling.Active})
	})
	return path
}

func (h *house) labelOf(server string) string {
	h.t.Helper()
	var v Server
	h.must(200, "GET", "/v1/servers/"+server, "").json(h.t, &v)
	return string(v.Label)
}

func (h *house) place(status int, body string) Placement {
	h.t.Helper()
	var p Placement
	a := h.must(status, "POST", "/v1/placements", body)
	if status == 201 {
		a.json(h.t, &p)
	}
	return p
}

func TestX3_ServersAreShownAndFoundByTheirLabel(t *testing.T) {
	h := newHouse(t)
	plan, other := h.group("plan", "web", "mail", "mysql"), h.group("other", "web", "dns")
	free, fit := h.node("free", other, "web"), h.node("fit", plan, "web", "mail", "mysql")
	used := h.node("used", plan, "web", "mail", "mysql")
	h.place(201, `{"kind":"account","name":"example.org","server":"`+used+`"}`)
	for server, want := range map[string]string{free: "free", fit: "unassigned", used: "in use"} {
		if got := h.labelOf(server); got != want {
			t.Errorf("%s: %q", want, got)
		}
	}
	if got := h.ids("/v1/servers?label=free&sort=name"); !slices.Equal(got, []string{fit, free}) {
		t.Errorf("free servers: %v; one that may be assigned is free too", got)
	}
	h.become(fit, func(s *fleet.Server) { s.Cleanliness = fleet.Dirty })
	if got := h.labelOf(fit); got != "cleanup required" {
		t.Errorf("dirty: %q", got)
	}
	h.become(fit, func(s *fleet.Server) { s.Cleanliness = fleet.Clean })
	h.must(200, "PATCH", "/v1/server-groups/"+plan, `{"types":["web","mail","mysql","ftp"]}`, "If-Match", "*") // the label follows
	if got := h.labelOf(fit); got != "free" {
		t.Errorf("in a group for ftp too: %q", got)
	}
	h.must(200, "PATCH", "/v1/server-groups/"+plan, `{"types":["web","mail","mysql"]}`, "If-Match", "*")
	for _, c := range []struct {
		claim fleet.Claim
		want  string
	}{
		{fleet.Claim{Kind: fleet.ClaimHeld, Ref: "ord-1"}, "held"},
		{fleet.Claim{Kind: fleet.ClaimPlan, Ref: "rpl-1"}, "available"},
		{fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: "rsl-1", Via: fleet.ViaPlan}, "taken"},
		{fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: "rsl-1", Via: fleet.ViaSale}, "sold"},
		{fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}, "dedicated"},
	} {
		h.become(fit, claimed(c.claim))
		if got := h.ids("/v1/servers?label=" + strings.ReplaceAll(c.want, " ", "%20")); h.labelOf(fit) != c.want || !slices.Equal(got, []string{fit}) {
			t.Errorf("%+v: %q, and found are %v", c.claim, h.labelOf(fit), got)
		}
	}
}

func TestH7_TheListOfServersForPlans(t *testing.T) {
	h := newHouse(t)
	plan, other := h.group("plan", "web", "mail", "mysql"), h.group("other", "web", "dns")
	all := []string{"web", "mail", "mysql"}
	eligible, assigned, taken := h.node("a", plan, all...), h.node("b", plan, all...), h.node("c", plan, all...)
	h.node("d", other, "web")
	sold, used, dirty := h.node("e", plan, all...), h.node("f", plan, all...), h.node("g", plan, all...)
	h.place(201, `{"kind":"mailbox","name":"a@example.org","server":"`+used+`"}`)
	h.become(assigned, claimed(fleet.Claim{Kind: fleet.ClaimPlan, Ref: "rpl-1"}))
	h.become(taken, claimed(fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: "rsl-1", Via: fleet.ViaPlan}))
	h.become(sold, claimed(fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: "rsl-1", Via: fleet.ViaSale}))
	h.become(dirty, func(s *fleet.Server) { s.Cleanliness = fleet.Dirty })
	if got := h.ids("/v1/servers?label=unassigned,available,taken&sort=name"); !slices.Equal(got, []string{eligible, assigned, taken}) {
		t.Errorf("the list has %v, not %v", got, []string{eligible, assigned, taken})
	}
}

func TestS4_FreeServersAreFilteredByServiceAndPool(t *testing.T) {
	h := newHouse(t)
	g := h.group("all", "web", "mail", "mysql")
	web, mail, both := h.node("a", g, "web"), h.node("b", g, "mail"), h.node("c", g, "web", "mail")
	sold := h.node("d", g, "web")
	h.become(sold, claimed(fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: "rsl-1", Via: fleet.ViaSale}))
	pool := h.id(h.must(201, "POST", "/v1/server-pools", `{"name":"mails","service":"mail","members":["`+mail+`"]}`))
	second := h.id(h.must(201, "POST", "/v1/server-pools", `{"name":"more","service":"mail","members":["`+mail+`","`+both+`"]}`))
	for query, want := range map[string][]string{
		"service=web": {web, both}, "service=mail": {mail, both}, "service=mysql": nil, "service=mail,web": {web, mail, both},
		"pool=" + pool: {mail}, "pool=" + second: {mail, both}, "service=web&pool=" + second: {both},
	} {
		if got := h.ids("/v1/servers?label=free&sort=name&" + query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", query, got, want)
		}
	}
	h.must(200, "PATCH", "/v1/server-pools/"+second, `{"members":["`+both+`"]}`, "If-Match", "*")
	if got := h.ids("/v1/servers?pool=" + second); !slices.Equal(got, []string{both}) {
		t.Errorf("a member that left is found: %v", got)
	}
	h.must(204, "DELETE", "/v1/server-pools/"+second, "", "If-Match", "*")
	if got := h.ids("/v1/servers?pool=" + second); got != nil {
		t.Errorf("members of a pool that is gone: %v", got)
	}
}

func TestH13_AnAssignedServerKeepsItsRolesAndTakesNothing(t *testing.T) {
	h := newHouse(t)
	g := h.group("plan", "web", "mail", "mysql")
	server := h.node("a", g, "web", "mail", "mysql")
	h.become(server, claimed(fleet.Claim{Kind: fleet.ClaimPlan, Ref: "rpl-gold"}))
	for what, a := range map[string]answer{
		"roles":      h.ask(access.RoleAdmin, "PUT", "/v1/servers/"+server+"/roles", rolesJSON(g, "web"), "If-Match", "*"),
		"group":      h.ask(access.RoleAdmin, "PATCH", "/v1/server-groups/"+g, `{"types":["web","mail","mysql","dns"]}`, "If-Match", "*"),
		"an account": h.ask(access.RoleAdmin, "POST", "/v1/placements", `{"kind":"account","name":"example.org","server":"`+server+`"}`),
	} {
		if p := a.problem(t); a.status != 409 || !strings.Contains(p.Detail, "rpl-gold") {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	h.must(200, "PATCH", "/v1/server-groups/"+g, `{"name":"renamed"}`, "If-Match", "*")
}

func TestH4_RolesAreCheckedAgainstTheirGroups(t *testing.T) {
	h := newHouse(t)
	g := h.group("front", "web")
	server := h.node("a", g, "web")
	path := "/v1/servers/" + server + "/roles"
	if a := h.ask(access.RoleAdmin, "PUT", path, rolesJSON(g, "web")); a.status != 428 {
		t.Errorf("without If-Match: %d", a.status)
	}
	p := h.must(422, "PUT", path, `{"roles":[{"type":"mail","group":"`+g+`"},{"type":"tape","group":"sgr-none"}]}`, "If-Match", "*").problem(t)
	for _, field := range []string{"body.roles[0].group", "body.roles[1].type", "body.roles[1].group"} {
		if !p.names(field) {
			t.Errorf("%s is not named: %+v", field, p.Errors)
		}
	}
	h.place(201, `{"kind":"account","name":"example.org","server":"`+server+`"}`)
	if p := h.must(409, "PUT", path, `{"roles":[]}`, "If-Match", "*").problem(t); !strings.Contains(p.Detail, "1 things") {
		t.Errorf("a web server that is used: %q", p.Detail)
	}
	if p := h.must(409, "DELETE", "/v1/server-groups/"+g, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, server) {
		t.Errorf("a group in use: %q", p.Detail)
	}
	if p := h.must(422, "PATCH", "/v1/server-groups/"+g, `{"types":["mail"]}`, "If-Match", "*").problem(t); !p.names("body.types") {
		t.Errorf("a type in use: %+v", p)
	}
}

func TestX14_ADomainNameBelongsToOneAccountOfTheFleet(t *testing.T) {
	h := newHouse(t)
	g := h.group("all", "web", "mail", "mysql")
	one, two := h.node("a", g, "web", "mail"), h.node("b", g, "web")
	p := h.place(201, `{"kind":"account","name":"Bücher.Example.","domains":["shop.bücher.example","WWW.xn--bcher-kva.example"],"server":"`+one+`"}`)
	if p.Name != "xn--bcher-kva.example" || !slices.Equal(p.Domains, []string{"shop.xn--bcher-kva.example", "www.xn--bcher-kva.example"}) {
		t.Errorf("kept as %q %v", p.Name, p.Domains)
	}
	for field, body := range map[string]string{
		"body.name":    `{"kind":"forwarding","name":"WWW.bücher.example","server":"` + two + `"}`,
		"body.domains": `{"kind":"account","name":"other.example","domains":["shop.BÜCHER.example"],"server":"` + two + `"}`,
	} {
		if bad := h.must(422, "POST", "/v1/placements", body).problem(t); !bad.names(field) || !strings.Contains(bad.Errors[0].Message, p.ID) {
			t.Errorf("%s: %+v", field, bad.Errors)
		}
	}
	h.place(201, `{"kind":"mailbox","name":"me@bücher.example","server":"`+one+`"}`)
	h.must(204, "DELETE", "/v1/placements/"+p.ID, "", "If-Match", "*")
	h.place(201, `{"kind":"forwarding","name":"www.bücher.example","server":"`+two+`"}`)
	bad := h.must(422, "POST", "/v1/placements", `{"kind":"account","name":"localhost","domains":["*.example.org"],"server":"srv-none","reseller":"rsl-none","disk_mib":9000000000000,"state":"leaving"}`).problem(t)
	for _, field := range []string{"body.name", "body.domains", "body.server", "body.disk_mib", "body.state"} {
		if !bad.names(field) {
			t.Errorf("%s is not named: %+v", field, bad.Errors)
		}
	}
}

func TestS7_WhatIsPlacedIsCountedUntilItIsGone(t *testing.T) {
	h := newHouse(t)
	g := h.group("all", "web", "mail", "mysql")
	server := h.node("a", g, "web", "mail", "mysql")
	body := `{"kind":"database","name":"shop","server":"` + server + `"}`
	a := h.must(201, "POST", "/v1/placements", body, "Idempotency-Key", "k-1")
	if again := h.must(201, "POST", "/v1/placements", body, "Idempotency-Key", "k-1"); h.id(again) != h.id(a) {
		t.Error("the same request made two")
	}
	id := h.id(a)
	var s Server
	if h.must(200, "GET", "/v1/servers/"+server, "").json(t, &s); s.Placements != 1 || s.Available || s.Label != fleet.LabelInUse {
		t.Errorf("a server with a half-made database: %d, available %v, %s", s.Placements, s.Available, s.Label)
	}
	for _, state := range []string{"there", "leaving", "stuck"} {
		h.must(200, "POST", "/v1/placements/"+id+"/state", `{"state":"`+state+`","message":"so it is"}`)
		if got := h.labelOf(server); got != "in use" {
			t.Errorf("%s: %q", state, got)
		}
	}
	if p := h.must(409, "POST", "/v1/placements/"+id+"/state", `{"state":"making"}`).problem(t); !strings.Contains(p.Detail, "stuck") {
		t.Errorf("back to making: %q", p.Detail)
	}
	h.must(204, "DELETE", "/v1/placements/"+id, "", "If-Match", "*")
	if got := h.labelOf(server); got != "unassigned" {
		t.Errorf("with nothing on it: %q", got)
	}
	if p := h.must(409, "POST", "/v1/placements", `{"kind":"database","name":"x","server":"`+h.node("b", g, "web")+`"}`).problem(t); !strings.Contains(p.Detail, "no mysql server") {
		t.Errorf("without a mysql server: %q", p.Detail)
	}
}

func TestS8_NothingIsPlacedOnAServerThatIsTakenBack(t *testing.T) {
	h := newHouse(t)
	server := h.node("a", h.group("all", "web"), "web")
	path := h.dealer("rsl-1", "")
	h.dealer("rsl-2", "")
	below := h.dealer("rsl-3", path)
	h.become(server, claimed(fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: path, Via: fleet.ViaSale}))
	sale := reselling.Sale{ID: "sal-1", Reseller: "rsl-1", Path: path, Server: server, State: reselling.Sold}
	h.change(func(tx *store.Tx) error {
		if err := store.SalesOf.Put(tx, server, store.SaleOf{Sale: sale.ID}); err != nil {
			return err
		}
		return store.Sales.Put(tx, sale.ID, sale)
	})
	account := func(n int, reseller string) string {
		return fmt.Sprintf(`{"kind":"account","name":"n%d.example","server":%q,"reseller":%q}`, n, server, reseller)
	}
	h.place(409, account(1, ""))
	h.place(409, account(2, "rsl-2"))
	if p := h.place(201, account(3, "rsl-1")); p.Reseller != path {
		t.Errorf("it is of %q", p.Reseller)
	}
	if p := h.place(201, account(4, "rsl-3")); p.Reseller != below {
		t.Errorf("that of the one below is of %q", p.Reseller)
	}
	sale.State = reselling.Revoking
	h.change(func(tx *store.Tx) error { return store.Sales.Put(tx, sale.ID, sale) })
	if p := h.must(409, "POST", "/v1/placements", account(5, "rsl-1")).problem(t); !strings.Contains(p.Detail, "sal-1") {
		t.Errorf("while it is taken back: %q", p.Detail)
	}
}

func TestH18_WhoHasAServerByPlanPlacesOnlyThere(t *testing.T) {
	h := newHouse(t)
	g := h.group("plan", "web", "mail", "mysql")
	taken, shared := h.node("a", g, "web", "mail", "mysql"), h.node("b", g, "web")
	h.must(201, "POST", "/v1/server-pools", `{"name":"shared","service":"web","members":["`+shared+`"],"automatic":true}`)
	path := h.dealer("rsl-1", "")
	h.dealer("rsl-2", path)
	h.dealer("rsl-3", "")
	before := h.place(201, `{"kind":"account","name":"before.example","reseller":"rsl-1"}`)
	if before.Server != shared {
		t.Errorf("before he has one it is on %s", before.Server)
	}
	h.become(taken, claimed(fleet.Claim{Kind: fleet.ClaimReseller, Ref: "rsl-1", Owner: path, Via: fleet.ViaPlan}))
	for i, reseller := range []string{"rsl-1", "rsl-2"} {
		if p := h.place(201, fmt.Sprintf(`{"kind":"account","name":"n%d.example","reseller":%q}`, i, reseller)); p.Server != taken {
			t.Errorf("%s: it is on %s, not on the server that he has by plan", reseller, p.Server)
		}
	}
	if p := h.must(409, "POST", "/v1/placements", `{"kind":"account","name":"x.example","reseller":"rsl-1","server":"`+shared+`"}`).problem(t); !strings.Contains(p.Detail, taken) {
		t.Errorf("elsewhere: %q", p.Detail)
	}
	for _, reseller := range []string{"", "rsl-3"} {
		h.place(409, `{"kind":"account","name":"y.example","reseller":"`+reseller+`","server":"`+taken+`"}`)
	}
	if p := h.place(201, `{"kind":"account","name":"z.example","reseller":"rsl-3"}`); p.Server != shared {
		t.Errorf("that of another reseller is on %s", p.Server)
	}
}

func TestS12_APoolChoosesByItsPolicy(t *testing.T) {
	h := newHouse(t)
	g := h.group("all", "web")
	a, b, c := h.node("a", g, "web"), h.node("b", g, "web"), h.node("c", g, "web")
	if p := h.must(409, "POST", "/v1/placements", `{"kind":"account","name":"n.example"}`).problem(t); !strings.Contains(p.Detail, "name a server") {
		t.Errorf("without a pool: %q", p.Detail)
	}
	bad := h.must(422, "POST", "/v1/server-pools", `{"name":"","service":"tape","policy":"dice","members":["srv-none","srv-none"]}`).problem(t)
	for _, field := range []string{"body.name", "body.service", "body.policy", "body.members", "body.members[0]"} {
		if !bad.names(field) {
			t.Errorf("%s is not named: %+v", field, bad.Errors)
		}
	}
	members := `"members":["` + a + `","` + b + `","` + c + `"]`
	pool := h.id(h.must(201, "POST", "/v1/server-pools", `{"name":"p","service":"web",`+members+`}`))
	h.place(409, `{"kind":"account","name":"n.example"}`) // it does not choose by itself
	n := 0
	next := func(mib int) Placement {
		n++
		return h.place(201, fmt.Sprintf(`{"kind":"account","name":"n%d.example","disk_mib":%d}`, n, mib))
	}
	for policy, want := range map[string][]string{"first-fit": {a, a, a}, "round-robin": {a, b, c, a}, "least-sold": {a, b, c}} {
		h.must(200, "PATCH", "/v1/server-pools/"+pool, `{"automatic":true,"policy":"`+policy+`"}`, "If-Match", "*")
		var made []Placement
		var got []string
		for range want {
			p := next(100)
			made, got = append(made, p), append(got, p.Server)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", policy, got, want)
		}
		for _, p := range made {
			h.must(204, "DELETE", "/v1/placements/"+p.ID, "", "If-Match", "*")
		}
	}
}

func TestS12_NothingIsOversoldUnlessAPoolOfTheServerAllowsIt(t *testing.T) {
	h := newHouse(t)
	server := h.node("a", h.group("all", "web"), "web") // 1000 MiB
	pool := h.id(h.must(201, "POST", "/v1/server-pools", `{"name":"p","service":"web","automatic":true,"members":["`+server+`"]}`))
	h.place(201, `{"kind":"account","name":"a.example","disk_mib":600}`)
	for _, named := range []string{"", `,"server":"` + server + `"`} {
		if p := h.must(409, "POST", "/v1/placements", `{"kind":"account","name":"b.example","disk_mib":401`+named+`}`).problem(t); !strings.Contains(p.Detail, "401") {
			t.Errorf("more than there is: %q", p.Detail)
		}
	}
	h.place(201, `{"kind":"account","name":"c.example","disk_mib":400}`) // exactly what is left
	h.must(200, "PATCH", "/v1/server-pools/"+pool, `{"oversell":true}`, "If-Match", "*")
	h.place(201, `{"kind":"account","name":"d.example","disk_mib":5000}`)
	var s Server
	if h.must(200, "GET", "/v1/servers/"+server, "").json(t, &s); s.PromisedMiB != 6000 {
		t.Errorf("%d MiB are promised", s.PromisedMiB)
	}
}

// TestX2_PlacementsAndClaimsMeet on one server: whoever has it in the end, nothing of anybody else is on it.
func TestX2_PlacementsAndClaimsMeet(t *testing.T) {
	h := newHouse(t)
	g := h.group("all", "web", "mail", "mysql")
	acme, other := h.reseller("acme", nil), h.reseller("other", nil)
	wins := map[string]int{}
	for round := range 25 {
		server := h.sellable(fmt.Sprintf("node-%d", round))
		h.must(200, "PUT", "/v1/servers/"+server+"/roles", rolesJSON(g, "web", "mail", "mysql"), "If-Match", "*")
		var done sync.WaitGroup
		for i, deed := range []func(){
			func() { h.ask(access.RoleAdmin, "POST", "/v1/sales", wish(acme, server)) },
			func() { _ = h.assign(server, "rpl-1") },
			func() { h.ask(access.RoleAdmin, "POST", "/v1/placements", accountJSON(server, acme.ID, round, 1)) },
			func() { h.ask(access.RoleAdmin, "POST", "/v1/placements", accountJSON(server, other.ID, round, 2)) },
			func() { h.ask(access.RoleAdmin, "POST", "/v1/placements", accountJSON(server, "", round, 3)) },
		} {
			done.Add(1)
			go func() {
				defer done.Done()
				for range (i + round) % 5 {
					runtime.Gosched()
				}
				deed()
			}()
		}
		done.Wait()
		snap := h.store.Snapshot()
		s, _ := store.Servers.In(snap, server)
		load, _ := store.Loads.In(snap, server)
		n := uint64(0)
		for p := range store.Placements.Items(snap) {
			if p.Value.Server != server {
				continue
			}
			n++
			if s.Claim.Kind == fleet.ClaimPlan || s.Claim.Kind == fleet.ClaimReseller && p.Value.Reseller != acme.Path {
				t.Errorf("round %d: the server has claim %+v, and %s of %q is on it", round, s.Claim, p.Value.Name, p.Value.Reseller)
			}
		}
		if load == nil && n > 0 || load != nil && load.Placements != n {
			t.Errorf("round %d: %d placements, and the load is %+v", round, n, load)
		}
		wins[s.Claim.Kind]++
	}
	t.Logf("it was in the end: %v", wins)
}

// assign gives a free server to a plan as the door of claims does it: what is on it is read in the commit.
func (h *house) assign(server, plan string) error {
	_, err := h.store.Change(h.t.Context(), func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		load, _, err := store.Loads.Find(tx, server)
		if err != nil || load.Placements > 0 || s.Claim.Kind != fleet.ClaimNone {
			return err
		}
		s.Claim = fleet.Claim{Kind: fleet.ClaimPlan, Ref: plan}
		return store.Servers.Put(tx, server, s)
	})
	return err
}

func accountJSON(server, reseller string, round, n int) string {
	return fmt.Sprintf(`{"kind":"account","name":"n%d.r%d.example","server":%q,"reseller":%q}`, n, round, server, reseller)
}

func TestX7_AResellerSeesOnlyHisPlacements(t *testing.T) {
	h := newHouse(t)
	h.change(func(tx *store.Tx) error {
		if err := store.Resellers.Put(tx, "rsl-1", reselling.Reseller{ID: "rsl-1", Path: "rsl-1", Name: "acme", State: reselling.Active}); err != nil {
			return err
		}
		for id, path := range map[string]string{"plc-1": "rsl-1", "plc-2": "rsl-1/rsl-2", "plc-3": "rsl-12", "plc-4": ""} {
			if err := store.Placements.Put(tx, id, hosting.Placement{ID: id, Reseller: path, Kind: hosting.Account, State: hosting.There}); err != nil {
				return err
			}
		}
		for _, item := range []string{access.Digest(h.token[access.RoleReseller])} {
			for tok := range store.Tokens.Items(tx.Hint()) {
				if tok.Value.Digest == item {
					own := *tok.Value
					own.Reseller = "rsl-1"
					return store.Tokens.Put(tx, own.ID, own)
				}
			}
		}
		return nil
	})
	if got := h.ids("/v1/placements", access.RoleReseller); !slices.Equal(got, []string{"plc-1", "plc-2"}) {
		t.Errorf("he sees %v", got)
	}
	foreign, none := h.ask(access.RoleReseller, "GET", "/v1/placements/plc-3", ""), h.ask(access.RoleReseller, "GET", "/v1/placements/plc-9", "")
	if foreign.status != 404 || none.status != 404 || strings.ReplaceAll(foreign.problem(t).Detail, "plc-3", "plc-9") != none.problem(t).Detail {
		t.Errorf("a foreign one: %d %s; one that is not there: %d %s", foreign.status, foreign.body, none.status, none.body)
	}
	if a := h.ask(access.RoleReseller, "POST", "/v1/placements", `{"kind":"account","name":"a.example"}`); a.status != 403 {
		t.Errorf("he may register: %d", a.status)
	}
}
