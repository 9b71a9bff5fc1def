package notify

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// work tries deliveries of a lane, one after the other.
func (n *Notifier) work(ctx context.Context, q *lanes, l *lane) error {
	for {
		d, ok := l.next(ctx, n.Now)
		if !ok {
			return ctx.Err()
		}
		err := n.try(ctx, q, d)
		switch {
		case errors.Is(err, store.ErrNotLeader):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			n.Logger.Error("a delivery cannot be recorded", "delivery", d.ID, logging.KeyError, err)
			l.postpone(d.ID, n.Now().Add(time.Minute))
		}
		l.done(d.ID)
	}
}

// try makes one attempt and records how it went. What the lane did not hear of yet
// is not tried: the snapshot knows better.
func (n *Notifier) try(ctx context.Context, q *lanes, d notify.Delivery) error {
	snap := n.Store.Snapshot()
	present, ok := store.Deliveries.Item(snap, d.ID)
	if !ok {
		q.see(d.ID, nil, snap.Rev)
		return nil
	}
	if present.Value.State != notify.Pending || present.Value.Attempts != d.Attempts {
		q.see(d.ID, present.Value, present.ModRev)
		return nil
	}
	o := n.hands[d.Channel].attempt(ctx, d)
	if ctx.Err() != nil {
		return ctx.Err() // called off: it says nothing about the receiver
	}
	after, rev, err := n.record(ctx, d, o)
	if err != nil {
		return err
	}
	q.see(d.ID, after, rev)
	n.stats.count(d.Channel, after)
	return nil
}

// record commits the outcome of an attempt; after is the delivery as it is then, nil
// when it is gone.
func (n *Notifier) record(ctx context.Context, d notify.Delivery, o notify.Outcome) (after *notify.Delivery, rev int64, err error) {
	now, spread := n.Now(), rand.Float64()
	rev, err = n.change(ctx, func(tx *store.Tx) error {
		present, ok, err := store.Deliveries.Find(tx, d.ID)
		if after = nil; err != nil || !ok {
			return err
		}
		after = &present
		if present.State != notify.Pending || present.Attempts != d.Attempts {
			return nil // a person was faster
		}
		present = present.After(o, now, spread)
		return cmp.Or(store.Deliveries.Put(tx, d.ID, present), dropText(tx, present), n.consequences(tx, present, o, now))
	})
	return after, rev, err
}

// dropText forgets the text of a letter that nobody will send again.
func dropText(tx *store.Tx, d notify.Delivery) error {
	if d.Event.Type != notify.ToOne {
		return nil
	}
	l, ok, err := store.Letters.Find(tx, d.ID)
	if err != nil || !ok || l.Keeps(d) {
		return err
	}
	return store.Letters.Delete(tx, d.ID)
}

// consequences are what an outcome means beyond the delivery: a receiver that wants
// nothing any more is disabled, one that keeps failing is told to a person (rule X6).
func (n *Notifier) consequences(tx *store.Tx, d notify.Delivery, o notify.Outcome, now time.Time) error {
	if d.Event.Type == notify.Test {
		return nil
	}
	if o.OK {
		reason := "a delivery was taken"
		return cmp.Or(intake.CloseTask(tx, laneKey(d), access.System.Name, reason, now), intake.CloseTask(tx, receiverKey(d), access.System.Name, reason, now))
	}
	if o.Gone {
		return disable(tx, d.Subscriber, now)
	}
	nobody := o.Permanent && o.Status == 0 // a person took the receiver away
	if nobody || d.State != notify.Dead && d.Attempts < notify.FailingAfter {
		return nil
	}
	key := laneKey(d)
	if o.Permanent {
		key = receiverKey(d)
	}
	name := nameOf(n.Store.Snapshot(), d)
	k := task.New(id.At("tsk", now), "operations", task.Failure, key, name+" does not take what it is told",
		"The last answer: "+d.Error+". What was given up is listed by: steelyard delivery list --state dead. "+
			"When the receiver is repaired, send it again: steelyard delivery redeliver ID.", now)
	return intake.FileTask(tx, k)
}

// laneKey is the dedupe key of a receiver or mail server that cannot be reached, receiverKey
// of an address that refuses.
func laneKey(d notify.Delivery) string     { return "notify/" + d.Lane() }
func receiverKey(d notify.Delivery) string { return "notify/" + d.Subscriber + "/" + d.To }

func nameOf(snap *store.Snapshot, d notify.Delivery) string {
	if d.Channel == notify.ByMail {
		return "Mail to " + d.To
	}
	if w, ok := store.Webhooks.In(snap, d.Subscriber); ok {
		return "Webhook " + w.Name
	}
	return "Webhook " + d.Subscriber
}

// disable ends a webhook whose receiver said that it is gone.
func disable(tx *store.Tx, webhook string, now time.Time) error {
	w, ok, err := store.Webhooks.Find(tx, webhook)
	if err != nil || !ok || w.Disabled {
		return err
	}
	before := w
	w.Disabled, w.DisabledReason = true, "the receiver answered 410 Gone"
	k := task.New(id.At("tsk", now), "operations", task.Failure, "notify/"+w.ID+"/gone", "Webhook "+w.Name+" was disabled",
		"Its receiver answered 410 Gone: it does not want events any more. Delete the webhook, or enable it again: steelyard webhook edit "+w.ID+" --disabled=false.", now)
	return cmp.Or(store.Webhooks.Put(tx, w.ID, w), intake.FileTask(tx, k),
		intake.Audit(tx, access.System, "webhook.disable", "webhooks/"+w.ID, before.WithoutSecrets(), w.WithoutSecrets(), w.DisabledReason, now))
}
