package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
)

const hookDraft = `{"name":"billing","url":"https://billing.example.com/in","events":["service.*","task.opened"]}`

func TestX9_WebhookSecretIsShownOnce(t *testing.T) {
	h := newHouse(t)
	made := h.must(http.StatusCreated, "POST", "/v1/webhooks", hookDraft, "Idempotency-Key", "one")
	var w NewWebhook
	made.json(t, &w)
	if !strings.HasPrefix(w.Secret, "whsec_") || w.ID == "" || w.URL != "https://billing.example.com/in" {
		t.Fatalf("made %s", made.body)
	}
	again := h.must(http.StatusCreated, "POST", "/v1/webhooks", hookDraft, "Idempotency-Key", "one")
	if string(again.body) != string(made.body) {
		t.Errorf("the repetition is answered\n%s\nnot\n%s", again.body, made.body)
	}
	rotated := h.must(http.StatusOK, "POST", "/v1/webhooks/"+w.ID+"/rotate", "")
	var r NewWebhook
	rotated.json(t, &r)
	if r.Secret == w.Secret || !strings.HasPrefix(r.Secret, "whsec_") || r.PreviousUntil.IsZero() {
		t.Errorf("rotated %s", rotated.body)
	}
	for _, path := range []string{"/v1/webhooks", "/v1/webhooks/" + w.ID, "/v1/audit?all=true"} {
		body := string(h.must(http.StatusOK, "GET", path, "").body)
		if strings.Contains(body, "whsec_") || strings.Contains(body, `"box"`) || strings.Contains(body, `"secret":{`) {
			t.Errorf("%s tells a secret: %s", path, body)
		}
	}
	h.pass(11 * time.Minute)
	if a := h.ask(access.RoleAdmin, "POST", "/v1/webhooks", hookDraft, "Idempotency-Key", "one"); a.status != http.StatusConflict || strings.Contains(string(a.body), w.Secret) {
		t.Errorf("later the secret is shown again: %d %s", a.status, a.body)
	}
}

func TestX13_WebhookIsCheckedAtOnce(t *testing.T) {
	h := newHouse(t)
	p := h.ask(access.RoleAdmin, "POST", "/v1/webhooks", `{"name":"","url":"http://10.0.0.1/","events":["server.*"]}`).problem(t)
	for _, field := range []string{"body.name", "body.url", "body.events"} {
		if !p.names(field) {
			t.Errorf("%s is not named in %+v", field, p)
		}
	}
	h.must(http.StatusOK, "PUT", "/v1/settings", `{"require_confirmed_email":false,"webhook_private_targets":true}`)
	id := h.id(h.must(http.StatusCreated, "POST", "/v1/webhooks", `{"name":"inside","url":"http://10.0.0.1/","events":["*"]}`))
	if a := h.ask(access.RoleAdmin, "POST", "/v1/webhooks", `{"name":"INSIDE","url":"http://10.0.0.1/","events":["*"]}`); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a name is taken twice: %d", a.status)
	}
	etag := h.must(http.StatusOK, "GET", "/v1/webhooks/"+id, "").header.Get("ETag")
	changed := h.must(http.StatusOK, "PATCH", "/v1/webhooks/"+id, `{"events":["task.*"],"disabled":true}`, "If-Match", etag)
	var w Webhook
	changed.json(t, &w)
	if !w.Disabled || len(w.Events) != 1 || w.Name != "inside" {
		t.Errorf("changed to %s", changed.body)
	}
	h.must(http.StatusPreconditionFailed, "DELETE", "/v1/webhooks/"+id, "", "If-Match", etag)
	h.must(http.StatusNoContent, "DELETE", "/v1/webhooks/"+id, "", "If-Match", "*")
	h.must(http.StatusCreated, "POST", "/v1/webhooks", `{"name":"inside","url":"http://10.0.0.1/","events":["*"]}`)
}

func TestX9_MailPasswordIsNeverShown(t *testing.T) {
	h := newHouse(t)
	const server = `{"host":"mail.example.com","port":587,"security":"starttls","user":"steelyard","from":"s@example.com"`
	set := h.must(http.StatusOK, "PUT", "/v1/mail", server+`,"password":"hush-hush-hush"}`)
	var m MailServer
	set.json(t, &m)
	if !m.PasswordSet || m.Host != "mail.example.com" {
		t.Errorf("set to %s", set.body)
	}
	h.must(http.StatusOK, "PUT", "/v1/mail", server+`,"base_url":"https://steelyard.example.com"}`) // the password stays
	for _, path := range []string{"/v1/mail", "/v1/audit?all=true"} {
		if a := h.must(http.StatusOK, "GET", path, ""); strings.Contains(string(a.body), "hush") || strings.Contains(string(a.body), `"box"`) {
			t.Errorf("%s shows the password: %s", path, a.body)
		}
	}
	moved := strings.Replace(server, "mail.example.com", "evil.example.com", 1)
	if p := h.ask(access.RoleAdmin, "PUT", "/v1/mail", moved+`}`).problem(t); !p.names("body.password") {
		t.Errorf("the password goes to another server: %+v", p)
	}
	h.must(http.StatusOK, "PUT", "/v1/mail", `{"host":"","password":""}`)
	if a := h.ask(access.RoleAdmin, "POST", "/v1/mail/test", `{"to":"ops@example.com"}`); a.status != http.StatusConflict {
		t.Errorf("a test without a mail server: %d %s", a.status, a.body)
	}
}

func TestX6_DeliveriesAreListedAndSentAgain(t *testing.T) {
	h := newHouse(t)
	hook := h.id(h.must(http.StatusCreated, "POST", "/v1/webhooks", hookDraft))
	id := h.id(h.must(http.StatusOK, "POST", "/v1/webhooks/"+hook+"/test", ""))
	h.change(func(tx *store.Tx) error {
		d, err := store.Deliveries.Get(tx, id)
		if err != nil {
			return err
		}
		return store.Deliveries.Put(tx, id, d.After(notify.Outcome{Status: 500, Error: "broken"}, h.now(), 0))
	})
	var page struct {
		Total int
		Items []Delivery
	}
	h.must(http.StatusOK, "GET", "/v1/deliveries?state=dead", "").json(t, &page)
	if page.Total != 1 || page.Items[0].Error != "broken" || page.Items[0].Subscriber != hook {
		t.Fatalf("dead letters: %+v", page)
	}
	var d Delivery
	h.must(http.StatusOK, "POST", "/v1/deliveries/"+id+"/redeliver", `{"reason":"repaired"}`).json(t, &d)
	if d.State != notify.Pending || d.Attempts != 0 || d.Event.ID != page.Items[0].Event.ID {
		t.Errorf("sent again: %+v", d)
	}
	if a := h.ask(access.RoleOperations, "GET", "/v1/deliveries", ""); a.status != http.StatusForbidden {
		t.Errorf("operations sees deliveries: %d", a.status)
	}
}
