package access

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Provider is who the provider's own people may log in with (OpenID Connect). There is one for the fleet.
type Provider struct {
	Issuer      string      `json:"issuer"` // "" is: nobody logs in so
	ClientID    string      `json:"client_id"`
	Secret      Sealed      `json:"client_secret"`
	Scopes      []string    `json:"scopes,omitempty"` // asked for beside openid
	GroupsClaim string      `json:"groups_claim"`     // holds the groups of a person
	Groups      []GroupRole `json:"groups"`           // the first that he is in counts
}

// GroupRole is what the people of a group may do.
type GroupRole struct {
	Group      string `json:"group" doc:"As the provider tells it."`
	Role       Role   `json:"role" doc:"One of the provider's own people: admin, systems, operations, marketing or department."`
	Department string `json:"department,omitempty" doc:"With role department."`
}

// Identity is what a provider says of a person.
type Identity struct {
	Issuer  string
	Subject string // never given to anybody else by this issuer (OpenID Connect Core, 2)
	Name    string
	Email   string // "" unless the provider verified it
	Groups  []string
}

// RoleOf is what somebody in these groups may do; false when none of them has a role here.
func (p Provider) RoleOf(groups []string) (GroupRole, bool) {
	for _, g := range p.Groups {
		if slices.Contains(groups, g.Group) {
			return g, true
		}
	}
	return GroupRole{}, false
}

// WithoutSecrets is the provider as others may see it.
func (p Provider) WithoutSecrets() Provider {
	p.Secret = Sealed{}
	return p
}

// Check records what is wrong.
func (p Provider) Check(c *fault.Check, secret bool) {
	if p.Issuer == "" {
		return
	}
	u, err := url.Parse(p.Issuer)
	c.Require(err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && len(p.Issuer) <= 512, "issuer", "is no https address without query, such as https://login.example.com/realms/ops")
	c.Require(p.ClientID != "" && len(p.ClientID) <= 256, "client_id", "is empty or longer than 256 bytes")
	c.Require(secret, "client_secret", "is missing; the provider gives it with the client id")
	c.Require(p.GroupsClaim != "" && len(p.GroupsClaim) <= 100, "groups_claim", "is empty or longer than 100 bytes; most providers say groups")
	c.Require(len(p.Scopes) <= 20, "scopes", "has more than 20 entries")
	c.Require(0 < len(p.Groups) && len(p.Groups) <= 100, "groups", "has %d entries; give 1 to 100: without a group that has a role nobody gets in", len(p.Groups))
	for i, g := range p.Groups {
		at := "groups[" + strconv.Itoa(i) + "]."
		c.Require(g.Group != "" && len(g.Group) <= 256, at+"group", "is empty or longer than 256 bytes")
		c.Require(slices.Contains(Staff(), g.Role), at+"role", "is %.40q; give one of %v", g.Role, Staff())
		c.Require((g.Role == RoleDepartment) == (g.Department != "") && len(g.Department) <= 100, at+"department", "goes with the role department, and only with that")
	}
}
