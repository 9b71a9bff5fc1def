package notify

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/pause"
)

// sweepEvery is how often deliveries that ended are looked through.
const sweepEvery = 10 * time.Minute

// sweep forgets deliveries beyond their time or number, and those of receivers that
// were deleted.
func (n *Notifier) sweep(ctx context.Context) error {
	for {
		if err := pause.For(ctx, sweepEvery); err != nil {
			return err
		}
		for part := range slices.Chunk(surplus(n.Store.Snapshot(), n.Now()), chunk/2) {
			if _, err := n.change(ctx, func(tx *store.Tx) error { return forget(tx, part) }); err != nil {
				return err
			}
		}
	}
}

func forget(tx *store.Tx, ids []string) error {
	for _, id := range ids {
		if err := cmp.Or(store.Deliveries.Delete(tx, id), store.Letters.Delete(tx, id)); err != nil {
			return err
		}
	}
	return nil
}

// surplus lists the deliveries that need not be kept.
func surplus(snap *store.Snapshot, now time.Time) (ids []string) {
	ended := map[string][]*notify.Delivery{} // by receiver and state
	for i := range store.Deliveries.Items(snap) {
		d := i.Value
		switch {
		case d.Expired(now) || orphan(snap, d):
			ids = append(ids, d.ID)
		case d.State != notify.Pending:
			key := d.Subscriber + "/" + d.State
			ended[key] = append(ended[key], d)
		}
	}
	for _, list := range ended {
		slices.SortFunc(list, func(a, b *notify.Delivery) int { return b.EndedAt.Compare(a.EndedAt) })
		for _, d := range list[min(len(list), notify.KeepMost):] {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func orphan(snap *store.Snapshot, d *notify.Delivery) bool {
	switch {
	case d.Subscriber == "":
		return false // a test mail, or a letter
	case d.Channel == notify.ByMail:
		_, ok := store.MailRoutes.In(snap, d.Subscriber)
		return !ok
	default:
		_, ok := store.Webhooks.In(snap, d.Subscriber)
		return !ok
	}
}
