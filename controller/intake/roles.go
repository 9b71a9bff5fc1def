package intake

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxRoles bounds one server.
const maxRoles = 16

// RolesDraft is which logical servers a person puts on a server.
type RolesDraft struct {
	Roles []fleet.LogicalServer `json:"roles" doc:"Its logical servers: each has a type, and is in a server group that is for this type."`
}

// Check records all fields that are wrong.
func (d RolesDraft) Check(c *fault.Check, look Lookup) {
	c.Require(len(d.Roles) <= maxRoles, "roles", "has %d; %d are the most", len(d.Roles), maxRoles)
	for i, role := range d.Roles[:min(len(d.Roles), maxRoles)] {
		field := fmt.Sprintf("roles[%d]", i)
		reselling.CheckType(c, field+".type", role.Type)
		g, known := look.ServerGroup(role.Group)
		c.Require(known, field+".group", "%.80q does not exist; see: steelyard server-group list", role.Group)
		c.Require(!known || g.Has(role.Type), field+".group", "server group %s is not for %.40q", g.Name, role.Type)
		c.Require(!slices.Contains(d.Roles[:i], role), field, "is there twice")
	}
}

// SetRoles says which logical servers a server carries, while it is still at revision rev. A server that is assigned to a plan keeps its own (rule H13),
// and a type that customers use stays.
func (in *Intake) SetRoles(ctx context.Context, actor access.Actor, serverID string, rev int64, d RolesDraft) (s fleet.Server, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Servers.Get(tx, serverID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Servers, serverID, rev, before); err != nil {
			return err
		}
		if slices.Equal(before.Roles, d.Roles) {
			s = before
			return nil
		}
		if err := checked(tx, "the logical servers cannot be changed", d.Check); err != nil {
			return err
		}
		if err := cmp.Or(mayChangeRoles(tx, before, d)); err != nil {
			return err
		}
		s = before
		s.Roles = slices.Clone(d.Roles)
		return cmp.Or(store.Servers.Put(tx, serverID, s), use(tx, "server-groups", roleUses(before.Roles), roleUses(s.Roles), s.ID),
			audit(tx, actor, "server.roles", "servers/"+serverID, before, s, "", now))
	})
	return s, at, err
}

func roleUses(roles []fleet.LogicalServer) (list []string) {
	for _, role := range roles {
		if key := roleUse(role.Group, role.Type); !slices.Contains(list, key) {
			list = append(list, key)
		}
	}
	return list
}

func mayChangeRoles(tx *store.Tx, s fleet.Server, d RolesDraft) error {
	if s.Approval == fleet.Retired {
		return gone(&s)
	}
	if err := KeptForPlan(tx, &s, "its logical servers are what the plan promises"); err != nil {
		return err
	}
	if s.ContentMove != "" {
		return moving(&s)
	}
	load, _, err := store.Loads.Find(tx, s.ID)
	if err != nil {
		return err
	}
	for _, role := range s.Roles {
		if n := load.Of(role.Type); n > 0 && !carries(d.Roles, role.Type) {
			return fault.Refused("server %s keeps its %s server: customers have %d things on it; see: steelyard placement list --server %s", s.Name, role.Type, n, s.Name)
		}
	}
	return nil
}

func carries(roles []fleet.LogicalServer, kind string) bool {
	return slices.ContainsFunc(roles, func(l fleet.LogicalServer) bool { return l.Type == kind })
}

// carriesKind refuses a server without the logical server for a kind of placement.
func carriesKind(s fleet.Server, kind string) error {
	if service := hosting.ServiceOf(kind); !carries(s.Roles, service) {
		return fault.Refused("server %s has no %s server, which a %s needs; see: steelyard server set-roles", s.Name, service, kind)
	}
	return nil
}
