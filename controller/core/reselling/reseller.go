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
	ID        string     `json:"id"`
	Name      string     `json:"name"` // unique without regard to case
	Company   string     `json:"company"`
	Email     string     `json:"email"`
	Parent    string     `json:"parent,omitempty"`       // "" is the provider's own
	Path      string     `json:"path"`                   // ids from the one below the provider to himself, with slashes
	Plan      string     `json:"plan,omitempty"`         // reseller plan that he signed up for
	Version   uint64     `json:"plan_version,omitempty"` // of the plan that reached him
	Limits    Limits     `json:"limits"`                 // that hold
	Oversell  bool       `json:"oversell"`               // what he promises may add up to more than his limits: they hold for what there is then
	OfPlan    []string   `json:"of_plan,omitempty"`      // limits, and "oversell", that are as the plan says; the others were set by hand
	Short     []Shortage `json:"short,omitempty"`        // what the plan says and who is above him has not
	Reached   SyncResult `json:"reached,omitzero"`       // how the last edition of the plan reached him (rule P6)
	Below     Sum        `json:"below"`                  // what those below him were promised
	Retail    Retail     `json:"-"`                      // what his customers have, where whoever read him read that too
	Servers   uint64     `json:"servers"`                // how many he has, by plan or by sale
	Taken     uint64     `json:"taken"`                  // how many of them by plan
	Customers uint64     `json:"customers"`
	State     string     `json:"state" enum:"active,disabled,suspended"`
	Note      string     `json:"note,omitempty"` // why it was disabled or suspended
	CreatedAt time.Time  `json:"created_at"`
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

// CheckGiven records limits of r beyond which more is promised, or less is left, than it was before. What was too much already and does not
// become worse is no error.
func (r *Reseller) CheckGiven(c *fault.Check, before *Reseller) {
	for _, name := range Resources {
		has, was, limit := r.given(name), before.given(name), r.Limits.Of(name)
		worse := has.grew(was) || r.Oversell != before.Oversell || !before.Limits.Of(name).Within(limit)
		if worse && !has.Within(limit) {
			c.Add("limits."+name, "would be more than reseller %s has: his customers and those below him would have %s of %s; lower it, raise limits.%s of %s%s",
				r.Name, has.words(), limit, name, r.Name, r.orOversell())
		}
	}
}

func (r *Reseller) orOversell() string {
	if r.Oversell {
		return ""
	}
	return ", or let him oversell"
}

func (p Promise) words() string {
	if p.Open > 0 {
		return noLimit
	}
	return AtMost(p.Total).String()
}
