package notify

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
)

// Webhook is somebody's address that is told of events by HTTP.
type Webhook struct {
	ID             string        `json:"id"`
	Name           string        `json:"name"`
	URL            string        `json:"url"`
	Events         []string      `json:"events"`                    // patterns, see Wanted
	Secret         access.Sealed `json:"secret"`                    // the 32 bytes that sign
	Previous       access.Sealed `json:"previous_secret,omitzero"`  // signs as well, until PreviousUntil
	PreviousUntil  time.Time     `json:"previous_until,omitzero"`   // end of a change of secret
	Disabled       bool          `json:"disabled"`                  // gets nothing
	DisabledReason string        `json:"disabled_reason,omitempty"` // when nobody did it by hand
	CreatedAt      time.Time     `json:"created_at"`
	CreatedBy      string        `json:"created_by"`
}

// WithoutSecrets is the webhook as others may see it.
func (w Webhook) WithoutSecrets() Webhook {
	w.Secret, w.Previous = access.Sealed{}, access.Sealed{}
	return w
}

// Route says which events are mailed to whom.
type Route struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Events     []string    `json:"events"`               // patterns, see Wanted
	Department string      `json:"department,omitempty"` // only events of this department; "" is all
	To         []string    `json:"to"`                   // addresses
	Role       access.Role `json:"role,omitempty"`       // also every user of it whose name is an address
	Disabled   bool        `json:"disabled"`
	CreatedAt  time.Time   `json:"created_at"`
	CreatedBy  string      `json:"created_by"`
}

// Wants reports whether the route mails e.
func (r Route) Wants(e Event) bool {
	return !r.Disabled && (r.Department == "" || r.Department == e.Data.Department) && Wanted(r.Events, e.Type)
}

// Ways to protect the connection to a mail server.
const (
	StartTLS = "starttls"
	TLS      = "tls"  // from the first byte
	Plain    = "none" // never with a password
)

// MailServer takes our mails. There is one for the fleet.
type MailServer struct {
	Host     string        `json:"host"` // "" is: no mail
	Port     int           `json:"port"`
	Security string        `json:"security" enum:"starttls,tls,none"`
	User     string        `json:"user,omitempty"`
	Password access.Sealed `json:"password"`
	From     string        `json:"from"`
	BaseURL  string        `json:"base_url,omitempty"` // of this controller's API, for links
}

// WithoutSecrets is the mail server as others may see it.
func (m MailServer) WithoutSecrets() MailServer {
	m.Password = access.Sealed{}
	return m
}

// Channels.
const (
	ByWebhook = "webhook"
	ByMail    = "mail"
)

// States of a delivery.
const (
	Pending   = "pending"
	Delivered = "delivered"
	Dead      = "dead" // given up; a person may send it again
)

// Delivery is one event on its way to one receiver.
type Delivery struct {
	ID         string    `json:"id"`
	Channel    string    `json:"channel" enum:"webhook,mail"`
	Subscriber string    `json:"subscriber,omitempty"` // id of the webhook or mail route; "" for a test mail or a letter
	To         string    `json:"to,omitempty"`         // mail: the address
	Event      Event     `json:"event"`
	Seq        int64     `json:"seq"` // deliveries of one object to one receiver go out in this order
	State      string    `json:"state" enum:"pending,delivered,dead"`
	Attempts   int       `json:"attempts"`
	NextAt     time.Time `json:"next_at,omitzero"` // while pending: not before
	Status     int       `json:"status,omitempty"` // last answer of the receiver: HTTP or SMTP code
	Error      string    `json:"error,omitempty"`  // why the last attempt failed; for a person
	CreatedAt  time.Time `json:"created_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
}

// Lane is what must not delay others: one webhook, or the mail server.
func (d Delivery) Lane() string {
	if d.Channel == ByMail {
		return ByMail
	}
	return d.Subscriber
}
