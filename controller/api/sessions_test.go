package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
)

func TestX7_UsersSeeAndEndTheirOwnLogins(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/v1/users", kim)
	h.must(201, "POST", "/v1/users", strings.Replace(kim, "kim", "lee", 1))
	open := func(name string) string {
		t.Helper()
		h.pass(time.Minute)
		var s Session
		h.ask("", "POST", "/v1/login", `{"name":"`+name+`","password":"`+kimPassword+`"}`, "User-Agent", "steelyard/1.0 (linux)\x01").json(t, &s)
		return s.Token
	}
	first, second, third, lee := open("kim"), open("kim"), open("kim"), open("lee")
	list := func(token string) (l OpenSessions) {
		t.Helper()
		h.as(token, "GET", "/v1/sessions").json(t, &l)
		return l
	}
	mine := list(second)
	if len(mine.Items) != 3 || !mine.Items[1].Current || mine.Items[0].Current || mine.Items[0].Client != "steelyard/1.0" || mine.Items[0].Address == "" {
		t.Fatalf("%+v", mine)
	}
	if a := h.as(lee, "DELETE", "/v1/sessions/"+mine.Items[0].ID); a.status != 404 {
		t.Errorf("lee ends a login of kim: %d", a.status)
	}
	foreign, absent := h.as(lee, "DELETE", "/v1/sessions/tok-0"), h.as(lee, "DELETE", "/v1/sessions/"+mine.Items[0].ID)
	if strings.Replace(string(foreign.body), "tok-0", mine.Items[0].ID, 1) != string(absent.body) {
		t.Errorf("a foreign one differs from an absent one: %s, %s", foreign.body, absent.body)
	}
	if a := h.as(second, "DELETE", "/v1/sessions/"+mine.Items[0].ID); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := h.as(third, "GET", "/v1/whoami"); a.status != 401 {
		t.Errorf("what was ended: %d", a.status)
	}
	if a := h.as(second, "POST", "/v1/sessions/end-others"); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if one, two := h.as(first, "GET", "/v1/whoami"), h.as(second, "GET", "/v1/whoami"); one.status != 401 || two.status != 200 {
		t.Errorf("the other %d, this one %d", one.status, two.status)
	}
	if a := h.ask(access.RoleAdmin, "GET", "/v1/sessions", ""); a.status != 409 {
		t.Errorf("an API token: %d", a.status)
	}
	before := list(second).Items[0].SeenAt
	h.pass(intake.SeenCoarse)
	for deadline := time.Now().Add(20 * time.Second); !list(second).Items[0].SeenAt.After(before); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not noted when a session was seen")
		}
	}
}

func TestX7_APITokensMayBeNarrowed(t *testing.T) {
	h := newHouse(t)
	p := h.must(422, "POST", "/v1/tokens", `{"kind":"api","name":"","role":"marketing","permissions":["server.read","server.write","public"]}`).problem(t)
	if !p.names("body.name") || !p.names("body.permissions[1]") || !p.names("body.permissions[2]") || p.names("body.permissions[0]") {
		t.Errorf("X13: %+v", p.Errors)
	}
	var narrow NewToken
	h.must(201, "POST", "/v1/tokens", `{"kind":"api","name":"stock","role":"systems","permissions":["server.read"]}`).json(t, &narrow)
	for path, want := range map[string]int{"/v1/servers": 200, "/v1/whoami": 200, "/v1/orders": 403} {
		if a := h.as(narrow.Secret, http.MethodGet, path); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
