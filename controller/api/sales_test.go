package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// sellable is a server that nothing keeps from being sold.
func (h *house) sellable(name string, change ...func(*fleet.Server)) string {
	h.t.Helper()
	server := h.addServer(name, func(s *fleet.Server) {
		s.Location = "loc-1"
		s.Diagnosis = &fleet.DiagnosisSummary{ID: "opn-1", At: h.now(), Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, ConfigurationKey: factsOf(*s).Key}
		for _, f := range change {
			f(s)
		}
	})
	h.change(func(tx *store.Tx) error { return store.Presences.Put(tx, server, fleet.Presence{Server: server}) })
	return server
}

// reseller is one of the provider, or of a parent, who may have everything; somebody of his has the token of that name.
func (h *house) reseller(name string, parent *reselling.Reseller) reselling.Reseller {
	h.t.Helper()
	r := reselling.Reseller{ID: id.New("rsl"), Name: name, Company: name + " Ltd", Email: "it@example.org", State: reselling.Active, CreatedAt: h.now(), Limits: reselling.Limits{reselling.Servers: reselling.NoLimit}}
	r.Path = r.ID
	if parent != nil {
		r.Parent, r.Path = parent.ID, parent.Path+"/"+r.ID
	}
	secret := access.TokenPrefix + id.Secret()
	h.token[access.Role(name)] = secret
	tok := access.Token{ID: id.New("tok"), Kind: access.TokenAPI, Name: name, Digest: access.Digest(secret), Role: access.RoleReseller, Reseller: r.Path, CreatedAt: h.now()}
	h.change(func(tx *store.Tx) error {
		if err := store.Tokens.Create(tx, tok.ID, tok); err != nil {
			return err
		}
		return store.Resellers.Create(tx, r.ID, r)
	})
	return r
}

func wish(r reselling.Reseller, servers ...string) string {
	return `{"reseller":"` + r.ID + `","servers":["` + strings.Join(servers, `","`) + `"]}`
}

// sell sells one server that nothing keeps from it.
func (h *house) sell(r reselling.Reseller, server string) (sale string) {
	h.t.Helper()
	var a intake.SaleAnswer
	h.must(200, "POST", "/v1/sales", wish(r, server)).json(h.t, &a)
	if a.Sold != 1 || a.Results[0].Sale == "" {
		h.t.Fatalf("it was not sold: %+v", a)
	}
	return a.Results[0].Sale
}

// placed is a thing of a customer on a server; Load counts it.
func (h *house) placed(server, kind, name, state string, total uint64) {
	h.t.Helper()
	p := hosting.Placement{ID: id.New("plc"), Server: server, Kind: kind, Name: name, State: state}
	h.change(func(tx *store.Tx) error {
		if err := store.Placements.Put(tx, p.ID, p); err != nil {
			return err
		}
		return store.Loads.Put(tx, server, hosting.Load{Placements: total})
	})
}

func TestS1_OnlySystemsAndOperationsSellAndTakeBack(t *testing.T) {
	h := newHouse(t)
	acme := h.reseller("acme", nil)
	sale := h.sell(acme, h.sellable("first"))
	for i, role := range append(access.Roles(), access.Role("acme")) {
		may := role == access.RoleAdmin || role == access.RoleSystems || role == access.RoleOperations
		a := h.ask(role, "POST", "/v1/sales", wish(acme, h.sellable(fmt.Sprint("web", i))))
		if may != (a.status == http.StatusOK) || !may && a.status != http.StatusForbidden {
			t.Errorf("%s sells: %d %s", role, a.status, a.body)
		}
		for _, act := range []string{"revoke", "continue", "cancel"} {
			a := h.ask(role, "POST", "/v1/sales/"+sale+"/"+act, `{"reason":"because"}`)
			if may == (a.status == http.StatusForbidden) {
				t.Errorf("%s may %s: %d %s", role, act, a.status, a.body)
			}
		}
	}
}

func TestS2_S6_ASoldServerIsHisAloneAndSaysSo(t *testing.T) {
	h := newHouse(t)
	acme := h.reseller("acme", nil)
	h.reseller("bolt", nil)
	child := h.reseller("small", &acme)
	server := h.sellable("web1")
	sale := h.sell(acme, server)
	var s Server
	h.must(200, "GET", "/v1/servers/web1", "").json(t, &s)
	if s.Owner != "sold to acme" || s.Claim.Kind != fleet.ClaimReseller || s.Claim.Ref != acme.ID || s.Claim.Owner != acme.Path || s.Available {
		t.Errorf("the server says %q, %+v", s.Owner, s.Claim)
	}
	var v Sale
	h.must(200, "GET", "/v1/sales/"+sale, "").json(t, &v)
	if v.ResellerName != "acme" || v.ServerName != "web1" || v.State != reselling.Sold || !v.Revocable || v.WhyNot != "" || v.SoldBy != "admin token" {
		t.Errorf("the sale is %+v", v)
	}
	own := h.sell(child, h.sellable("web2"))
	for who, want := range map[access.Role][]string{"acme": {sale, own}, "small": {own}, "bolt": nil, access.RoleMarketing: {sale, own}} {
		slices.Sort(want)
		if got := h.ids("/v1/sales", who); !slices.Equal(got, want) {
			t.Errorf("%s sees the sales %v, not %v", who, got, want)
		}
	}
	if a, none := h.ask("bolt", "GET", "/v1/sales/"+sale, ""), h.ask("bolt", "GET", "/v1/sales/sal-0000000000000000", ""); a.status != 404 ||
		strings.ReplaceAll(string(a.body), sale, "X") != strings.ReplaceAll(string(none.body), "sal-0000000000000000", "X") {
		t.Errorf("a foreign sale: %d %s; one that is not there: %s", a.status, a.body, none.body)
	}
	for query, want := range map[string][]string{"reseller=" + acme.ID: {sale}, "reseller=" + child.ID: {own}, "reseller=" + child.Path: {own}, "reseller=x": nil, "server=" + server: {sale}, "q=WEB1": {sale}, "state=revoked": nil} {
		if got := h.ids("/v1/sales?" + query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", query, got, want)
		}
	}
	h.change(func(tx *store.Tx) error {
		acme.Name = "Acme Hosting"
		return store.Resellers.Put(tx, acme.ID, acme)
	})
	h.must(200, "GET", "/v1/servers/web1", "").json(t, &s)
	h.must(200, "GET", "/v1/sales/"+sale, "").json(t, &v)
	if s.Owner != "sold to Acme Hosting" || v.ResellerName != "Acme Hosting" {
		t.Errorf("after he changed his name: %q, %q", s.Owner, v.ResellerName)
	}
}

func TestS5_SeveralAtOnceWithAResultForEach(t *testing.T) {
	h := newHouse(t)
	acme, bolt := h.reseller("acme", nil), h.reseller("bolt", nil)
	one, two, his, other := h.sellable("one"), h.sellable("two"), h.sellable("his"), h.sellable("other")
	broken := h.sellable("broken", func(s *fleet.Server) { s.Maintenance = &fleet.Maintenance{Note: fleet.Note{Reason: "fan"}} })
	before := h.sell(acme, his)
	h.sell(bolt, other)
	body := wish(acme, one, his, other, broken, "srv-none", two)
	a := h.must(200, "POST", "/v1/sales", body, "Idempotency-Key", "k1")
	var got intake.SaleAnswer
	a.json(t, &got)
	want := []struct{ outcome, words string }{
		{intake.SoldNow, "sold to acme"}, {intake.SoldHere, "sold to acme"}, {intake.NotSold, "already owned by bolt"}, {intake.NotSold, "maintenance"}, {intake.NotSold, "does not exist"}, {intake.SoldNow, "sold to acme"},
	}
	if got.Sold != 3 || got.Failed != 3 || len(got.Results) != len(want) || got.Results[1].Sale != before {
		t.Fatalf("the answer is %s", a.body)
	}
	for i, w := range want {
		if r := got.Results[i]; r.Outcome != w.outcome || !strings.Contains(r.Message, w.words) {
			t.Errorf("server %d: %+v, want %+v", i, r, w)
		}
	}
	again := h.must(200, "POST", "/v1/sales", body, "Idempotency-Key", "k1")
	if string(again.body) != string(a.body) || again.header.Get("Idempotent-Replay") != "true" {
		t.Errorf("a repetition is answered %s", again.body)
	}
	if p := h.must(422, "POST", "/v1/sales", wish(acme, one), "Idempotency-Key", "k1").problem(t); !p.names("header.Idempotency-Key") {
		t.Errorf("another request with the same key: %+v", p)
	}
	h.must(200, "POST", "/v1/sales", wish(acme, one, two)).json(t, &got)
	if got.Sold != 2 || got.Results[0].Outcome != intake.SoldHere || len(h.ids("/v1/sales?reseller="+acme.ID)) != 3 {
		t.Errorf("asked again without a key: %+v", got)
	}
	if r, _ := store.Resellers.View(h.store, acme.ID); r.Servers != 3 {
		t.Errorf("the reseller has %d servers by his count", r.Servers)
	}
}

func TestX13_AWrongSaleNamesEveryField(t *testing.T) {
	h := newHouse(t)
	p := h.must(422, "POST", "/v1/sales", `{"reseller":"rsl-none","servers":["srv-1","","srv-1"]}`).problem(t)
	for _, field := range []string{"body.reseller", "body.servers[1]", "body.servers[2]"} {
		if !p.names(field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
	many := strings.Repeat(`"srv-1",`, reselling.MaxSold) + `"srv-2"`
	if p := h.must(422, "POST", "/v1/sales", `{"reseller":"rsl-none","servers":[`+many+`]}`).problem(t); !p.names("body.servers") {
		t.Errorf("too many: %+v", p.Errors)
	}
	if p := h.must(422, "POST", "/v1/sales", `{"reseller":"rsl-none","servers":[]}`).problem(t); !p.names("body.servers") {
		t.Errorf("none: %+v", p.Errors)
	}
}

// TestS7_OnlyAnEmptyServerIsTakenBack whatever is on it, half made or not; the action is not offered either.
func TestS7_OnlyAnEmptyServerIsTakenBack(t *testing.T) {
	for _, kind := range hosting.Kinds {
		for _, state := range []string{hosting.Making, hosting.There, hosting.Leaving, hosting.Stuck} {
			t.Run(kind+" "+state, func(t *testing.T) {
				h := newHouse(t)
				acme := h.reseller("acme", nil)
				server := h.sellable("web1")
				sale := h.sell(acme, server)
				h.placed(server, kind, "example.org", state, 12)
				var v Sale
				h.must(200, "GET", "/v1/sales/"+sale, "").json(t, &v)
				if v.Revocable || !strings.Contains(v.WhyNot, "12 things") {
					t.Errorf("the sale of a used server says %v, %q", v.Revocable, v.WhyNot)
				}
				p := h.must(409, "POST", "/v1/sales/"+sale+"/revoke", `{"reason":"unpaid"}`).problem(t)
				for _, words := range []string{"web1", "12 things", kind + " example.org", "11 more"} {
					if !strings.Contains(p.Detail, words) {
						t.Errorf("%q does not say %q", p.Detail, words)
					}
				}
				h.change(func(tx *store.Tx) error { return store.Loads.Put(tx, server, hosting.Load{}) })
				v = Sale{}
				h.must(200, "GET", "/v1/sales/"+sale, "").json(t, &v)
				if !v.Revocable || v.WhyNot != "" {
					t.Errorf("emptied, the sale says %v, %q", v.Revocable, v.WhyNot)
				}
				h.must(422, "POST", "/v1/sales/"+sale+"/revoke", `{}`)
				h.must(200, "POST", "/v1/sales/"+sale+"/revoke", `{"reason":"unpaid"}`).json(t, &v)
				if v.State != reselling.Revoking || v.Reason != "unpaid" || v.Revocable {
					t.Errorf("the sale is %+v", v)
				}
			})
		}
	}
}
