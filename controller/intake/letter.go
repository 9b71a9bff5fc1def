package intake

import (
	"cmp"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Letter is a mail to one person about something of his own.
type Letter struct {
	To      string // address
	Subject string // told in the list of deliveries: without secrets
	Body    string
	Secret  bool      // Body holds one: it is sealed until it was sent (rule X9)
	Until   time.Time // of no use after it; zero is never
}

// Post puts a letter without secrets on its way, in the commit of its cause. It is delivered like any other
// mail, and listed by: steelyard delivery list. While no mail server is set it waits, for some 40 hours;
// see [Intake.MailSet].
func Post(tx *store.Tx, l Letter, now time.Time) error {
	if l.Secret {
		return fault.Internal("a letter with a secret must be sealed")
	}
	return post(tx, id.At("dlv", now), l, notify.Letter{Body: l.Body, Until: l.Until}, now)
}

// postSecret is Post for a letter whose text is sealed.
func (in *Intake) postSecret(tx *store.Tx, l Letter, now time.Time) error {
	delivery, kept := id.At("dlv", now), notify.Letter{Until: l.Until}
	if err := keepSecret(in, tx, seal.LetterText, delivery, &kept, logging.Secret(l.Body)); err != nil {
		return err
	}
	return post(tx, delivery, l, kept, now)
}

func post(tx *store.Tx, delivery string, l Letter, kept notify.Letter, now time.Time) error {
	var c fault.Check
	notify.CheckAddress(&c, "email", l.To)
	c.Require(len(l.Body) <= notify.MaxLetter, "body", "is longer than %d bytes", notify.MaxLetter)
	return cmp.Or(c.Err("the letter cannot be sent"), store.Letters.Create(tx, delivery, kept),
		store.Deliveries.Create(tx, delivery, notify.LetterTo(delivery, id.At("evt", now), l.To, l.Subject, now)))
}

// MailSet reports whether letters are delivered, as this replica knows it.
func (in *Intake) MailSet() bool {
	m, ok := store.MailServers.View(in.store, store.TheMailServer)
	return ok && m.Host != ""
}
