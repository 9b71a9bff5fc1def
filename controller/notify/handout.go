package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
)

// MaxPending bounds the deliveries that wait for one receiver.
const MaxPending = 5000

// chunk is how many keys one commit writes.
const chunk = 100

// handOut puts deliveries in the place of events, as long as there are any.
func (n *Notifier) handOut(ctx context.Context, q *lanes, wake <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
		for {
			steps := n.plan(q)
			if len(steps) == 0 {
				break
			}
			for part := range slices.Chunk(steps, chunk) {
				if _, err := n.change(ctx, func(tx *store.Tx) error { return commit(tx, part) }); err != nil {
					return err
				}
			}
		}
	}
}

// step is one write of handing out: a delivery, or the removal of an event.
type step struct {
	delivery notify.Delivery
	event    string
}

func commit(tx *store.Tx, steps []step) error {
	for _, s := range steps {
		if s.event != "" {
			if err := store.Outbox.Delete(tx, s.event); err != nil {
				return err
			}
			continue
		}
		_, there, err := store.Deliveries.Find(tx, s.delivery.ID)
		if err != nil {
			return err
		}
		if there {
			continue // a leader before us got so far
		}
		if err := store.Deliveries.Put(tx, s.delivery.ID, s.delivery); err != nil {
			return err
		}
	}
	return nil
}

// plan lists what is to be written for the events that wait, in the order of their commits.
// An event is removed after its deliveries; planned again after a crash they are the same.
func (n *Notifier) plan(q *lanes) (steps []step) {
	snap := n.Store.Snapshot()
	room := map[string]int{}
	for _, i := range waiting(snap) {
		e := *i.Value
		if s, ok := store.Servers.In(snap, e.Data.Server); ok {
			e.Data.ServerName = s.Name
		}
		for _, d := range receivers(snap, e) {
			d.Seq, d.CreatedAt = i.CreateRev, n.Now()
			lane := d.Lane()
			if _, known := room[lane]; !known {
				room[lane] = MaxPending - q.waiting(lane)
			}
			if room[lane]--; room[lane] < 0 {
				d = d.GivenUp("the queue of this receiver is full", n.Now())
				n.stats.count(d.Channel, &d)
			}
			steps = append(steps, step{delivery: d})
		}
		steps = append(steps, step{event: e.ID})
	}
	return steps
}

// most events that are planned at a time.
const most = 100

func waiting(snap *store.Snapshot) []store.Item[notify.Event] {
	list := slices.Collect(store.Outbox.Items(snap))
	slices.SortFunc(list, func(a, b store.Item[notify.Event]) int {
		return cmp.Or(cmp.Compare(a.CreateRev, b.CreateRev), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(len(list), most)]
}

// receivers are the deliveries of an event.
func receivers(snap *store.Snapshot, e notify.Event) (list []notify.Delivery) {
	for i := range store.Webhooks.Items(snap) {
		if w := i.Value; !w.Disabled && notify.Wanted(w.Events, e.Type) {
			list = append(list, delivery(notify.ByWebhook, w.ID, "", e))
		}
	}
	if m, ok := store.MailServers.In(snap, store.TheMailServer); !ok || m.Host == "" {
		return list
	}
	told := map[string]bool{}
	for i := range store.MailRoutes.Items(snap) {
		if !i.Value.Wants(e) {
			continue
		}
		for _, to := range addresses(snap, i.Value) {
			if !told[to] {
				told[to] = true // by another route
				list = append(list, delivery(notify.ByMail, i.ID, to, e))
			}
		}
	}
	return list
}

// addresses are those of the route and of the users with its role.
func addresses(snap *store.Snapshot, r *notify.Route) []string {
	list := slices.Clone(r.To)
	if r.Role == "" {
		return list
	}
	for i := range store.Users.Items(snap) {
		if u := i.Value; u.Role == r.Role && !u.Disabled && notify.IsAddress(u.Name) {
			list = append(list, u.Name)
		}
	}
	return list
}

// delivery makes a waiting delivery. Its id follows from event and receiver, so that it is
// made once.
func delivery(channel, subscriber, to string, e notify.Event) notify.Delivery {
	sum := sha256.Sum256([]byte(e.ID + "\x00" + subscriber + "\x00" + to))
	return notify.Delivery{
		ID: "dlv-" + hex.EncodeToString(sum[:8]), Channel: channel, Subscriber: subscriber, To: to, Event: e, State: notify.Pending,
	}
}
