package reselling

import (
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
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

// Check records what is wrong with what a person says of a group.
func (g *ServerGroup) Check(c *fault.Check) {
	order.CheckName(c, "name", g.Name)
	c.Require(len(g.Types) > 0, "types", "is empty; give one or several of %s", strings.Join(ServiceTypes, ", "))
	checkTypes(c, "types", g.Types)
}

func checkTypes(c *fault.Check, field string, types []string) {
	for i, kind := range types {
		CheckType(c, field, kind)
		c.Require(!slices.Contains(types[:i], kind), field, "names %.40q twice", kind)
	}
}

// CheckType records a type of service that there is not.
func CheckType(c *fault.Check, field, kind string) {
	c.Require(slices.Contains(ServiceTypes, kind), field, "has %.40q, which is none of %s", kind, strings.Join(ServiceTypes, ", "))
}
