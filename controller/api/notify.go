package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// Webhook is a webhook without its secret.
	Webhook struct {
		ID             string    `json:"id"`
		Name           string    `json:"name"`
		URL            string    `json:"url"`
		Events         []string  `json:"events"`
		PreviousUntil  time.Time `json:"previous_until,omitzero" doc:"Until then the secret before the present one signs as well."`
		Disabled       bool      `json:"disabled"`
		DisabledReason string    `json:"disabled_reason,omitempty"`
		CreatedAt      time.Time `json:"created_at"`
		CreatedBy      string    `json:"created_by"`
		Rev            int64     `json:"rev"`
	}
	// NewWebhook is a webhook with its secret, which is shown this once.
	NewWebhook struct {
		Webhook
		Secret string `json:"secret" doc:"For the receiver; shown once (X9)."`
	}
	// MailServer takes the fleet's mails; its password is not shown.
	MailServer struct {
		Host        string `json:"host"`
		Port        int    `json:"port"`
		Security    string `json:"security"`
		User        string `json:"user,omitempty"`
		PasswordSet bool   `json:"password_set"`
		From        string `json:"from"`
		BaseURL     string `json:"base_url,omitempty"`
	}
	// MailRoute says which events are mailed to whom.
	MailRoute struct {
		notify.Route
		Rev int64 `json:"rev"`
	}
	// Delivery is one event on its way to one receiver.
	Delivery struct {
		notify.Delivery
		Rev int64 `json:"rev"`
	}
)

func webhookView(w *notify.Webhook, rev int64) Webhook {
	return Webhook{
		ID: w.ID, Name: w.Name, URL: w.URL, Events: w.Events, PreviousUntil: w.PreviousUntil, Disabled: w.Disabled,
		DisabledReason: w.DisabledReason, CreatedAt: w.CreatedAt, CreatedBy: w.CreatedBy, Rev: rev,
	}
}

type (
	webhookBody  struct{ intake.WebhookDraft }
	routeBody    struct{ intake.RouteDraft }
	mailBody     struct{ intake.MailDraft }
	mailTestBody struct {
		To string `json:"to" doc:"Address that the test goes to."`
	}
)

func (b *webhookBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, "", st.call.api.in.PrivateTargets())
}
func (b *routeBody) check(c *fault.Check, look intake.Lookup, _ *state) { b.Check(c, look, "") }
func (b *mailBody) check(c *fault.Check, _ intake.Lookup, st *state) {
	b.Check(c, st.call.api.mailServer())
}

func (b *mailTestBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	notify.CheckAddress(c, "to", b.To)
}

func (a *API) registerNotify() {
	a.registerWebhooks()
	a.registerMail()
	a.lister("deliveries", "Events on their way to receivers, those that arrived, and those that were given up", Delivery{})
	a.getter("deliveries", "One delivery", Delivery{})
	acting(a, "deliveries", "redeliver", "Send an event again", Delivery{}, a.in.Redeliver)
}

func (a *API) registerWebhooks() {
	a.lister("webhooks", "Webhooks, without their secrets", Webhook{})
	a.getter("webhooks", "One webhook, without its secret", Webhook{})
	withBody(a, "POST /v1/webhooks", about{
		summary: "Add a webhook; its secret is shown once", tag: "webhooks", answer: NewWebhook{}, status: http.StatusCreated, creates: true,
		detail: "Events are signed as the Standard Webhooks specification says. A repetition with the same Idempotency-Key shows the secret again for ten minutes, to the same login only.",
	}, func(c *call, b *webhookBody) (reply, error) {
		w, secret, _, err := a.in.CreateWebhook(c.ctx(), c.actor(), b.WebhookDraft)
		return c.created("webhooks", w.ID, &w, secret, err)
	})
	editor(a, "webhooks", "Change a webhook", Webhook{},
		func(d intake.WebhookDraft, c *fault.Check, look intake.Lookup, self string) {
			d.Check(c, look, self, a.in.PrivateTargets())
		},
		func(c *call, id string, rev int64, apply func(intake.WebhookDraft) (intake.WebhookDraft, error)) error {
			_, _, err := a.in.EditWebhook(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("webhooks", "Delete a webhook; what is on its way to it is given up", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteWebhook(c.ctx(), c.actor(), id, rev)
	})
	without(a, "POST /v1/webhooks/{id}/rotate", about{
		summary: "Give a webhook a new secret, shown once; for a day the old one signs as well", tag: "webhooks", answer: NewWebhook{},
	}, a.rotateWebhook)
	without(a, "POST /v1/webhooks/{id}/test", about{summary: "Send a test event", tag: "webhooks", answer: Delivery{}}, func(c *call) (reply, error) {
		r, err := a.find(c, "webhooks")
		if err != nil {
			return reply{}, err
		}
		d, _, err := a.in.TestWebhook(c.ctx(), c.actor(), r.id)
		return a.testing(c, d, err)
	})
}

func (a *API) rotateWebhook(c *call) (reply, error) {
	r, err := a.find(c, "webhooks")
	if err != nil {
		return reply{}, err
	}
	w, secret, rev, err := a.in.RotateWebhook(c.ctx(), c.actor(), r.id)
	if err != nil {
		return reply{}, err
	}
	return reply{body: render(&NewWebhook{webhookView(&w, rev), secret})}, nil
}

func (a *API) testing(c *call, d notify.Delivery, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return a.shown(c, "deliveries", d.ID)
}

func (a *API) registerMail() {
	without(a, "GET /v1/mail", about{summary: "The mail server, without its password", tag: "mail", answer: MailServer{}}, func(*call) (reply, error) {
		return a.mail(), nil
	})
	withBody(a, "PUT /v1/mail", about{summary: "Set the mail server", tag: "mail", answer: MailServer{}}, func(c *call, b *mailBody) (reply, error) {
		if _, err := a.in.SetMail(c.ctx(), c.actor(), b.MailDraft); err != nil {
			return reply{}, err
		}
		return a.mail(), nil
	})
	withBody(a, "POST /v1/mail/test", about{summary: "Send a test mail", tag: "mail", answer: Delivery{}}, func(c *call, b *mailTestBody) (reply, error) {
		d, _, err := a.in.TestMail(c.ctx(), c.actor(), b.To)
		return a.testing(c, d, err)
	})
	a.lister("mail-routes", "Which events are mailed to whom", MailRoute{})
	a.getter("mail-routes", "One mail route", MailRoute{})
	withBody(a, "POST /v1/mail-routes", about{summary: "Add a mail route", tag: "mail-routes", answer: MailRoute{}, status: http.StatusCreated, creates: true},
		func(c *call, b *routeBody) (reply, error) {
			r, _, err := a.in.CreateRoute(c.ctx(), c.actor(), b.RouteDraft)
			return c.created("mail-routes", r.ID, &r, "", err)
		})
	editor(a, "mail-routes", "Change a mail route", MailRoute{}, intake.RouteDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.RouteDraft) (intake.RouteDraft, error)) error {
			_, _, err := a.in.EditRoute(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("mail-routes", "Delete a mail route", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteRoute(c.ctx(), c.actor(), id, rev)
	})
}

func (a *API) mailServer() notify.MailServer {
	if m, ok := store.MailServers.View(a.opt.Store, store.TheMailServer); ok {
		return *m
	}
	return notify.MailServer{}
}

func (a *API) mail() reply {
	m := a.mailServer()
	return reply{body: render(&MailServer{
		Host: m.Host, Port: m.Port, Security: m.Security, User: m.User, PasswordSet: !m.Password.IsZero(), From: m.From, BaseURL: m.BaseURL,
	})}
}

func webhookSheet() *sheet {
	return newSheet("webhooks",
		label("id", func(w *notify.Webhook) string { return w.ID }),
		label("name", func(w *notify.Webhook) string { return w.Name }),
		text("disabled", func(w *notify.Webhook) string { return strconv.FormatBool(w.Disabled) }, yesNo...),
		moment("created_at", func(w *notify.Webhook) time.Time { return w.CreatedAt }),
	)
}

func routeSheet() *sheet {
	return newSheet("mail-routes",
		label("id", func(r *notify.Route) string { return r.ID }),
		label("name", func(r *notify.Route) string { return r.Name }),
		text("department", func(r *notify.Route) string { return r.Department }),
		text("disabled", func(r *notify.Route) string { return strconv.FormatBool(r.Disabled) }, yesNo...),
		moment("created_at", func(r *notify.Route) time.Time { return r.CreatedAt }),
	)
}

func deliverySheet() *sheet {
	return newSheet("deliveries",
		label("id", func(d *notify.Delivery) string { return d.ID }),
		text("state", func(d *notify.Delivery) string { return d.State }, notify.Pending, notify.Delivered, notify.Dead),
		text("channel", func(d *notify.Delivery) string { return d.Channel }, notify.ByWebhook, notify.ByMail),
		text("subscriber", func(d *notify.Delivery) string { return d.Subscriber }),
		text("type", func(d *notify.Delivery) string { return d.Event.Type }),
		text("server", func(d *notify.Delivery) string { return d.Event.Data.Server }),
		moment("created_at", func(d *notify.Delivery) time.Time { return d.CreatedAt }),
		moment("next_at", func(d *notify.Delivery) time.Time { return d.NextAt }),
		moment("ended_at", func(d *notify.Delivery) time.Time { return d.EndedAt }),
	)
}
