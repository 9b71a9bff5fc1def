package api

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
)

const kimAt = `{"name":"kim","role":"operations","email":"kim@example.net","password":"correct horse battery"}`

// letter waits for the letter to a user, and gives it its delivery.
func (h *house) letter(to string) (string, *notify.Delivery) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		for i := range store.Letters.Items(h.store.Snapshot()) {
			if d, ok := store.Deliveries.View(h.store, i.ID); ok && d.To == to {
				text, err := seal.LetterText.Open(h.ring, i.ID, i.Value)
				if err != nil || i.Value.Body != "" {
					h.t.Fatalf("the letter is not sealed: %v %q", err, i.Value.Body)
				}
				return string(text), d
			}
		}
		if time.Now().After(deadline) {
			h.t.Fatal("no letter was posted")
		}
	}
}

var resetLink = regexp.MustCompile(`https://fleet\.test/reset#(syr_\S+)`)

func (h *house) reset(token, password string) answer {
	h.t.Helper()
	h.pass(10 * time.Second)
	return h.ask("", "POST", "/v1/password/reset", `{"token":"`+token+`","password":"`+password+`"}`)
}

func TestX9_ForgottenPasswordIsSetByALinkThatIsKeptNowhere(t *testing.T) {
	h := newHouse(t)
	user := h.id(h.must(201, "POST", "/v1/users", kimAt))
	h.must(200, "PUT", "/v1/settings", `{"require_confirmed_email":false,"public_url":"https://fleet.test/"}`)
	var open Session
	h.login("kim", "correct horse battery").json(t, &open)
	if a := h.ask("", "POST", "/v1/password/forgot", `{"name":"KIM"}`); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	text, d := h.letter("kim@example.net")
	found := resetLink.FindStringSubmatch(text)
	if found == nil || !strings.Contains(text, "kim") {
		t.Fatalf("the letter is %q", text)
	}
	token := found[1]
	h.api.board.wait(t.Context(), h.store.Snapshot().Rev)
	for where, all := range map[string]string{
		"the store": h.dump(), "the log": h.log.String(), "deliveries": string(h.must(200, "GET", "/v1/deliveries", "").body),
		"tokens": string(h.must(200, "GET", "/v1/tokens?kind=reset", "").body), "audit": string(h.must(200, "GET", "/v1/audit", "").body),
		"the delivery": string(h.must(200, "GET", "/v1/deliveries/"+d.ID, "").body),
	} {
		if strings.Contains(all, token) || strings.Contains(all, access.Digest(token)) && where != "the store" {
			t.Errorf("%s tells the link", where)
		}
	}
	if a := h.as(token, "GET", "/v1/whoami"); a.status != 401 {
		t.Errorf("a link opens the API: %d", a.status)
	}
	p := h.reset("nonsense", "short").problem(t)
	if !p.names("body.token") || !p.names("body.password") {
		t.Errorf("X13: %+v", p)
	}
	if a := h.reset(token, "kim has a long one"); a.status != 422 {
		t.Errorf("a password with the name in it: %d", a.status)
	}
	if a := h.reset(token, "another long one"); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := h.reset(token, "a third long one"); a.status != 422 {
		t.Errorf("the link works twice: %d", a.status)
	}
	if a := h.as(open.Token, "GET", "/v1/whoami"); a.status != 401 {
		t.Errorf("the old login is still open: %d", a.status)
	}
	if old, fresh := h.login("kim", "correct horse battery"), h.login("kim", "another long one"); old.status != 401 || fresh.status != 200 {
		t.Errorf("old %d, new %d", old.status, fresh.status)
	}
	if a := h.must(200, "GET", "/v1/audit?action=user.password&object=users/"+user, ""); !strings.Contains(string(a.body), "by a link") {
		t.Errorf("the audit log says %s", a.body)
	}
}

// Whoever asks learns nothing: known and unknown names, disabled users and those without an address.
func TestX9_ForgettingTellsNothingAboutNames(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/v1/users", kimAt)
	h.must(201, "POST", "/v1/users", strings.Replace(kim, "kim", "lee", 1))
	gone := h.id(h.must(201, "POST", "/v1/users", strings.ReplaceAll(kimAt, "kim", "pat")))
	h.must(200, "POST", "/v1/users/"+gone+"/disable", "")
	var first string
	for _, name := range []string{"nobody", "lee", "pat", "kim"} { // in this order: the letter to kim says that all were dealt with
		h.pass(10 * time.Minute)
		a := h.ask("", "POST", "/v1/password/forgot", `{"name":"`+name+`"}`)
		if first == "" {
			first = string(a.body)
		}
		if a.status != 202 || string(a.body) != first {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	h.letter("kim@example.net")
	if n := store.Letters.Len(h.store.Snapshot()); n != 1 {
		t.Errorf("%d letters", n)
	}
}

func TestX9_LettersArePacedAndLinksEnd(t *testing.T) {
	h := newHouse(t)
	user := h.id(h.must(201, "POST", "/v1/users", kimAt))
	var last answer
	for range 6 {
		last = h.ask("", "POST", "/v1/password/forgot", `{"name":"kim"}`)
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" {
		t.Errorf("the sixth letter at once: %d", last.status)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // on other replicas, which have a pace of their own
		must(h.in.ForgotPassword(t.Context(), "kim"))
	}
	text, _ := h.letter("kim@example.net")
	token := regexp.MustCompile(`syr_\S+`).FindString(text)
	for deadline := time.Now().Add(20 * time.Second); len(h.api.forgot) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	must(h.in.ForgotPassword(t.Context(), "kim"))
	if n := store.Letters.Len(h.store.Snapshot()); n > 6 { // two replicas may count at the same time
		t.Errorf("%d links are good at a time", n)
	}
	h.must(200, "POST", "/v1/users/"+user+"/disable", "")
	if a := h.reset(token, "another long one"); a.status != 422 {
		t.Errorf("a disabled user: %d", a.status)
	}
	h.must(200, "POST", "/v1/users/"+user+"/enable", "")
	h.pass(time.Hour)
	if a := h.reset(token, "another long one"); a.status != 422 {
		t.Errorf("after an hour: %d", a.status)
	}
	h.must(200, "PUT", "/v1/users/"+user+"/password", `{"password":"by an administrator"}`)
	must(h.in.ForgotPassword(t.Context(), "kim"))
	for i := range store.Letters.Items(h.store.Snapshot()) {
		text, err := seal.LetterText.Open(h.ring, i.ID, i.Value)
		must(err)
		h.must(200, "PUT", "/v1/users/"+user+"/password", `{"password":"by an administrator"}`)
		if a := h.reset(regexp.MustCompile(`syr_\S+`).FindString(string(text)), "another long one"); a.status != 422 {
			t.Errorf("after another new password: %d", a.status)
		}
	}
}

func TestX7_UsersAreEdited(t *testing.T) {
	h := newHouse(t)
	user := h.id(h.must(201, "POST", "/v1/users", kimAt))
	path := "/v1/users/" + user
	if a := h.ask(access.RoleAdmin, "PATCH", path, `{"email":"k@example.net"}`); a.status != 428 {
		t.Errorf("without If-Match: %d", a.status)
	}
	tag := h.must(200, "GET", path, "").header.Get("ETag")
	p := h.must(422, "PATCH", path, `{"email":"k","role":"customer"}`, "If-Match", tag).problem(t)
	if !p.names("body.email") || !p.names("body.role") {
		t.Errorf("X13: %+v", p)
	}
	var u User
	h.must(200, "PATCH", path, `{"email":"k@example.net","role":"marketing"}`, "If-Match", tag).json(t, &u)
	if u.Email != "k@example.net" || u.Role != access.RoleMarketing {
		t.Errorf("%+v", u)
	}
	h.must(412, "PATCH", path, `{"email":null}`, "If-Match", tag)
	var s Session
	h.login("kim", "correct horse battery").json(t, &s)
	if s.User.Role != access.RoleMarketing {
		t.Errorf("%+v", s.User)
	}
}
