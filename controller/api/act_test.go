package api

import (
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
)

func TestS11_ActingForSomebodyElse(t *testing.T) {
	h := newHouse(t)
	mine, other := h.tree("Hosty", ""), h.tree("Rival", "")
	boss := h.bearer(access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: mine.Path})
	theirs := h.id(h.must(201, "POST", "/v1/customers", jsonOf(map[string]any{"name": "Foreign", "email": "a@example.org", "reseller": other.ID})))
	const header = "Steelyard-Act-For"

	made := h.ask(access.RoleOperations, "POST", "/v1/customers", `{"name":"Acme","email":"a@example.org"}`, header, "reseller/hosty")
	made.want(t, 201, mine.Path)
	own := h.id(made)
	if got := made.header.Get("Steelyard-Acting-For"); got != "reseller/"+mine.ID {
		t.Errorf("the banner is %q", got)
	}
	// X8: the line says who, and for whom.
	h.must(200, "GET", "/v1/audit?object=customers/"+own, "").want(t, 200, `"operations token"`, `"reseller Hosty (`+mine.ID+`)"`)
	var me Whoami
	h.ask(access.RoleOperations, "GET", "/v1/whoami", "", header, "reseller/"+mine.ID).json(t, &me)
	if me.ActingFor != "reseller/"+mine.ID || me.Role != access.RoleReseller || me.Name != "operations token" {
		t.Errorf("whoami while acting: %+v", me)
	}
	for _, p := range me.Permissions {
		if !access.Allowed(access.RoleReseller, p) || !access.Allowed(access.RoleOperations, p) {
			t.Errorf("acting raises operations to %s", p)
		}
	}
	h.ask(access.RoleOperations, "GET", "/v1/customers/"+theirs, "", header, "reseller/hosty").want(t, 404)
	h.ask(access.RoleOperations, "GET", "/v1/orders", "", header, "reseller/hosty").want(t, 403)
	h.ask(access.RoleOperations, "POST", "/v1/users", "{}", header, "reseller/hosty").want(t, 403, "yourself")
	for _, role := range []access.Role{access.RoleMarketing, access.RoleDepartment, access.RoleCustomer} {
		h.ask(role, "GET", "/v1/whoami", "", header, "reseller/hosty").want(t, 403, "people.act")
	}

	user := h.id(h.must(201, "POST", "/v1/users", jsonOf(map[string]any{"name": "jo@example.org", "role": "customer", "customer": own, "password": goodPassword})))
	for _, target := range []string{"customer/" + own, "customer/acme", "user/jo@example.org", "user/" + user} {
		h.by(boss, "GET", "/v1/orders", "", header, target).want(t, 200)
		h.by(boss, "GET", "/v1/customers", "", header, target).want(t, 403)
	}
	for _, target := range []string{"customer/" + theirs, "reseller/" + other.ID, "reseller/" + mine.ID, "user/usr-x"} {
		kind, name, _ := strings.Cut(target, "/")
		a := h.by(boss, "GET", "/v1/whoami", "", header, target).want(t, 404)
		absent := h.by(boss, "GET", "/v1/whoami", "", header, kind+"/none").want(t, 404)
		if strings.ReplaceAll(string(a.body), name, "none") != string(absent.body) {
			t.Errorf("%s is answered %s, nobody %s", target, a.body, absent.body)
		}
	}
	h.ask(access.RoleAdmin, "PUT", "/v1/users/"+user+"/password", `{"password":"another good one"}`, header, "user/"+user).want(t, 403, "passwords")
	h.ask(access.RoleAdmin, "POST", "/v1/tokens/own", `{"name":"x","permissions":["tariff.read"]}`, header, "user/"+user).want(t, 403, "tokens")
	h.must(201, "POST", "/v1/users", jsonOf(map[string]any{"name": "ann", "role": "systems", "password": goodPassword}))
	h.ask(access.RoleAdmin, "GET", "/v1/whoami", "", header, "user/ann").want(t, 409)
	h.ask(access.RoleAdmin, "GET", "/v1/whoami", "", header, "pope/francis").want(t, 422)
}
