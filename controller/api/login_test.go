package api

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
)

const kim = `{"name":"kim","role":"operations","password":"correct horse battery"}`

func (h *house) login(name, password string) answer {
	h.pass(time.Minute) // so that tests do not meet the pace of logins
	return h.ask("", "POST", "/v1/login", `{"name":"`+name+`","password":"`+password+`"}`)
}

// as asks with a bearer token.
func (h *house) as(token, method, path string) answer {
	h.token["session"] = token
	return h.ask("session", method, path, "")
}

func TestX7_ALoginIsWorthWhatItsUserIsNow(t *testing.T) {
	h := newHouse(t)
	user := h.id(h.must(201, "POST", "/v1/users", kim))
	open := func() string {
		t.Helper()
		var s Session
		a := h.login("Kim", "correct horse battery")
		if a.status != 200 {
			t.Fatalf("login: %d %s", a.status, a.body)
		}
		a.json(t, &s)
		return s.Token
	}
	first, second := open(), open()
	var who Whoami
	h.as(first, "GET", "/v1/whoami").json(t, &who)
	if who.Name != "kim" || who.Role != access.RoleOperations || who.Kind != access.TokenSession || len(who.Permissions) == 0 {
		t.Errorf("who am I: %+v", who)
	}
	if a := h.as(first, "POST", "/v1/logout"); a.status != 204 {
		t.Fatalf("logout: %d", a.status)
	}
	check := func(token string, want int, when string) {
		t.Helper()
		if a := h.as(token, "GET", "/v1/whoami"); a.status != want {
			t.Errorf("%s: status %d, want %d", when, a.status, want)
		}
	}
	check(first, 401, "after logout")
	check(second, 200, "the other login")
	h.must(200, "POST", "/v1/users/"+user+"/disable", "")
	check(second, 401, "disabled")
	if a := h.login("kim", "correct horse battery"); a.status != 401 {
		t.Errorf("a disabled user logs in: %d", a.status)
	}
	h.must(200, "POST", "/v1/users/"+user+"/enable", "")
	check(second, 200, "enabled again")
	h.must(200, "PUT", "/v1/users/"+user+"/password", `{"password":"another long one"}`)
	check(second, 401, "with a new password")
	if a := h.login("kim", "correct horse battery"); a.status != 401 {
		t.Errorf("the old password still works: %d", a.status)
	}
	third := h.login("kim", "another long one")
	var s Session
	third.json(t, &s)
	h.pass(intake.SessionLife)
	check(s.Token, 401, "after 12 hours")
}

func TestX7_OldLoginsAreForgotten(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/v1/users", kim)
	h.login("kim", "correct horse battery")
	count := func() int {
		var l struct{ Total int }
		h.must(200, "GET", "/v1/tokens?kind=session", "").json(t, &l)
		return l.Total
	}
	if n, err := h.in.ForgetTokens(context.Background(), 10); err != nil || n != 0 || count() != 1 {
		t.Errorf("a fresh login: %d forgotten, %v", n, err)
	}
	h.pass(intake.SessionLife + 25*time.Hour)
	if n, err := h.in.ForgetTokens(context.Background(), 10); err != nil || n != 1 {
		t.Errorf("an old login: %d forgotten, %v", n, err)
	}
}

func TestX9_UnknownAndWrongSoundTheSame(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/v1/users", kim)
	wrong, unknown := h.login("kim", "not the password"), h.login("nobody", "not the password")
	if wrong.status != 401 || string(wrong.body) != string(unknown.body) {
		t.Errorf("wrong %d %s, unknown %d %s", wrong.status, wrong.body, unknown.status, unknown.body)
	}
	times := map[string]time.Duration{}
	for _, name := range []string{"kim", "nobody"} {
		start := time.Now()
		h.login(name, "not the password")
		times[name] = time.Since(start)
	}
	if times["nobody"]*5 < times["kim"] {
		t.Errorf("an unknown name is answered faster: %v", times)
	}
}

func TestX9_LoginsArePacedByNameAndAddress(t *testing.T) {
	h := newHouse(t)
	var last answer
	for range 12 {
		if last = h.ask("", "POST", "/v1/login", `{"name":"kim","password":"x"}`); last.status == 429 {
			break
		}
	}
	seconds, err := strconv.Atoi(last.header.Get("Retry-After"))
	if last.status != 429 || err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("guessing goes on: %d, Retry-After %q", last.status, last.header.Get("Retry-After"))
	}
	last.problem(t)
	if a := h.ask("", "POST", "/v1/login", `{"name":"lee","password":"x"}`); a.status != 401 {
		t.Errorf("another name suffers: %d", a.status)
	}
}

func TestX7_OnlyValidTokensOpenTheAPI(t *testing.T) {
	h := newHouse(t)
	var join, api NewToken
	h.must(201, "POST", "/v1/tokens", `{"kind":"join","name":"rack"}`).json(t, &join)
	if !strings.HasPrefix(join.Secret, "syj1."+join.ID+".") || join.ExpiresAt.IsZero() {
		t.Errorf("the join token is %+v", join)
	}
	parts := strings.Split(join.Secret, ".")
	h.must(201, "POST", "/v1/tokens", `{"kind":"api","name":"p","role":"marketing"}`).json(t, &api)
	for token, want := range map[string]int{
		api.Secret: 200, join.Secret: 401, parts[2]: 401, api.Secret + "x": 401, "": 401, strings.Repeat("x", 1000): 401, api.ID: 401, access.Digest(api.Secret): 401,
	} {
		a := h.as(token, "GET", "/v1/servers")
		if a.status != want {
			t.Errorf("token %.30q: status %d, want %d", token, a.status, want)
		}
		if want == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Error("401 without WWW-Authenticate")
		}
	}
	h.must(204, "DELETE", "/v1/tokens/"+api.ID, "")
	h.must(204, "DELETE", "/v1/tokens/"+api.ID, "")
	if a := h.as(api.Secret, "GET", "/v1/servers"); a.status != 401 {
		t.Errorf("a revoked token: %d", a.status)
	}
	var short NewToken
	h.must(201, "POST", "/v1/tokens", `{"kind":"api","name":"p","role":"marketing","expires_at":"`+h.now().Add(time.Hour).Format(time.RFC3339)+`"}`).json(t, &short)
	h.pass(time.Hour)
	if a := h.as(short.Secret, "GET", "/v1/servers"); a.status != 401 {
		t.Errorf("an expired token: %d", a.status)
	}
}

func TestX13_TokensAndUsersTellAllThatIsWrong(t *testing.T) {
	h := newHouse(t)
	p := h.must(422, "POST", "/v1/tokens", `{"kind":"join","name":"","role":"admin","location":"loc-none","max_uses":-1,"expires_at":"2020-01-01T00:00:00Z"}`).problem(t)
	for _, f := range []string{"body.name", "body.role", "body.location", "body.max_uses", "body.expires_at"} {
		if !p.names(f) {
			t.Errorf("token: %s is not named in %+v", f, p.Errors)
		}
	}
	p = h.must(422, "POST", "/v1/users", `{"name":"","role":"king","password":"short"}`).problem(t)
	for _, f := range []string{"body.name", "body.role", "body.password"} {
		if !p.names(f) {
			t.Errorf("user: %s is not named in %+v", f, p.Errors)
		}
	}
	h.must(201, "POST", "/v1/users", kim)
	if p := h.must(422, "POST", "/v1/users", strings.Replace(kim, "kim", "KIM", 1)).problem(t); !p.names("body.name") {
		t.Errorf("a name that is taken: %+v", p)
	}
}

func TestRequestsArePacedPerToken(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.PerSecond, o.Burst = 1, 3 })
	var last answer
	for range 4 {
		last = h.ask(access.RoleAdmin, "GET", "/v1/servers", "")
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" {
		t.Errorf("the fourth request at once: %d", last.status)
	}
	if a := h.ask(access.RoleSystems, "GET", "/v1/servers", ""); a.status != 200 {
		t.Errorf("another token suffers: %d", a.status)
	}
	h.pass(2 * time.Second)
	if a := h.ask(access.RoleAdmin, "GET", "/v1/servers", ""); a.status != 200 {
		t.Errorf("after a while: %d", a.status)
	}
}
