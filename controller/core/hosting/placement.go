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

// ServiceOf is the type of the logical server that carries a kind of placement.
func ServiceOf(kind string) string {
	return map[string]string{Account: "web", Forwarding: "web", Mailbox: "mail", Database: "mysql"}[kind]
}

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
	Domains   []string  `json:"domains,omitempty"`  // of an account: further vhosts and subdomains
	DiskMiB   uint64    `json:"disk_mib,omitempty"` // promised on the server
	Reseller  string    `json:"reseller,omitempty"` // path of the reseller whose customer has it; "" is the provider
	Customer  string    `json:"customer,omitempty"` // id of the organization
	Managed   bool      `json:"managed,omitempty"`  // a node of this fleet carries it: the account or the forward of this id says how far
	State     string    `json:"state" enum:"making,there,leaving,stuck"`
	Message   string    `json:"message,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// Load is how much is on one server: read in each commit that asks whether it is used (rules H5, S7, X3), written by each that places or
// removes something, so that the two never miss each other.
type Load struct {
	Placements  uint64 `json:"placements"`
	PromisedMiB uint64 `json:"promised_mib,omitempty"` // disk space promised to them together
	Web         uint64 `json:"web,omitempty"`          // how many of them a web server carries
	Mail        uint64 `json:"mail,omitempty"`
	MySQL       uint64 `json:"mysql,omitempty"`
}

// Change is the load with one placement more (by 1) or less (by -1). What was not counted before is not taken away twice.
func (l Load) Change(p *Placement, by int) Load {
	move := func(n *uint64, size uint64) {
		if by < 0 {
			*n -= min(*n, size)
			return
		}
		*n += size
	}
	move(&l.Placements, 1)
	move(&l.PromisedMiB, p.DiskMiB)
	if n := l.of(ServiceOf(p.Kind)); n != nil {
		move(n, 1)
	}
	return l
}

// Of is how many placements the logical servers of a type carry.
func (l Load) Of(service string) uint64 {
	if n := l.of(service); n != nil {
		return *n
	}
	return 0
}

func (l *Load) of(service string) *uint64 {
	switch service {
	case "web":
		return &l.Web
	case "mail":
		return &l.Mail
	case "mysql":
		return &l.MySQL
	}
	return nil
}
