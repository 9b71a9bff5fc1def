package intake

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// previousFor is how long the secret before the present one signs as well.
const previousFor = 24 * time.Hour

// WebhookDraft is what a person says of a webhook.
type WebhookDraft struct {
	Name     string   `json:"name" doc:"What it is for; unique without regard to case."`
	URL      string   `json:"url" doc:"Where events are posted to; https."`
	Events   []string `json:"events" doc:"Which ones: *, task.*, service.*, operation.*, or types such as service.active."`
	Disabled bool     `json:"disabled,omitempty" doc:"Gets nothing; what happens meanwhile is not told later."`
}

// DraftOfWebhook is the draft that would make w.
func DraftOfWebhook(w notify.Webhook) WebhookDraft {
	return WebhookDraft{Name: w.Name, URL: w.URL, Events: w.Events, Disabled: w.Disabled}
}

// Check records all fields that are wrong; self is the webhook that is edited, private tells whether
// private addresses are allowed.
func (d WebhookDraft) Check(c *fault.Check, look Lookup, self string, private bool) {
	order.CheckName(c, "name", d.Name)
	notify.CheckURL(c, "url", d.URL, private)
	notify.CheckEvents(c, "events", d.Events)
	checkTaken(c, look, "webhooks", "name", d.Name, self)
}

// PrivateTargets reports whether webhooks may go to private addresses, as this replica
// knows it.
func (in *Intake) PrivateTargets() bool {
	s, ok := store.Settings.View(in.store, store.FleetSettings)
	return ok && s.WebhookPrivateTargets
}

func (in *Intake) checkWebhook(tx *store.Tx, d WebhookDraft, self string) error {
	s, _, err := store.Settings.Find(tx, store.FleetSettings)
	if err != nil {
		return err
	}
	return checked(tx, "the webhook is not valid", func(c *fault.Check, look Lookup) { d.Check(c, look, self, s.WebhookPrivateTargets) })
}

// CreateWebhook adds a webhook and returns the secret that signs what it is sent; only a
// sealed copy is kept (rule X9).
func (in *Intake) CreateWebhook(ctx context.Context, actor access.Actor, d WebhookDraft) (w notify.Webhook, secret string, rev int64, err error) {
	now, fresh, raw := in.now(), id.New("whk"), newSigningSecret()
	secret = notify.SecretText(raw)
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := in.checkWebhook(tx, d, ""); err != nil {
			return err
		}
		if n := store.Webhooks.Len(in.store.Snapshot()); n >= notify.MaxWebhooks {
			return fault.Refused("there are %d webhooks; no more can be kept", n)
		}
		w = notify.Webhook{ID: fresh, Name: d.Name, URL: d.URL, Events: d.Events, Disabled: d.Disabled, CreatedAt: now, CreatedBy: actor.Name}
		if err := keepSecret(in, tx, seal.WebhookSecret, w.ID, &w, logging.Secret(raw)); err != nil {
			return err
		}
		return cmp.Or(store.Webhooks.Create(tx, w.ID, w), rename(tx, "webhooks", "", w.Name, w.ID),
			auditWebhook(tx, actor, "webhook.create", notify.Webhook{}, w, now),
			rememberSecret(tx, "webhooks", w.ID, w.WithoutSecrets(), secret, now))
	})
	return w, secret, rev, err
}

func newSigningSecret() []byte {
	raw := make([]byte, notify.SecretBytes)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	return raw
}

func auditWebhook(tx *store.Tx, actor access.Actor, action string, before, after notify.Webhook, now time.Time) error {
	hook := cmp.Or(after.ID, before.ID)
	return audit(tx, actor, action, "webhooks/"+hook, before.WithoutSecrets(), after.WithoutSecrets(), "", now)
}

// EditWebhook changes a webhook that is still at revision rev.
func (in *Intake) EditWebhook(ctx context.Context, actor access.Actor, hook string, rev int64,
	edit func(WebhookDraft) (WebhookDraft, error),
) (w notify.Webhook, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Webhooks.Get(tx, hook)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Webhooks, hook, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfWebhook(before))
		if err != nil {
			return err
		}
		if err := in.checkWebhook(tx, d, hook); err != nil {
			return err
		}
		w = before
		w.Name, w.URL, w.Events, w.Disabled = d.Name, d.URL, slices.Clone(d.Events), d.Disabled
		if w.Disabled != before.Disabled {
			w.DisabledReason = ""
		}
		return cmp.Or(store.Webhooks.Put(tx, hook, w), rename(tx, "webhooks", before.Name, w.Name, hook),
			closeGone(tx, before, w, actor, now), auditWebhook(tx, actor, "webhook.edit", before, w, now))
	})
	return w, at, err
}

// closeGone closes the task about a webhook that the controller disabled.
func closeGone(tx *store.Tx, before, after notify.Webhook, actor access.Actor, now time.Time) error {
	if !before.Disabled || after.Disabled {
		return nil
	}
	return CloseTask(tx, "notify/"+after.ID+"/gone", actor.Name, "the webhook was enabled again", now)
}

// RotateWebhook gives a webhook a new secret. For a day what it is sent is signed with the
// old one as well.
func (in *Intake) RotateWebhook(ctx context.Context, actor access.Actor, hook string) (w notify.Webhook, secret string, rev int64, err error) {
	if in.ring == nil {
		return w, "", 0, errNoRing
	}
	now, raw := in.now(), newSigningSecret()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Webhooks.Get(tx, hook)
		if err != nil {
			return err
		}
		w = before
		old, err := seal.WebhookSecret.Open(in.ring, hook, &before)
		if err != nil {
			return err
		}
		if err := cmp.Or(seal.WebhookPrevious.Set(tx, in.ring, hook, &w, old), seal.WebhookSecret.Set(tx, in.ring, hook, &w, logging.Secret(raw))); err != nil {
			return err
		}
		w.PreviousUntil = now.Add(previousFor)
		return cmp.Or(store.Webhooks.Put(tx, hook, w), auditWebhook(tx, actor, "webhook.rotate", before, w, now))
	})
	return w, notify.SecretText(raw), rev, err
}

// DeleteWebhook removes a webhook. What is still on its way to it is given up.
func (in *Intake) DeleteWebhook(ctx context.Context, actor access.Actor, hook string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		w, err := store.Webhooks.Get(tx, hook)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Webhooks, hook, rev, w); err != nil {
			return err
		}
		why := "the webhook was deleted"
		return cmp.Or(store.Webhooks.Delete(tx, hook), rename(tx, "webhooks", w.Name, "", hook),
			CloseTask(tx, "notify/"+hook, actor.Name, why, now), CloseTask(tx, "notify/"+hook+"/gone", actor.Name, why, now),
			auditWebhook(tx, actor, "webhook.delete", w, notify.Webhook{}, now))
	})
}
