package api

import (
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
)

// factor is a user with a second factor.
type factor struct {
	h        *house
	id       string
	token    string // of a login
	secret   []byte
	recovery []string
}

const kimPassword = "correct horse battery"

func (h *house) loginWith(code string) answer {
	h.pass(time.Minute)
	return h.ask("", "POST", "/v1/login", `{"name":"kim","password":"`+kimPassword+`","code":"`+code+`"}`)
}

func (h *house) asUser(token, method, path, body string) answer {
	h.token["session"] = token
	return h.ask("session", method, path, body)
}

func newFactor(t *testing.T) *factor {
	t.Helper()
	f := &factor{h: newHouse(t)}
	f.id = f.h.id(f.h.must(201, "POST", "/v1/users", kimAt))
	f.enrol()
	return f
}

func (f *factor) enrol() {
	f.h.t.Helper()
	t := f.h.t
	var s Session
	f.h.login("kim", kimPassword).json(t, &s)
	f.token = s.Token
	if a := f.h.asUser(f.token, "POST", "/v1/second-factor", `{"password":"not mine at all"}`); a.status != 403 {
		t.Fatalf("enrolled without the password: %d", a.status)
	}
	var fresh NewSecondFactor
	f.h.asUser(f.token, "POST", "/v1/second-factor", `{"password":"`+kimPassword+`"}`).json(t, &fresh)
	secret, err := base32.StdEncoding.DecodeString(fresh.Secret)
	if err != nil || len(secret) != access.CodeSecret || !strings.Contains(fresh.URI, fresh.Secret) {
		t.Fatalf("%+v %v", fresh, err)
	}
	f.secret = secret
	if a := f.h.login("kim", kimPassword); a.status != 200 {
		t.Fatalf("a factor that is not confirmed is asked for: %d %s", a.status, a.body)
	}
	if a := f.h.asUser(f.token, "POST", "/v1/second-factor/confirm", `{"code":"`+f.wrong()+`"}`); a.status != 403 {
		t.Fatalf("confirmed with a wrong code: %d", a.status)
	}
	var codes RecoveryCodes
	a := f.h.asUser(f.token, "POST", "/v1/second-factor/confirm", `{"code":"`+f.code()+`"}`)
	if a.json(t, &codes); len(codes.Codes) != access.RecoveryCodes {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.recovery = codes.Codes
}

func (f *factor) code() string { return access.CodeAt(f.secret, f.h.now()) }

// wrong is a code of no step around now.
func (f *factor) wrong() string { return access.CodeAt(f.secret, f.h.now().Add(-time.Hour)) }

func TestX7_LoginWithASecondFactor(t *testing.T) {
	f := newFactor(t)
	h := f.h
	p := h.login("kim", kimPassword)
	if problem := p.problem(t); p.status != 401 || problem.Type != problemType+problemSecondFactor {
		t.Errorf("without a code: %d %s", p.status, p.body)
	}
	if a := h.login("kim", "not the password"); a.status != 401 || strings.Contains(string(a.body), problemSecondFactor) {
		t.Errorf("a wrong password tells of the second factor: %s", a.body)
	}
	if a := h.loginWith(f.wrong()); a.status != 401 {
		t.Errorf("a wrong code: %d", a.status)
	}
	h.pass(time.Minute)
	code := f.code()
	first := h.ask("", "POST", "/v1/login", `{"name":"kim","password":"`+kimPassword+`","code":"`+code+`"}`)
	again := h.ask("", "POST", "/v1/login", `{"name":"kim","password":"`+kimPassword+`","code":"`+code+`"}`)
	if first.status != 200 || again.status != 401 {
		t.Errorf("the code %d, the same again %d", first.status, again.status)
	}
	for i, want := range []int{200, 401} {
		if a := h.loginWith(strings.ToUpper(f.recovery[3])); a.status != want {
			t.Errorf("a recovery code, time %d: %d", i, a.status)
		}
	}
	var left SecondFactor
	h.asUser(f.token, "GET", "/v1/second-factor", "").json(t, &left)
	if !left.Enabled || left.Recovery != access.RecoveryCodes-1 {
		t.Errorf("%+v", left)
	}
}

// TestX7_X9_RecoveryCodesAreMadeAnew with password and code; the old ones get nobody in any more.
func TestX7_X9_RecoveryCodesAreMadeAnew(t *testing.T) {
	f := newFactor(t)
	h := f.h
	renew := func(password, code string) answer {
		h.pass(time.Minute)
		return h.asUser(f.token, "POST", "/v1/second-factor/recovery-codes", `{"password":"`+password+`","code":"`+code+`"}`)
	}
	renew("not mine at all", f.code()).want(t, 403)
	renew(kimPassword, f.wrong()).want(t, 403)
	var fresh RecoveryCodes
	h.pass(time.Minute)
	renew(kimPassword, f.recovery[0]).want(t, 200).json(t, &fresh)
	if len(fresh.Codes) != access.RecoveryCodes {
		t.Fatalf("%d codes", len(fresh.Codes))
	}
	if a := h.loginWith(f.recovery[1]); a.status != 401 {
		t.Errorf("an old recovery code: %d", a.status)
	}
	if a := h.loginWith(fresh.Codes[0]); a.status != 200 {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
	kept, _ := store.SecondFactors.View(h.store, f.id)
	for _, code := range fresh.Codes {
		if strings.Contains(h.log.String(), code) || strings.Contains(strings.Join(kept.Recovery, " "), code) {
			t.Errorf("a code is kept or logged")
		}
	}
}

// Ten wrong codes keep codes waiting, not the user out: a recovery code gets in at once, and codes do after a while.
func TestX7_WrongCodesDoNotShutOutForGood(t *testing.T) {
	f := newFactor(t)
	statuses := map[int]int{}
	for range 10 {
		f.h.pass(-48 * time.Second) // the pace of names allows one each twelve seconds
		statuses[f.h.loginWith(f.wrong()).status]++
	}
	if statuses[429] == 0 || statuses[200] > 0 {
		t.Errorf("%v", statuses)
	}
	if a := f.h.loginWith(f.recovery[0]); a.status != 200 {
		t.Errorf("a recovery code: %d %s", a.status, a.body)
	}
	f.h.pass(15 * time.Minute)
	if a := f.h.ask("", "POST", "/v1/login", `{"name":"kim","password":"`+kimPassword+`","code":"`+f.code()+`"}`); a.status != 200 {
		t.Errorf("after a while: %d %s", a.status, a.body)
	}
}

func TestX9_SecondFactorIsKeptNowhereInClear(t *testing.T) {
	f := newFactor(t)
	all := f.h.dump() + f.h.log.String() + string(f.h.must(200, "GET", "/v1/audit", "").body) + string(f.h.must(200, "GET", "/v1/users", "").body)
	for _, secret := range append(f.recovery, access.CodeText(f.secret), string(f.secret), strings.ReplaceAll(f.recovery[0], "-", "")) {
		if strings.Contains(all, secret) {
			t.Errorf("%q is found", secret)
		}
	}
	if audit := string(f.h.must(200, "GET", "/v1/audit", "").body); strings.Contains(audit, access.RecoveryDigest(f.recovery[0])) {
		t.Error("the audit log has digests of recovery codes")
	}
}

func TestX7_SecondFactorIsEndedByItsUserOrByAnAdministratorWithAReason(t *testing.T) {
	f := newFactor(t)
	h := f.h
	h.pass(time.Minute)
	if a := h.asUser(f.token, "POST", "/v1/second-factor", `{"password":"`+kimPassword+`"}`); a.status != 409 {
		t.Errorf("a second one over the first: %d", a.status)
	}
	h.pass(time.Minute)
	if a := h.asUser(f.token, "POST", "/v1/second-factor/disable", `{"password":"`+kimPassword+`","code":"`+f.wrong()+`"}`); a.status != 403 {
		t.Errorf("ended with a wrong code: %d", a.status)
	}
	if a := h.asUser(f.token, "POST", "/v1/second-factor/disable", `{"password":"`+kimPassword+`","code":"`+f.code()+`"}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := h.login("kim", kimPassword); a.status != 200 || store.SecondFactors.Len(h.store.Snapshot()) != 0 {
		t.Errorf("after it was ended: %d", a.status)
	}
	h.pass(time.Minute)
	f.enrol()
	h.must(422, "POST", "/v1/users/"+f.id+"/second-factor/disable", `{"reason":""}`)
	if a := h.ask(access.RoleOperations, "POST", "/v1/users/"+f.id+"/second-factor/disable", `{"reason":"lost"}`); a.status != 403 {
		t.Errorf("operations ended it: %d", a.status)
	}
	h.must(200, "POST", "/v1/users/"+f.id+"/second-factor/disable", `{"reason":"lost the telephone"}`)
	if a := h.login("kim", kimPassword); a.status != 200 {
		t.Errorf("after an administrator ended it: %d", a.status)
	}
	if a := h.must(200, "GET", "/v1/audit?action=user.second_factor", ""); !strings.Contains(string(a.body), "lost the telephone") {
		t.Errorf("the audit log says %s", a.body)
	}
}

func TestX7_FleetMayWantASecondFactorOfItsStaff(t *testing.T) {
	f := newFactor(t)
	h := f.h
	h.must(200, "PUT", "/v1/settings", `{"require_confirmed_email":false,"require_second_factor":true}`)
	h.must(201, "POST", "/v1/users", strings.Replace(kim, "kim", "lee", 1))
	var lee Session
	h.login("lee", kimPassword).json(t, &lee)
	if a := h.asUser(lee.Token, "GET", "/v1/servers", ""); a.status != 403 || !strings.Contains(string(a.body), "second-factor") {
		t.Errorf("lee, who has none: %d %s", a.status, a.body)
	}
	if a := h.asUser(lee.Token, "POST", "/v1/second-factor", `{"password":"`+kimPassword+`"}`); a.status != 200 {
		t.Errorf("lee cannot set one up: %d %s", a.status, a.body)
	}
	if a := h.asUser(f.token, "GET", "/v1/servers", ""); a.status != 200 {
		t.Errorf("kim, who has one: %d", a.status)
	}
	h.must(200, "GET", "/v1/servers", "") // an API token
}
