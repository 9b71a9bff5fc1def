package reselling

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Policies by which a pool hands out its servers (rule S12).
const (
	FirstFit   = "first-fit"   // the first member that is free, in the order of the pool
	RoundRobin = "round-robin" // the next free member after the one that was handed out last
	LeastSold  = "least-sold"  // the free member with the fewest placements per unit of what it can carry
)

// Policies lists them, the default first.
var Policies = []string{FirstFit, RoundRobin, LeastSold}

// Pool is a group of servers that carry one service: what a reseller's customers get that service from.
type Pool struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Service   string    `json:"service"` // type of the logical servers: web, mail, mysql …
	Policy    string    `json:"policy" enum:"first-fit,round-robin,least-sold"`
	Members   []string  `json:"members"`   // server ids, in their order
	Automatic bool      `json:"automatic"` // placements choose a server by themselves
	Oversell  bool      `json:"oversell"`  // more may be promised than there is
	Last      string    `json:"last,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// MaxMembers bounds one pool.
const MaxMembers = 1000

// Check records what is wrong with what a person says of a pool, but for whether its members exist.
func (p *Pool) Check(c *fault.Check) {
	order.CheckName(c, "name", p.Name)
	CheckType(c, "service", p.Service)
	c.Require(slices.Contains(Policies, p.Policy), "policy", "is %.40q; use %s", p.Policy, strings.Join(Policies, ", "))
	c.Require(len(p.Members) <= MaxMembers, "members", "has %d servers; %d are the most", len(p.Members), MaxMembers)
	if all := distinct(p.Members); len(all) < len(p.Members) {
		c.Add("members", "names a server twice")
	}
}

// Candidate is a member that could be handed out.
type Candidate struct {
	Server   string
	Promised uint64 // what is promised on it, in the unit of Capacity
	Capacity uint64 // 0: it carries nothing
	Wanted   uint64 // what is asked for now
}

func (c Candidate) fits(oversell bool) bool {
	return c.Capacity > 0 && (oversell || c.Promised <= c.Capacity && c.Wanted <= c.Capacity-c.Promised)
}

// Pick chooses a member for one placement; candidates are those that are free otherwise, in any order. None is "".
func (p *Pool) Pick(candidates []Candidate) string {
	fitting := slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool {
		return !slices.Contains(p.Members, c.Server) || !c.fits(p.Oversell)
	})
	if len(fitting) == 0 {
		return ""
	}
	place := func(c Candidate) int { return slices.Index(p.Members, c.Server) }
	first := 0
	if p.Policy == RoundRobin {
		first = slices.Index(p.Members, p.Last) + 1 // 0 when there was none, or it has left the pool
	}
	after := func(c Candidate) int { return (place(c) - first + len(p.Members)) % len(p.Members) }
	return slices.MinFunc(fitting, func(a, b Candidate) int {
		if p.Policy == LeastSold {
			if d := compareShare(a, b); d != 0 {
				return d
			}
		}
		return cmp.Compare(after(a), after(b))
	}).Server
}

// compareShare compares Promised ÷ Capacity without rounding.
func compareShare(a, b Candidate) int {
	ah, al := bits.Mul64(a.Promised, b.Capacity)
	bh, bl := bits.Mul64(b.Promised, a.Capacity)
	return cmp.Or(cmp.Compare(ah, bh), cmp.Compare(al, bl))
}
