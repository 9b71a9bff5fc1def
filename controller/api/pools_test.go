package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
)

// ids lists what a list shows, as a role.
func (h *house) ids(path string, as ...access.Role) (ids []string) {
	h.t.Helper()
	var page struct{ Items []struct{ ID string } }
	a := h.ask(append(as, access.RoleAdmin)[0], "GET", path, "")
	if a.status != 200 {
		h.t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
	a.json(h.t, &page)
	for _, i := range page.Items {
		ids = append(ids, i.ID)
	}
	return ids
}

func (h *house) use(pool string) address.Use {
	h.t.Helper()
	var p Pool
	h.must(200, "GET", "/v1/pools/"+pool, "").json(h.t, &p)
	return p.Use
}

// rented is a server with a service of a customer.
func (h *house) rented(name, location, customer string) (server, service string) {
	h.t.Helper()
	service = "svc-" + name
	server = h.addServer(name, func(s *fleet.Server) {
		s.Location, s.Claim = location, fleet.Claim{Kind: fleet.ClaimClient, Ref: service}
	})
	h.change(func(tx *store.Tx) error {
		return store.Services.Put(tx, service, order.Service{ID: service, Server: server, Customer: customer, State: order.ServiceActive})
	})
	return server, service
}

func TestB4_AModuleNeedsAPoolInItsLocation(t *testing.T) {
	h := newHouse(t)
	bare := h.id(h.must(201, "POST", "/v1/locations", `{"name":"Paris","external_id":"par-1"}`))
	p := h.must(422, "POST", "/v1/modules", moduleJSON("Hall 1", bare)).problem(t)
	if !p.names("body.location") || !strings.Contains(p.Errors[0].Message, "steelyard pool create --location Paris") {
		t.Errorf("the refusal does not say what to do: %+v", p)
	}
	own := h.location()
	pool := h.ids("/v1/pools")[0]
	other := h.id(h.must(201, "POST", "/v1/pools", `{"name":"par","location":"`+bare+`","prefix":"198.51.100.0/24"}`))
	p = h.must(422, "POST", "/v1/modules", moduleJSON("Hall 1", own, `"pools":["`+other+`","pol-none"]`)).problem(t)
	if !p.names("body.pools[0]") || !p.names("body.pools[1]") {
		t.Errorf("a pool of another location and an unknown one are not both named: %+v", p.Errors)
	}
	module := h.id(h.must(201, "POST", "/v1/modules", moduleJSON("Hall 1", own, `"pools":["`+pool+`"]`)))
	if p := h.must(409, "DELETE", "/v1/pools/"+pool, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, "Hall 1") {
		t.Errorf("a pool that a module names: %q", p.Detail)
	}
	h.must(200, "PATCH", "/v1/modules/"+module, `{"pools":null}`, "If-Match", "*")
	if p := h.must(409, "DELETE", "/v1/pools/"+pool, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, "only one") || !strings.Contains(p.Detail, "Hall 1") {
		t.Errorf("the last pool of a module's location: %q", p.Detail)
	}
	second := h.id(h.must(201, "POST", "/v1/pools", `{"name":"fra-v6","location":"`+own+`","prefix":"2001:db8::/48"}`))
	h.must(204, "DELETE", "/v1/pools/"+pool, "", "If-Match", "*")
	if left := h.ids("/v1/pools?location=" + own); !slices.Equal(left, []string{second}) {
		t.Errorf("the location has the pools %v", left)
	}
}

func TestB4_APoolIsCheckedWhenItIsMade(t *testing.T) {
	h := newHouse(t)
	location := h.location() // with 192.0.2.0/24
	pool := func(fields string) string { return `{"name":"p","location":"` + location + `",` + fields + `}` }
	for field, body := range map[string]string{
		"body.location":    `{"name":"p","location":"loc-none","prefix":"198.51.100.0/24"}`,
		"body.name":        `{"name":"FRA-V4","location":"` + location + `","prefix":"198.51.100.0/24"}`,
		"body.prefix":      pool(`"prefix":"192.0.2.128/25"`),
		"body.gateway":     pool(`"prefix":"198.51.100.0/24","gateway":"192.0.2.1"`),
		"body.assign_bits": pool(`"prefix":"198.51.100.0/24","assign_bits":28`),
		"body.dns":         pool(`"prefix":"198.51.100.0/24","dns":["one.example"]`),
		"body.reserved":    pool(`"prefix":"198.51.100.0/24","reserved":["198.51.101.0/24"]`),
	} {
		if p := h.must(422, "POST", "/v1/pools", body).problem(t); !p.names(field) || len(p.Errors) != 1 {
			t.Errorf("%s: the refusal of %s is %+v", field, body, p.Errors)
		}
	}
	p := h.must(422, "POST", "/v1/pools", pool(`"prefix":"192.0.2.128/25"`)).problem(t)
	if m := p.Errors[0].Message; !strings.Contains(m, "fra-v4") || !strings.Contains(m, "192.0.2.0/24") {
		t.Errorf("the refusal does not name the pool that is there: %q", m)
	}
	p = h.must(422, "POST", "/v1/pools", `{"name":"","location":"loc-none","prefix":"198.51.100.1/24","dns":["x"],"sort_order":-1}`).problem(t)
	for _, field := range []string{"body.name", "body.location", "body.prefix", "body.dns", "body.sort_order"} {
		if !p.names(field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
	a := h.must(201, "POST", "/v1/pools", pool(`"prefix":"2001:DB8:0::/48","gateway":"FE80::1"`))
	var made Pool
	a.json(t, &made)
	if made.Prefix != "2001:db8::/48" || made.Assign != 64 || made.Family != address.IPv6 || made.Gateway != "fe80::1" || made.Use.Free != 1<<16 {
		t.Errorf("the pool is %+v", made)
	}
	p = h.must(422, "PATCH", "/v1/pools/"+made.ID, `{"prefix":"2001:db8::/47","assign_bits":56,"location":"loc-x"}`, "If-Match", "*").problem(t)
	for _, field := range []string{"body.prefix", "body.assign_bits", "body.location"} {
		if !p.names(field) {
			t.Errorf("%s of a pool was changed: %+v", field, p.Errors)
		}
	}
}

func TestX11_AddressesByHandAndWhatIsLeft(t *testing.T) {
	h := newHouse(t)
	location := h.location()
	pool := h.ids("/v1/pools")[0]
	server, service := h.rented("web", location, "acme")
	free := h.use(pool).Free
	var a Address
	h.must(201, "POST", "/v1/servers/web/addresses", `{}`).json(t, &a)
	if a.ID != "192.0.2.2" || a.Server != server || a.Service != service || a.Customer != "acme" || a.Pool != pool || a.Rev == 0 {
		t.Errorf("the address is %+v", a)
	}
	h.must(201, "POST", "/v1/servers/"+server+"/addresses", `{"address":"192.0.2.77"}`)
	for body, want := range map[string]string{
		`{"address":"192.0.2.77"}`: server, `{"address":"192.0.2.1"}`: "gateway", `{"address":"192.0.2.255"}`: "broadcast", `{"address":"203.0.113.1"}`: "no open pool",
	} {
		if p := h.must(409, "POST", "/v1/servers/web/addresses", body).problem(t); !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %q", body, p.Detail)
		}
	}
	if p := h.must(422, "POST", "/v1/servers/web/addresses", `{"pool":"pol-none"}`).problem(t); !p.names("body.pool") {
		t.Errorf("an unknown pool: %+v", p)
	}
	if u := h.use(pool); u.Used != 2 || u.Free != free-2 {
		t.Errorf("after two: %+v of %d", u, free)
	}
	if p := h.must(409, "DELETE", "/v1/pools/"+pool, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, "192.0.2.77 on "+server) {
		t.Errorf("a pool in use: %q", p.Detail)
	}
	for query, want := range map[string]int{"server=" + server: 2, "service=" + service: 2, "family=ipv6": 0, "pool=" + pool + "&state=used": 2, "q=192.0.2.77": 1, "server=srv-x": 0} {
		if got := h.ids("/v1/addresses?" + query); len(got) != want {
			t.Errorf("%s: %v", query, got)
		}
	}
	if got := h.ids("/v1/addresses?sort=-address"); !slices.Equal(got, []string{"192.0.2.77", "192.0.2.2"}) {
		t.Errorf("sorted by number: %v", got)
	}
	if p := h.must(409, "DELETE", "/v1/addresses/192.0.2.77", "").problem(t); !strings.Contains(p.Detail, service) {
		t.Errorf("released without a reason: %q", p.Detail)
	}
	a = Address{}
	h.must(200, "DELETE", "/v1/addresses/192.0.2.77?reason=abuse", "").json(t, &a)
	if a.State != address.Resting || a.Server != "" || a.Until.Sub(a.Since) != address.Rest {
		t.Errorf("released: %+v", a)
	}
	if u := h.use(pool); u.Used != 1 || u.Resting != 1 || u.Free != free-2 {
		t.Errorf("after the release: %+v", u)
	}
	h.must(409, "DELETE", "/v1/addresses/192.0.2.77?reason=abuse", "")
}

func TestX7_ACustomerSeesAndNamesOnlyHisAddresses(t *testing.T) {
	h := newHouse(t)
	location := h.location()
	h.must(201, "POST", "/v1/pools", `{"name":"fra-v6","location":"`+location+`","prefix":"2001:db8::/48"}`)
	h.rented("mine", location, "acme")
	h.rented("theirs", location, "other")
	h.must(201, "POST", "/v1/servers/theirs/addresses", `{}`)
	v6 := h.ids("/v1/pools?family=ipv6")[0]
	h.must(201, "POST", "/v1/servers/mine/addresses", `{"pool":"`+v6+`"}`)
	if got := h.ids("/v1/addresses", access.RoleCustomer); !slices.Equal(got, []string{"2001:db8::"}) {
		t.Errorf("the customer sees %v", got)
	}
	path := "/v1/addresses/2001:0DB8::%2F64" // any notation
	got := h.ask(access.RoleCustomer, "GET", path, "")
	if got.status != 200 {
		t.Fatalf("his own: %d %s", got.status, got.body)
	}
	if a := h.ask(access.RoleCustomer, "PATCH", "/v1/addresses/192.0.2.2", `{"rdns":"x.example.net"}`, "If-Match", "*"); a.status != 404 {
		t.Errorf("somebody else's: %d %s", a.status, a.body)
	}
	for _, bad := range []string{`{"rdns":"web"}`, `{"rdns":"-x.example.net"}`, `{"server":"srv-1"}`} {
		if a := h.ask(access.RoleCustomer, "PATCH", path, bad, "If-Match", "*"); a.status != 422 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	named := h.ask(access.RoleCustomer, "PATCH", path, `{"rdns":"Web1.example.net"}`, "If-Match", got.header.Get("ETag"))
	var a Address
	named.json(t, &a)
	if named.status != 200 || a.RDNS != "web1.example.net" {
		t.Errorf("named: %d %s", named.status, named.body)
	}
	if again := h.ask(access.RoleCustomer, "PATCH", path, `{"rdns":"b.example.net"}`, "If-Match", got.header.Get("ETag")); again.status != 412 {
		t.Errorf("an old revision: %d", again.status)
	}
	if rel := h.ask(access.RoleCustomer, "DELETE", "/v1/addresses/2001:db8::?reason=x", ""); rel.status != 403 {
		t.Errorf("a customer released an address: %d", rel.status)
	}
}

// What a pool shows is right after everything was read anew.
func TestX11_FiguresOfAPoolSurviveAResync(t *testing.T) {
	h := newHouse(t)
	location := h.location()
	pool := h.ids("/v1/pools")[0]
	h.rented("web", location, "acme")
	h.must(201, "POST", "/v1/servers/web/addresses", `{}`)
	h.must(201, "POST", "/v1/servers/web/addresses", `{}`)
	h.must(200, "DELETE", "/v1/addresses/192.0.2.2?reason=x", "")
	before := h.must(200, "GET", "/v1/pools/"+pool, "")
	snap := h.store.Snapshot()
	h.api.board.fill(everything(snap), snap.Rev)
	var was, is Pool
	before.json(t, &was)
	h.must(200, "GET", "/v1/pools/"+pool, "").json(t, &is)
	if was.Use != is.Use || is.Use.Used != 1 || is.Use.Resting != 1 {
		t.Errorf("before %+v, after %+v", was.Use, is.Use)
	}
}
