package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

func TestX10_TheSameKeyAnswersTheSame(t *testing.T) {
	h := newHouse(t)
	location, module, tariff := h.setup()
	h.must(201, "POST", "/v1/images?name=debian&os_family=linux&format=raw", "bytes")
	var images struct{ Items []Image }
	h.must(200, "GET", "/v1/images", "").json(t, &images)
	server := h.addServer("node", func(s *fleet.Server) { s.Location = location })
	for path, body := range map[string]string{
		"/v1/locations":                         `{"name":"Paris","external_id":"par-1"}`,
		"/v1/modules":                           moduleJSON("Hall 2", location),
		"/v1/server-groups":                     `{"name":"front","types":["web"]}`,
		"/v1/server-pools":                      `{"name":"webs","service":"web"}`,
		"/v1/pools":                             `{"name":"fra-v6","location":"` + location + `","prefix":"2001:db8::/48"}`,
		"/v1/servers/" + server + "/addresses":  `{}`,
		"/v1/tariffs":                           tariffJSON("Large", module),
		"/v1/tokens":                            `{"kind":"join","name":"rack 4"}`,
		"/v1/users":                             `{"name":"kim","role":"operations","password":"a long password"}`,
		"/v1/orders":                            `{"tariff":"` + tariff + `","image":"` + images.Items[0].ID + `","hostname":"a.example","customer":"c"}`,
		"/v1/servers/" + server + "/operations": `{"kind":"diagnose"}`,
		"/v1/images?name=x&os_family=linux&format=raw": "other bytes",
	} {
		first := h.must(201, "POST", path, body, "Idempotency-Key", "k1")
		again := h.must(201, "POST", path, body, "Idempotency-Key", "k1"+strings.Repeat(" ", 0))
		if string(first.body) != string(again.body) || first.header.Get("Location") != again.header.Get("Location") || first.header.Get("ETag") != again.header.Get("ETag") {
			t.Errorf("%s:\nfirst %s\nagain %s", path, first.body, again.body)
		}
		if first.header.Get("Idempotent-Replay") != "" || again.header.Get("Idempotent-Replay") == "" {
			t.Errorf("%s: the replay is not marked", path)
		}
		if p := h.must(422, "POST", path, body+" ", "Idempotency-Key", "k1").problem(t); !p.names("header.Idempotency-Key") {
			t.Errorf("%s: another body: %+v", path, p)
		}
		h.forgetAnswers(path)
	}
}

// forgetAnswers lets the next route use the key again.
func (h *house) forgetAnswers(path string) {
	h.t.Helper()
	h.pass(intake.AnswerLife)
	if n, err := h.in.ForgetAnswers(context.Background(), 10); err != nil || n != 1 {
		h.t.Fatalf("%s: %d answers were forgotten, want 1: %v", path, n, err)
	}
}

func TestX10_AKeyBelongsToItsActorAndLastsADay(t *testing.T) {
	h := newHouse(t)
	const body = `{"name":"Paris","external_id":"par-1"}`
	h.must(201, "POST", "/v1/locations", body, "Idempotency-Key", "k")
	if a := h.ask(access.RoleSystems, "POST", "/v1/locations", body, "Idempotency-Key", "k"); a.status != 422 || !a.problem(t).names("body.name") {
		t.Errorf("another actor with the same key: %d %s", a.status, a.body)
	}
	h.pass(intake.AnswerLife)
	if p := h.must(422, "POST", "/v1/locations", body, "Idempotency-Key", "k").problem(t); !p.names("body.name") {
		t.Errorf("after a day: %+v", p)
	}
	for _, key := range []string{strings.Repeat("k", 256), "käse"} {
		if p := h.must(422, "POST", "/v1/locations", body, "Idempotency-Key", key).problem(t); !p.names("header.Idempotency-Key") {
			t.Errorf("key %.20q: %+v", key, p)
		}
	}
}

func TestX10_ParallelRequestsWithOneKeyMakeOneThing(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	statuses := make([]int, 16)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = h.ask(access.RoleAdmin, "POST", "/v1/tokens", `{"kind":"join","name":"t"}`, "Idempotency-Key", "k").status
		})
	}
	wg.Wait()
	made := 0
	for _, s := range statuses {
		if s == http.StatusCreated {
			made++
		} else if s != http.StatusConflict {
			t.Errorf("status %d, want 201 or 409", s)
		}
	}
	var list struct{ Total int }
	h.must(200, "GET", "/v1/tokens?kind=join", "").json(t, &list)
	if made == 0 || list.Total != 1 {
		t.Errorf("%d were answered, %d tokens exist, want 1", made, list.Total)
	}
}

func TestX9_SecretsAreNeverStored(t *testing.T) {
	h := newHouse(t)
	var tok NewToken
	a := h.must(201, "POST", "/v1/tokens", `{"kind":"api","name":"billing","role":"operations"}`, "Idempotency-Key", "k")
	a.json(t, &tok)
	const password = "correct horse battery"
	h.must(201, "POST", "/v1/users", `{"name":"kim","role":"systems","password":"`+password+`"}`, "Idempotency-Key", "k2")
	var login Session
	r := h.ask("", "POST", "/v1/login", `{"name":"KIM","password":"`+password+`"}`)
	r.json(t, &login)
	if !strings.HasPrefix(tok.Secret, access.TokenPrefix) || !strings.HasPrefix(login.Token, access.TokenPrefix) {
		t.Fatalf("no secrets were handed out: %s, %s", a.body, r.body)
	}
	page, err := h.kv.List(context.Background(), "", kv.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{tok.Secret, strings.TrimPrefix(tok.Secret, access.TokenPrefix), login.Token, strings.TrimPrefix(login.Token, access.TokenPrefix), password}
	for _, e := range page.Entries {
		for _, s := range secrets {
			if strings.Contains(string(e.Value), s) || strings.Contains(e.Key, s) {
				t.Errorf("the store keeps a secret in clear text below %s", e.Key)
			}
		}
	}
	for _, path := range []string{"/v1/tokens", "/v1/tokens/" + tok.ID, "/v1/users", "/v1/audit"} {
		body := string(h.must(200, "GET", path, "").body)
		for _, s := range append(secrets, "argon2", access.Digest(tok.Secret), "password_hash", `"digest"`) {
			if strings.Contains(body, s) {
				t.Errorf("%s shows %q", path, s)
			}
		}
	}
	if strings.Contains(h.log.String(), password) {
		t.Error("the log has a password")
	}
	again := h.must(201, "POST", "/v1/tokens", `{"kind":"api","name":"billing","role":"operations"}`, "Idempotency-Key", "k")
	if string(again.body) != string(a.body) {
		t.Errorf("a retry within minutes is answered %s", again.body)
	}
	h.pass(intake.SecretLife + time.Second)
	p := h.must(409, "POST", "/v1/tokens", `{"kind":"api","name":"billing","role":"operations"}`, "Idempotency-Key", "k").problem(t)
	if strings.Contains(p.Detail, tok.Secret) {
		t.Error("the refusal shows the secret")
	}
}

// TestX10_TwoReplicasMakeOneThing sends one request to two replicas at once.
func TestX10_TwoReplicasMakeOneThing(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	one := houseOver(t, backend)
	two := houseOver(t, backend)
	two.token = one.token
	const body = `{"name":"Paris","external_id":"par-1"}`
	for round := range 20 {
		text := strings.ReplaceAll(strings.ReplaceAll(body, "Paris", fmt.Sprint("Paris ", round)), "par-1", fmt.Sprint("par-", round))
		key := fmt.Sprint("k", round)
		var wg sync.WaitGroup
		answers := make([]answer, 2)
		for i, h := range []*house{one, two} {
			wg.Go(func() {
				for { // a client that asks again as it is told to
					answers[i] = h.ask(access.RoleAdmin, "POST", "/v1/locations", text, "Idempotency-Key", key)
					if answers[i].status != http.StatusServiceUnavailable {
						return
					}
				}
			})
		}
		wg.Wait()
		if answers[0].status != 201 || answers[1].status != 201 || string(answers[0].body) != string(answers[1].body) {
			t.Fatalf("one is answered %d %s, two %d %s", answers[0].status, answers[0].body, answers[1].status, answers[1].body)
		}
	}
}
