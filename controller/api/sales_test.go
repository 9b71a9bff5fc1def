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
		denied := http.StatusForbidden
		if role == "acme" { // he may sell on what he was sold: not to himself, and he does not take it from himself
			denied = http.StatusUnprocessableEntity
		}
		if role == access.RoleReseller { // of nobody
			denied = http.StatusUnprocessableEntity
		}
		a := h.ask(role, "POST", "/v1/sales", wish(acme, h.sellable(fmt.Sprint("web", i))))
		if may != (a.status == http.StatusOK) || !may && a.status != denied {
			t.Errorf("%s sells: %d %s", role, a.status, a.body)
		}
		for _, act := range []string{"revoke", "continue", "cancel"} {
			a := h.ask(role, "POST", "/v1/sales/"+sale+"/"+act, `{"reason":"because"}`)
			switch {
			case role == "acme" && (a.status != http.StatusConflict || !strings.Contains(string(a.body), "who is above you")):
				t.Errorf("%s may %s: %d %s", role, act, a.status, a.body)
			case role == access.RoleReseller && a.status != http.StatusNotFound:
				t.Errorf("%s may %s: %d %s", role, act, a.status, a.body)
			case may == (a.status == http.StatusForbidden || a.status == http.StatusNotFound || role == "acme"):
				t.Errorf("%s may %s: %d %s", role, act, a.status, a.body)
			}
		}
	}
}

// answered is what became of each server of a sale that somebody asks for.
func (h *house) answered(role access.Role, r reselling.Reseller, servers ...string) intake.SaleAnswer {
	h.t.Helper()
	var a intake.SaleAnswer
	h.ask(role, "POST", "/v1/sales", wish(r, servers...)).want(h.t, 200).json(h.t, &a)
	return a
}

// TestS2_S5_S6_AResellerSellsOnWhatHeWasSold to one directly below him: with a result for each server, and both see whose it is.
func TestS2_S5_S6_AResellerSellsOnWhatHeWasSold(t *testing.T) {
	h := newHouse(t)
	acme, bolt := h.reseller("acme", nil), h.reseller("bolt", nil)
	small := h.reseller("small", &acme)
	tiny := h.reseller("tiny", &small)
	his, used, fixed, free, foreign, below := h.sellable("his"), h.sellable("used"), h.sellable("fixed"), h.sellable("free"), h.sellable("foreign"), h.sellable("below")
	first := h.sell(acme, his)
	h.sell(acme, used)
	h.sell(acme, fixed)
	h.sell(bolt, foreign)
	h.sell(small, below)
	h.placed(used, hosting.Mailbox, "info@example.org", hosting.There, 1)
	h.become(fixed, func(s *fleet.Server) {
		s.Maintenance = &fleet.Maintenance{Note: fleet.Note{Reason: "bob forgot the fan"}}
	})
	a := h.answered("acme", small, his, used, fixed, free, foreign, "srv-none", below)
	want := []struct{ outcome, words string }{
		{intake.SoldNow, "sold to small"},
		{intake.NotSold, "customers have something on it"},
		{intake.NotSold, "the provider keeps it back"},
		{intake.NotSold, "does not exist"},
		{intake.NotSold, "does not exist"},
		{intake.NotSold, "does not exist"},
		{intake.SoldHere, "sold to small"},
	}
	for i, r := range a.Results {
		if r.Outcome != want[i].outcome || !strings.Contains(r.Message, want[i].words) || strings.Contains(r.Message, "bob") {
			t.Errorf("%d: %+v, not %+v", i, r, want[i])
		}
	}
	for _, i := range []int{3, 4} { // what he does not see is like what is not there
		if r, none := a.Results[i], a.Results[5]; strings.ReplaceAll(r.Message, r.Server, "X") != strings.ReplaceAll(none.Message, none.Server, "X") || r.Kind != none.Kind {
			t.Errorf("%+v tells more than %+v", r, none)
		}
	}
	again := h.answered("acme", small, his)
	if again.Results[0].Outcome != intake.SoldHere || again.Results[0].Sale != a.Results[0].Sale {
		t.Errorf("asked again: %+v", again)
	}
	for who, r := range map[access.Role]reselling.Reseller{"acme": tiny, "small": acme, "tiny": tiny, "bolt": small} {
		if p := h.ask(who, "POST", "/v1/sales", wish(r, his)).want(t, 422).problem(t); !p.names("body.reseller") {
			t.Errorf("%s sells to %s: %+v", who, r.Name, p)
		}
	}
	if r := h.answered("acme", small, below).Results[0]; r.Outcome != intake.SoldHere {
		t.Errorf("what the provider sold him: %+v", r)
	}
	sale := a.Results[0].Sale
	var s Server
	h.ask("small", "GET", "/v1/servers/"+his, "").want(t, 200).json(t, &s)
	if s.Owner != "sold to small" || s.Claim.Ref != small.ID || s.Claim.Owner != small.Path {
		t.Errorf("the server says %q, %+v", s.Owner, s.Claim)
	}
	h.ask("acme", "GET", "/v1/servers/"+his, "").want(t, 200)
	var up, v Sale
	h.must(200, "GET", "/v1/sales/"+first, "").json(t, &up)
	if up.SoldOnTo != "small" || up.Revocable || !strings.Contains(up.WhyNot, "sold on to small") {
		t.Errorf("the sale to acme says %+v", up)
	}
	h.ask("small", "GET", "/v1/sales/"+sale, "").want(t, 200).json(t, &v)
	if v.SellerName != "acme" || v.Seller != acme.ID || v.Under != "" || v.SoldBy != "" || !v.Revocable {
		t.Errorf("the sale to small says %+v", v)
	}
	h.ask("small", "GET", "/v1/sales/"+first, "").want(t, 404)
	h.ask("bolt", "GET", "/v1/sales/"+sale, "").want(t, 404)
	h.ask("small", "GET", "/v1/servers?sellable=true&reseller="+small.Path, "").want(t, 200)
	for who, want := range map[access.Role]int{"acme": 4, "small": 2, "tiny": 0} {
		var list struct{ Total int }
		if h.ask(who, "GET", "/v1/servers", "").json(t, &list); list.Total != want {
			t.Errorf("%s sees %d servers", who, list.Total)
		}
	}
}

// TestS7_WhatWasSoldOnIsTakenBackFromTheLastFirst: nobody takes a server from who has it but who sold it, and who is above that one.
func TestS7_WhatWasSoldOnIsTakenBackFromTheLastFirst(t *testing.T) {
	h := newHouse(t)
	acme := h.reseller("acme", nil)
	small := h.reseller("small", &acme)
	tiny := h.reseller("tiny", &small)
	server := h.sellable("web1")
	first := h.sell(acme, server)
	second := h.answered("acme", small, server).Results[0].Sale
	third := h.answered("small", tiny, server).Results[0].Sale
	act := func(role access.Role, sale, action string) answer {
		return h.ask(role, "POST", "/v1/sales/"+sale+"/"+action, `{"reason":"unpaid"}`)
	}
	for _, role := range []access.Role{access.RoleOperations, "acme"} {
		for _, sale := range []string{first, second} {
			if role == "acme" && sale == first {
				continue
			}
			if p := act(role, sale, "revoke").want(t, 409).problem(t); !strings.Contains(p.Detail, "sold on to tiny") || !strings.Contains(p.Detail, third) {
				t.Errorf("%s takes back what was sold on: %+v", role, p)
			}
		}
	}
	act("acme", first, "revoke").want(t, 409)
	act("small", first, "revoke").want(t, 404)
	act("tiny", second, "revoke").want(t, 404)
	act("tiny", third, "cancel").want(t, 409)
	act("tiny", third, "revoke").want(t, 200) // he gives it back
	act("tiny", third, "cancel").want(t, 409) // and then it is his seller's to decide
	act("acme", third, "cancel").want(t, 200)
	act("small", third, "revoke").want(t, 200)
	var s Sale
	h.must(200, "GET", "/v1/sales/"+third, "").json(t, &s)
	if s.State != reselling.Revoking || s.SellerName != "small" || s.Under != second {
		t.Errorf("the sale is %+v", s)
	}
	if r := h.answered("small", tiny, server).Results[0]; r.Outcome != intake.NotSold || !strings.Contains(r.Message, "taken back") {
		t.Errorf("sold again while it is taken back: %+v", r)
	}
}

// TestS11_OperatorsSellOnForAReseller with both names in the audit log.
func TestS11_OperatorsSellOnForAReseller(t *testing.T) {
	h := newHouse(t)
	acme := h.reseller("acme", nil)
	small := h.reseller("small", &acme)
	server := h.sellable("web1")
	h.sell(acme, server)
	if r := h.answered(access.RoleOperations, small, server).Results[0]; r.Outcome != intake.NotSold || !strings.Contains(r.Message, "already owned by acme") {
		t.Errorf("the provider sells what is acme's: %+v", r)
	}
	var a intake.SaleAnswer
	h.ask(access.RoleOperations, "POST", "/v1/sales", wish(small, server), actForHeader, "reseller/"+acme.ID).want(t, 200).json(t, &a)
	if a.Sold != 1 {
		t.Errorf("%+v", a)
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

// TestS3_S4_TheListFindsWhatCanBeSold: hosting nodes too, which no order gets; by service, pool and label.
func TestS3_S4_TheListFindsWhatCanBeSold(t *testing.T) {
	h := newHouse(t)
	node := func(roles ...string) func(*fleet.Server) {
		return func(s *fleet.Server) {
			s.Node, s.Cleanliness = &fleet.Node{Note: fleet.Note{Reason: "web"}}, fleet.Dirty
			for _, kind := range roles {
				s.Roles = append(s.Roles, fleet.LogicalServer{Type: kind, Group: "sgr-1"})
			}
		}
	}
	bare, mail, web := h.sellable("bare"), h.sellable("mail", node("mail")), h.sellable("web", node("web"))
	h.sellable("broken", node("mail"), func(s *fleet.Server) { s.Maintenance = &fleet.Maintenance{Note: fleet.Note{Reason: "fan"}} })
	h.sellable("left", node("mail"), func(s *fleet.Server) { s.LeftOvers = &fleet.LeftOvers{Count: 1} })
	used := h.sellable("used", node("mail"))
	h.placed(used, hosting.Mailbox, "info@example.org", hosting.There, 1)
	pool := reselling.Pool{ID: "spl-1", Name: "front", Service: "web", Members: []string{web, used}}
	h.change(func(tx *store.Tx) error { return store.ServerPools.Put(tx, pool.ID, pool) })
	for query, want := range map[string][]string{
		"sellable=true": {bare, mail, web}, "sellable=true&service=mail": {mail}, "sellable=true&pool=spl-1": {web},
		"sellable=true&label=free&service=web": {web}, "available=true": {bare}, "sellable=false&service=web": nil,
	} {
		slices.Sort(want)
		if got := h.ids("/v1/servers?" + query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", query, got, want)
		}
	}
	acme := h.reseller("acme", nil)
	h.sell(acme, mail)
	if got := h.ids("/v1/servers?sellable=true&claim=none&service=mail"); len(got) != 0 {
		t.Errorf("the provider can sell %v", got)
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
