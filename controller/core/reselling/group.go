package reselling

import (
	"slices"
	"time"
)

// Types of service. One logical server of a type carries it.
const (
	Web   = "web"   // web sites: HTTP and what runs behind it
	Mail  = "mail"  // mailboxes and forwarding of mail
	MySQL = "mysql" // databases
	DNS   = "dns"   // zones of customers' domains
	FTP   = "ftp"   // uploads that are not part of a web server
	List  = "list"  // mailing lists
)

// ServiceTypes lists them.
var ServiceTypes = []string{Web, Mail, MySQL, DNS, FTP, List}

// PlanTypes are those that a server carries, all of them and no other, before it may be assigned to a plan (rules H3, H4).
var PlanTypes = []string{Web, Mail, MySQL}

// ServerGroup is a kind of logical server: which types of service those in it are for.
type ServerGroup struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`  // unique without regard to case
	Types     []string  `json:"types"` // of ServiceTypes, each once, in their order
	CreatedAt time.Time `json:"created_at"`
}

// Has reports whether the group is for a type.
func (g *ServerGroup) Has(kind string) bool { return slices.Contains(g.Types, kind) }
