package store

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/pkg/id"
)

// Outbox holds the events that were not handed out yet (see controller/notify). An event is
// written in the transaction of the change that it tells of; the order of events is that
// of their CreateRev.
var Outbox = NewTable[notify.Event]("outbox", "event")

// Who is told of events, and what is on its way to them.
var (
	Webhooks    = NewTable[notify.Webhook]("webhooks", "webhook")
	MailServers = NewTable[notify.MailServer]("mail-server", "mail server of")
	MailRoutes  = NewTable[notify.Route]("mail-routes", "mail route")
	Deliveries  = NewTable[notify.Delivery]("deliveries", "delivery")
	Letters     = NewTable[notify.Letter]("letters", "text of letter") // by delivery
)

// Tell makes every commit that writes a record of t write the event that of makes of
// it, if it makes one: before is the record as it was, nil when it is new. Deletions
// tell nothing. It returns t, to be chained in the declaration.
func (t Table[T]) Tell(of func(before, after *T) (notify.Event, bool)) Table[T] {
	t.def.tell = of
	return t
}

// tell notes, at a Put, that the commit has something to tell about the record. The
// last Put of a record counts, and what the record was before the first one.
func (t Table[T]) tell(tx *Tx, id string, after T) {
	if t.def.tell == nil {
		return
	}
	if tx.tells == nil {
		tx.tells = map[string]func() error{}
	}
	tx.tells[t.key(id)] = func() error {
		before, err := t.before(tx, id)
		if err != nil {
			return err
		}
		e, ok := t.def.tell(before, &after)
		if !ok {
			return nil
		}
		return putEvent(tx, e)
	}
}

// before is a record as it was before this transaction; nil when it was not there,
// or could not be read: writing is how it is repaired. It is shared: never change it.
func (t Table[T]) before(tx *Tx, id string) (*T, error) {
	e, err := tx.stored(t.key(id))
	if err != nil || !e.Exists() {
		return nil, err
	}
	if it := t.decoded(tx, id, e); it != nil {
		return it.Value, nil
	}
	v, err := t.decode(id, e.Value)
	if err != nil {
		return nil, nil
	}
	return &v, nil
}

func putEvent(tx *Tx, e notify.Event) error {
	now := time.Now().UTC()
	e.ID, e.At = id.At("evt", now), now
	return Outbox.Put(tx, e.ID, e)
}

// told writes the events of a finished run.
func (tx *Tx) told() error {
	for _, key := range tx.wrote {
		if tell := tx.tells[key]; tell != nil && !tx.writes[key].Delete {
			if err := tell(); err != nil {
				return err
			}
		}
	}
	return nil
}
