package intake

import (
	"cmp"
	"context"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// ServerGroupDraft is what a person says of a group of logical servers.
type ServerGroupDraft struct {
	Name  string   `json:"name" doc:"Shown to people; unique without regard to case."`
	Types []string `json:"types" doc:"What the logical servers in it are for: web, mail, mysql, dns, ftp, list. A server whose groups are for web, mail and mysql and nothing else may be assigned to a plan (H3)."`
}

// DraftOfServerGroup is the draft that would make g.
func DraftOfServerGroup(g reselling.ServerGroup) ServerGroupDraft {
	return ServerGroupDraft{Name: g.Name, Types: g.Types}
}

func (d ServerGroupDraft) onto(g reselling.ServerGroup) reselling.ServerGroup {
	g.Name, g.Types = d.Name, slices.Clone(d.Types)
	return g
}

// Check records all fields that are wrong; self is the group that is edited.
func (d ServerGroupDraft) Check(c *fault.Check, look Lookup, self string) {
	g := d.onto(reselling.ServerGroup{})
	g.Check(c)
	checkTaken(c, look, "server-groups", "name", d.Name, self)
	before, _ := look.ServerGroup(self)
	for _, kind := range before.Types {
		if users := look.Users("server-groups", roleUse(self, kind)); len(users) > 0 && !g.Has(kind) {
			c.Add("types", "leaves out %s, but %s servers of it are on %s; take them off first: steelyard server set-roles", kind, kind, order.Some(users))
		}
	}
}

// roleUse is what the servers with a role of a type in a group use.
func roleUse(group, kind string) string { return group + "/" + kind }

// CreateServerGroup adds a group.
func (in *Intake) CreateServerGroup(ctx context.Context, actor access.Actor, d ServerGroupDraft) (g reselling.ServerGroup, rev int64, err error) {
	now, fresh := in.now(), id.New("sgr")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the server group cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		g = d.onto(reselling.ServerGroup{ID: fresh, CreatedAt: now})
		return cmp.Or(store.ServerGroups.Create(tx, g.ID, g), rename(tx, "server-groups", "", g.Name, g.ID),
			audit(tx, actor, "server-group.create", "server-groups/"+g.ID, nil, g, "", now), remember(tx, "server-groups", g.ID, g, now))
	})
	return g, rev, err
}

// EditServerGroup changes a group that is still at revision rev. Its types stay as long as a server of it is assigned to a plan (rule H13).
func (in *Intake) EditServerGroup(ctx context.Context, actor access.Actor, groupID string, rev int64,
	edit func(ServerGroupDraft) (ServerGroupDraft, error),
) (g reselling.ServerGroup, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.ServerGroups.Get(tx, groupID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.ServerGroups, groupID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfServerGroup(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the server group cannot be changed", func(c *fault.Check, look Lookup) { d.Check(c, look, groupID) }); err != nil {
			return err
		}
		g = d.onto(before)
		if !sameTypes(before.Types, g.Types) {
			if err := noneAssigned(tx, before); err != nil {
				return err
			}
		}
		return cmp.Or(store.ServerGroups.Put(tx, groupID, g), rename(tx, "server-groups", before.Name, g.Name, groupID),
			audit(tx, actor, "server-group.edit", "server-groups/"+groupID, before, g, "", now))
	})
	return g, at, err
}

func sameTypes(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// noneAssigned refuses to change what a group is for while a server of it is assigned to a plan (rule H13). One that is assigned at this very moment
// is found ineligible afterwards, and skipped.
func noneAssigned(tx *store.Tx, g reselling.ServerGroup) error {
	for item := range store.Servers.Items(tx.Hint()) {
		s := item.Value
		if s.Claim.Kind != fleet.ClaimPlan || !slices.ContainsFunc(s.Roles, func(l fleet.LogicalServer) bool { return l.Group == g.ID }) {
			continue
		}
		if err := KeptForPlan(tx, s, "what server group "+g.Name+" is for cannot be changed"); err != nil {
			return err
		}
	}
	return nil
}

// DeleteServerGroup removes a group that no server is in.
func (in *Intake) DeleteServerGroup(ctx context.Context, actor access.Actor, groupID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		g, err := store.ServerGroups.Get(tx, groupID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.ServerGroups, groupID, rev, g); err != nil {
			return err
		}
		for _, kind := range g.Types {
			list, err := usersOf(tx, "server-groups", roleUse(groupID, kind))
			if err != nil {
				return err
			}
			if len(list) > 0 {
				return fault.Refused("%s servers on %s are in server group %s; move them first: steelyard server set-roles", kind, order.Some(list), g.Name)
			}
		}
		return cmp.Or(store.ServerGroups.Delete(tx, groupID), rename(tx, "server-groups", g.Name, "", groupID),
			audit(tx, actor, "server-group.delete", "server-groups/"+groupID, g, nil, "", now))
	})
}
