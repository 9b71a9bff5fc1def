package reselling

import (
	"net/mail"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
)

// States of a reseller.
const (
	Active    = "active"
	Disabled  = "disabled"  // his people cannot log in; what he has goes on
	Suspended = "suspended" // his people and all his customers cannot log in, and nothing new is made for them
)

// MaxDepth is how many resellers may stand between the provider and one, himself included.
const MaxDepth = 4

// Reseller is a company that gets servers and sells what is on them. One may have resellers of his own.
type Reseller struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"` // unique without regard to case
	Company   string    `json:"company"`
	Email     string    `json:"email"`
	Parent    string    `json:"parent,omitempty"` // "" is the provider's own
	Path      string    `json:"path"`             // ids from the one below the provider to himself, with slashes
	Plan      string    `json:"plan,omitempty"`   // reseller plan that he signed up for
	Limits    Limits    `json:"limits"`
	Oversell  bool      `json:"oversell"` // the limits of those below him may add up to more than his
	Below     Sum       `json:"below"`    // what those below him were promised
	Servers   uint64    `json:"servers"`  // how many he has, by plan or by sale
	Taken     uint64    `json:"taken"`    // how many of them by plan
	Customers uint64    `json:"customers"`
	State     string    `json:"state" enum:"active,disabled,suspended"`
	Note      string    `json:"note,omitempty"` // why it was disabled or suspended
	CreatedAt time.Time `json:"created_at"`
}

// Depth is 1 below the provider.
func (r *Reseller) Depth() int { return strings.Count(r.Path, "/") + 1 }

// Check records what is wrong with what a person says of a reseller.
func (r *Reseller) Check(c *fault.Check) {
	order.CheckName(c, "name", r.Name)
	order.CheckName(c, "company", r.Company)
	if a, err := mail.ParseAddress(r.Email); err != nil || a.Address != r.Email || len(r.Email) > order.MaxName {
		c.Add("email", "%.80q is not an address such as name@example.org", r.Email)
	}
	r.Limits.Check(c, "limits")
}

// CheckBelow records limits of a child that are more than its parent may give; sum is that of all children with it.
func (r *Reseller) CheckBelow(c *fault.Check, sum Sum) {
	if r.Oversell {
		return
	}
	for _, name := range sum.Exceeds(r.Limits) {
		c.Add("limits."+name, "would be more than reseller %s has: those below him would have %s of %s; lower it, or let him oversell",
			r.Name, sum[name].words(), r.Limits[name])
	}
}

func (p Promise) words() string {
	if p.Open > 0 {
		return noLimit
	}
	return AtMost(p.Total).String()
}
