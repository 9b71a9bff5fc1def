package hosting

import "time"

// Kinds of placement (rule S7).
const (
	Account    = "account"
	Forwarding = "forwarding"
	Mailbox    = "mailbox"
	Database   = "database"
)

// Kinds lists them.
var Kinds = []string{Account, Forwarding, Mailbox, Database}

// States of a placement. Each of them means that the server is used: what is half made, or could not be removed, is there too.
const (
	Making  = "making"
	There   = "there"
	Leaving = "leaving"
	Stuck   = "stuck" // could not be removed
)

// Placement is one thing that a customer has on a server.
type Placement struct {
	ID        string    `json:"id"`
	Server    string    `json:"server"`
	Kind      string    `json:"kind" enum:"account,forwarding,mailbox,database"`
	Name      string    `json:"name"`               // domain, address, or name of the database
	Reseller  string    `json:"reseller,omitempty"` // path of the reseller whose customer has it; "" is the provider
	Customer  string    `json:"customer,omitempty"` // id of the organization
	State     string    `json:"state" enum:"making,there,leaving,stuck"`
	Message   string    `json:"message,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// Load is how much is on one server: read in each commit that asks whether it is used (rules H5, S7, X3), written by each that places or
// removes something, so that the two never miss each other.
type Load struct {
	Placements uint64 `json:"placements"`
}
