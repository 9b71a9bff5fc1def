package reselling

import (
	"maps"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
)

// MaxAssigned is how many servers may wait in one plan for those who sign up.
const MaxAssigned = 5000

// MaxAtOnce is how many servers one request may assign.
const MaxAtOnce = 100

// Plan is what resellers sign up for (rule H2).
type Plan struct {
	ID              string    `json:"id"`
	Name            string    `json:"name"`             // unique without regard to case
	AllocatedServer bool      `json:"allocated_server"` // who signs up gets a whole server (rule H10)
	Limits          Limits    `json:"limits,omitempty"` // of who signed up; of what is not named the plan says nothing
	Oversell        bool      `json:"oversell"`         // of who signed up
	Version         uint64    `json:"version"`          // grows with each edit that changes what resellers get (rule P6)
	CreatedAt       time.Time `json:"created_at"`
}

// Check records what is wrong with what a person says of a plan.
func (p *Plan) Check(c *fault.Check) {
	order.CheckName(c, "name", p.Name)
	p.Limits.Check(c, "limits")
}

// Gives reports whether two plans give the same: an edit from one to the other reaches nobody.
func (p *Plan) Gives(other *Plan) bool {
	return p.Oversell == other.Oversell && maps.Equal(p.Limits, other.Limits)
}

// Allotment is which servers are assigned to a plan and who got one, by plan. It says nothing that their claims do not say; each commit that
// assigns, takes or gives back writes it, so that who reads it knows all of them at that moment: which one is the oldest (rule H14), whether
// none is left (H12), and whether the plan may go (H17).
type Allotment struct {
	Available []string `json:"available"` // server ids, the longest assigned first
	Taken     []string `json:"taken"`
}

// With is a with one more server assigned.
func (a Allotment) With(server string) Allotment {
	a.Available = append(slices.Clone(a.Available), server)
	return a
}

// Without is a without a server that was assigned or taken.
func (a Allotment) Without(server string) Allotment {
	a.Available, a.Taken = drop(a.Available, server), drop(a.Taken, server)
	return a
}

// Took is a after somebody signed up and got the server.
func (a Allotment) Took(server string) Allotment {
	a = a.Without(server)
	a.Taken = append(a.Taken, server)
	return a
}

func drop(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}
