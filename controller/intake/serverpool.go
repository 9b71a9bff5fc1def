package intake

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// ServerPoolDraft is what a person says of a pool of servers (rule S12).
type ServerPoolDraft struct {
	Name      string   `json:"name" doc:"Shown to people; unique without regard to case."`
	Service   string   `json:"service" doc:"What customers get from it: web, mail, mysql, dns, ftp or list."`
	Policy    string   `json:"policy,omitempty" doc:"first-fit (unless given): the first member with room. round-robin: the next after the last one. least-sold: the one with the smallest share promised."`
	Members   []string `json:"members,omitempty" doc:"Ids of servers, in the order of first fit."`
	Automatic bool     `json:"automatic,omitempty" doc:"Placements that name no server get one of the pool. Otherwise they must name one."`
	Oversell  bool     `json:"oversell,omitempty" doc:"More disk space may be promised on a member than it has."`
}

// DraftOfServerPool is the draft that would make p.
func DraftOfServerPool(p reselling.Pool) ServerPoolDraft {
	return ServerPoolDraft{Name: p.Name, Service: p.Service, Policy: p.Policy, Members: p.Members, Automatic: p.Automatic, Oversell: p.Oversell}
}

func (d ServerPoolDraft) onto(p reselling.Pool) reselling.Pool {
	p.Name, p.Service, p.Policy, p.Members = d.Name, d.Service, cmp.Or(d.Policy, reselling.FirstFit), slices.Clone(d.Members)
	p.Automatic, p.Oversell = d.Automatic, d.Oversell
	return p
}

// Check records all fields that are wrong; self is the pool that is edited.
func (d ServerPoolDraft) Check(c *fault.Check, look Lookup, self string) {
	p := d.onto(reselling.Pool{})
	p.Check(c)
	checkTaken(c, look, "server-pools", "name", d.Name, self)
}

// checkMembers records servers that do not exist. Of a large pool only those are read that were not in it before: a commit reads a hundred records at most.
func checkMembers(c *fault.Check, find func(id string) bool, before, after []string) {
	fresh := 0
	for i, member := range after[:min(len(after), reselling.MaxMembers)] {
		if slices.Contains(before, member) {
			continue
		}
		fresh++
		c.Require(find(member), fmt.Sprintf("members[%d]", i), "%.80q does not exist; see: steelyard server list", member)
	}
}

// snapshotHas reports whether a snapshot shows a server. That it is there when the commit is made is not proven, and need not be: a member that is gone
// is not chosen.
func snapshotHas(snap *store.Snapshot) func(string) bool {
	return func(id string) bool { _, ok := store.Servers.In(snap, id); return ok }
}

// CheckMembers is what the API tells before anything is tried.
func (in *Intake) CheckMembers(c *fault.Check, d ServerPoolDraft) {
	checkMembers(c, snapshotHas(in.store.Snapshot()), nil, d.Members)
}

// CreateServerPool adds a pool.
func (in *Intake) CreateServerPool(ctx context.Context, actor access.Actor, d ServerPoolDraft) (p reselling.Pool, rev int64, err error) {
	now, fresh := in.now(), id.New("spl")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the server pool cannot be made", func(c *fault.Check, look Lookup) {
			d.Check(c, look, "")
			checkMembers(c, snapshotHas(tx.Hint()), nil, d.Members)
		}); err != nil {
			return err
		}
		p = d.onto(reselling.Pool{ID: fresh, CreatedAt: now})
		return cmp.Or(store.ServerPools.Create(tx, p.ID, p), rename(tx, "server-pools", "", p.Name, p.ID),
			audit(tx, actor, "server-pool.create", "server-pools/"+p.ID, nil, p, "", now), remember(tx, "server-pools", p.ID, p, now))
	})
	return p, rev, err
}

// EditServerPool changes a pool that is still at revision rev. What was placed stays where it is.
func (in *Intake) EditServerPool(ctx context.Context, actor access.Actor, poolID string, rev int64,
	edit func(ServerPoolDraft) (ServerPoolDraft, error),
) (p reselling.Pool, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.ServerPools.Get(tx, poolID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.ServerPools, poolID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfServerPool(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the server pool cannot be changed", func(c *fault.Check, look Lookup) {
			d.Check(c, look, poolID)
			checkMembers(c, snapshotHas(tx.Hint()), before.Members, d.Members)
		}); err != nil {
			return err
		}
		p = d.onto(before)
		return cmp.Or(store.ServerPools.Put(tx, poolID, p), rename(tx, "server-pools", before.Name, p.Name, poolID),
			audit(tx, actor, "server-pool.edit", "server-pools/"+poolID, before, p, "", now))
	})
	return p, at, err
}

// DeleteServerPool removes a pool. What was placed from it stays.
func (in *Intake) DeleteServerPool(ctx context.Context, actor access.Actor, poolID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		p, err := store.ServerPools.Get(tx, poolID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.ServerPools, poolID, rev, p); err != nil {
			return err
		}
		return cmp.Or(store.ServerPools.Delete(tx, poolID), rename(tx, "server-pools", p.Name, "", poolID),
			audit(tx, actor, "server-pool.delete", "server-pools/"+poolID, p, nil, "", now))
	})
}
