package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
)

// tree makes a reseller below another; parent "" is the provider.
func (h *house) tree(name, parent string) reselling.Reseller {
	h.t.Helper()
	r, _, err := h.in.CreateReseller(context.Background(), access.System, intake.ResellerDraft{
		Name: name, Company: name, Email: "office@example.org", Parent: parent,
		Limits: reselling.Limits{reselling.Customers: reselling.AtMost(5)}, Oversell: true,
	})
	if err != nil {
		h.t.Fatalf("make reseller %s: %v", name, err)
	}
	return r
}

// bearer is a new API token of somebody.
func (h *house) bearer(who access.Actor) string {
	h.t.Helper()
	secret := access.TokenPrefix + id.Secret()
	t := access.Token{
		ID: id.New("tok"), Kind: access.TokenAPI, Name: who.Name, Digest: access.Digest(secret), CreatedAt: h.now(),
		Role: who.Role, Department: who.Department, Customer: who.Customer, Reseller: who.Reseller,
	}
	h.change(func(tx *store.Tx) error { return store.Tokens.Create(tx, t.ID, t) })
	return secret
}

// by is ask with a bearer token; "" is nobody's.
func (h *house) by(secret, method, path, body string, headers ...string) answer {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

func (a answer) want(t testing.TB, status int, words ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, w := range words {
		if !strings.Contains(string(a.body), w) {
			t.Fatalf("the answer %s does not say %q", a.body, w)
		}
	}
	return a
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const goodPassword = "correct horse battery"

// The tree: the reseller above, the one below him, a customer of that one, each with somebody who logs in.
func TestX7_DisabledAndSuspendedResellersKeepTheirPeopleOut(t *testing.T) {
	h := newHouse(t)
	h.api.logins, h.api.names = newLimiter(1, 1000), newLimiter(1, 1000)
	above := h.tree("Above", "")
	below := h.tree("Below", above.ID)
	customer := h.id(h.must(201, "POST", "/v1/customers", jsonOf(map[string]any{"name": "Acme", "email": "a@example.org", "reseller": below.ID})))
	for name, who := range map[string]map[string]any{
		"above": {"role": "reseller", "reseller": above.ID}, "below": {"role": "reseller", "reseller": below.ID},
		"acme": {"role": "customer", "customer": customer},
	} {
		who["name"], who["password"] = name+"@example.org", goodPassword
		h.must(201, "POST", "/v1/users", jsonOf(who))
	}
	login := func(name string) answer {
		return h.by("", "POST", "/v1/login", jsonOf(map[string]any{"name": name + "@example.org", "password": goodPassword}))
	}
	open := map[string]string{}
	for _, name := range []string{"above", "below", "acme"} {
		var s Session
		login(name).want(t, 200).json(t, &s)
		open[name] = s.Token
	}
	var me Whoami
	h.by(open["below"], "GET", "/v1/whoami", "").want(t, 200).json(t, &me)
	if me.Reseller == nil || me.Reseller.Name != "Below" || me.Reseller.Path != above.ID+"/"+below.ID {
		t.Errorf("whoami of a reseller: %+v", me)
	}
	state := func(r reselling.Reseller, state string) {
		t.Helper()
		_, rev, err := h.in.SetResellerState(context.Background(), access.System, r.ID, state, "unpaid: secret-note")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.api.board.wait(context.Background(), rev); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what string
		do   func()
		out  string // who is kept out, with spaces
	}{
		{"nothing", func() {}, ""},
		{"below disabled", func() { state(below, reselling.Disabled) }, "below"},
		{"below suspended", func() { state(below, reselling.Suspended) }, "below acme"},
		{"below active", func() { state(below, reselling.Active) }, ""},
		{"above disabled", func() { state(above, reselling.Disabled) }, "above"},
		{"above suspended", func() { state(above, reselling.Suspended) }, "above below acme"},
		{"above active", func() { state(above, reselling.Active) }, ""},
		{"customer disabled", func() { h.must(200, "POST", "/v1/customers/"+customer+"/disable", `{"reason":"left"}`) }, "acme"},
		{"customer enabled", func() { h.must(200, "POST", "/v1/customers/"+customer+"/enable", "") }, ""},
	} {
		step.do()
		for name, token := range open {
			want := 200
			if strings.Contains(" "+step.out+" ", " "+name+" ") {
				want = 403
			}
			a, b := h.by(token, "GET", "/v1/whoami", ""), login(name)
			if a.status != want || b.status != want {
				t.Errorf("%s: %s with an open login %d, logging in %d; want %d", step.what, name, a.status, b.status, want)
			}
			if said := string(a.body) + string(b.body); want == 403 && (!strings.Contains(said, "ask") || strings.Contains(said, "secret-note")) {
				t.Errorf("%s: %s is told %s", step.what, name, said)
			}
		}
	}
	wrong := h.by("", "POST", "/v1/login", jsonOf(map[string]any{"name": "above@example.org", "password": "wrong wrong wrong"}))
	wrong.want(t, 401)
}

func TestX7_AResellerManagesHisPeopleAlone(t *testing.T) {
	h := newHouse(t)
	above := h.tree("Above", "")
	below, beside := h.tree("Below", above.ID), h.tree("Beside", "")
	boss, rival := h.bearer(access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: above.Path}), h.bearer(access.Actor{Name: "rival", Role: access.RoleReseller, Reseller: beside.Path})
	theirs := h.id(h.by(rival, "POST", "/v1/customers", `{"name":"Acme","email":"a@example.org"}`).want(t, 201))
	own := h.id(h.by(boss, "POST", "/v1/customers", `{"name":"acme","email":"a@example.org"}`).want(t, 201))
	user := func(secret, name string, more map[string]any) answer {
		body := map[string]any{"name": name, "password": goodPassword}
		for k, v := range more {
			body[k] = v
		}
		return h.by(secret, "POST", "/v1/users", jsonOf(body))
	}
	for _, role := range []string{"admin", "systems", "operations", "marketing", "department", "root"} {
		a := user(boss, "x-"+role, map[string]any{"role": role, "department": "dc"})
		if p := a.problem(t); a.status != 422 || !p.names("body.role") {
			t.Errorf("a reseller makes a user of role %s: %d %s", role, a.status, a.body)
		}
	}
	mine := h.id(user(boss, "colleague", map[string]any{"role": "reseller"}).want(t, 201, above.Path))
	h.id(user(boss, "child", map[string]any{"role": "reseller", "reseller": below.ID}).want(t, 201, below.Path))
	h.id(user(boss, "client", map[string]any{"role": "customer", "customer": own}).want(t, 201, own))
	stranger := h.id(user(rival, "stranger", map[string]any{"role": "customer", "customer": theirs}).want(t, 201))
	for field, pair := range map[string][2]string{"customer": {theirs, "cus-0000000000000000"}, "reseller": {beside.ID, "rsl-0000000000000000"}} {
		foreign := user(boss, "y", map[string]any{"role": field, field: pair[0]}).want(t, 422)
		absent := user(boss, "y", map[string]any{"role": field, field: pair[1]}).want(t, 422)
		if strings.ReplaceAll(string(foreign.body), pair[0], "") != strings.ReplaceAll(string(absent.body), pair[1], "") {
			t.Errorf("a foreign %s is answered %s, an absent one %s", field, foreign.body, absent.body)
		}
	}
	if a := user(boss, "free", map[string]any{"role": "customer", "customer": "acme"}); a.status != 422 {
		t.Errorf("a reseller makes a user of what orders call acme: %d %s", a.status, a.body)
	}
	h.by(boss, "POST", "/v1/customers", `{"name":"Other","email":"a@example.org","reference":"acme"}`).want(t, 422, "body.reference")
	h.by(boss, "POST", "/v1/users/"+stranger+"/disable", "").want(t, 404)
	h.by(boss, "POST", "/v1/users/"+mine+"/disable", "").want(t, 200, `"disabled":true`)
	taken := user(boss, "STRANGER", map[string]any{"role": "reseller"}).want(t, 422, "body.name")
	if strings.Contains(string(taken.body), stranger) {
		t.Errorf("a name that is taken tells whose: %s", taken.body)
	}
	var list struct{ Items []User }
	h.by(boss, "GET", "/v1/users", "").want(t, 200).json(t, &list)
	if len(list.Items) != 3 {
		t.Errorf("a reseller sees %+v", list.Items)
	}
	h.by(boss, "GET", "/v1/tokens", "").want(t, 403)
}

func TestX7_ATokenForPeopleMakesNoStaff(t *testing.T) {
	h := newHouse(t)
	r := h.tree("Hosty", "")
	h.must(201, "POST", "/v1/users", jsonOf(map[string]any{"name": "root@example.org", "role": "admin", "password": goodPassword}))
	var s Session
	h.by("", "POST", "/v1/login", jsonOf(map[string]any{"name": "root@example.org", "password": goodPassword})).want(t, 200).json(t, &s)
	var made NewToken
	h.by(s.Token, "POST", "/v1/tokens/own", `{"name":"people","permissions":["people.manage"]}`).want(t, 201).json(t, &made)
	staff := jsonOf(map[string]any{"name": "second", "role": "admin", "password": goodPassword})
	h.by(made.Secret, "POST", "/v1/users", staff).want(t, 422, "user.manage")
	h.by(made.Secret, "POST", "/v1/users", jsonOf(map[string]any{"name": "seller", "role": "reseller", "reseller": r.ID, "password": goodPassword})).want(t, 201)
	h.by(s.Token, "POST", "/v1/users", staff).want(t, 201)
}

func TestX12_ManyAtOnceMakeNoMoreCustomersThanTheLimit(t *testing.T) {
	h := newHouse(t)
	r := h.tree("Hosty", "")
	boss := h.bearer(access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: r.Path})
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			switch a := h.by(boss, "POST", "/v1/customers", fmt.Sprintf(`{"name":"c%d","email":"a@example.org"}`, i)); {
			case a.status == 201:
				won.Add(1)
			case a.status != 409 || !strings.Contains(string(a.body), "5 customers"):
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if after, _ := store.Resellers.View(h.store, r.ID); won.Load() != 5 || after.Customers != 5 {
		t.Errorf("%d were made, %d are counted; the limit is 5", won.Load(), after.Customers)
	}
}

func TestX13_CustomersAreCheckedAndEdited(t *testing.T) {
	h := newHouse(t)
	bad := h.must(422, "POST", "/v1/customers", `{"name":"","email":"nobody","reference":" x","reseller":"rsl-0000000000000000"}`).problem(t)
	for _, field := range []string{"body.name", "body.email", "body.reference", "body.reseller"} {
		if !bad.names(field) {
			t.Errorf("%s is not named in %+v", field, bad)
		}
	}
	body := `{"name":"Acme","email":"a@example.org","reference":"A-17"}`
	first := h.must(201, "POST", "/v1/customers", body, "Idempotency-Key", "k")
	if again := h.must(201, "POST", "/v1/customers", body, "Idempotency-Key", "k"); string(again.body) != string(first.body) {
		t.Errorf("X10: answered %s, then %s", first.body, again.body)
	}
	h.must(422, "POST", "/v1/customers", `{"name":"ACME","email":"a@example.org","reference":"A-17"}`).want(t, 422, "body.name", "body.reference")
	path := "/v1/customers/" + h.id(first)
	h.must(428, "PATCH", path, `{"company":"Acme Ltd"}`)
	h.must(422, "PATCH", path, `{"reference":"B","reseller":"rsl-x"}`, "If-Match", "*").want(t, 422, "body.reference", "body.reseller")
	h.must(200, "PATCH", path, `{"company":"Acme Ltd"}`, "If-Match", first.header.Get("ETag")).want(t, 200, "Acme Ltd")
	h.must(412, "PATCH", path, `{"company":"x"}`, "If-Match", first.header.Get("ETag"))
	h.must(200, "GET", "/v1/audit?object=customers/"+h.id(first), "").want(t, 200, "customer.edit", "Acme Ltd")
}
