package notify

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
)

// ToOne is the type of the event that a letter is delivered as. No webhook or mail route asks for it.
const ToOne = "letter"

// Letter is a mail to one address that is about that person alone, and no event for those who
// follow the fleet. It lies beside its delivery, under the same id, until it was taken; the list of deliveries
// shows its subject and never its text.
type Letter struct {
	Body  string        `json:"body,omitempty"`
	Text  access.Sealed `json:"text,omitzero"`  // in place of Body, when that holds a secret (rule X9)
	Until time.Time     `json:"until,omitzero"` // of no use after it: not sent any more
}

// MaxLetter bounds the text of a letter, in bytes.
const MaxLetter = 16 << 10

// LetterTo is the delivery of a letter.
func LetterTo(id, event, to, subject string, now time.Time) Delivery {
	return Delivery{
		ID: id, Channel: ByMail, To: to, State: Pending, CreatedAt: now, NextAt: now,
		Event: Event{ID: event, Type: ToOne, At: now, Data: Data{Table: "deliveries", ID: id, Subject: shorten(line(subject), 160)}},
	}
}

// Keeps reports whether the text of a letter is kept now that its delivery is d: until it was taken, or for
// as long as a person can send it again; one with a secret only while it is on its way.
func (l Letter) Keeps(d Delivery) bool {
	return d.State == Pending || d.State == Dead && l.Text.IsZero()
}
