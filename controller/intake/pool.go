package intake

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// PoolDraft is what a person says of an IP pool (rule B4).
type PoolDraft struct {
	Name      string   `json:"name" doc:"Shown to people; unique without regard to case."`
	Location  string   `json:"location" doc:"Id of the location whose servers get its addresses. Fixed for ever."`
	Prefix    string   `json:"prefix" doc:"192.0.2.0/24 or 2001:db8::/48; no other pool of the fleet may overlap. Fixed for ever."`
	Assign    int      `json:"assign_bits,omitempty" doc:"Length of what one server gets: 32 of IPv4, up to 128 of IPv6. Unless given a single address, or a /64 out of a shorter prefix. Fixed for ever."`
	Gateway   string   `json:"gateway,omitempty" doc:"Of the same family; never handed out. May be link-local in IPv6."`
	VLAN      int      `json:"vlan,omitempty" doc:"Tag of its addresses in installed systems, 1 to 4094; none or 0: untagged. A change holds for systems that are installed later."`
	DNS       []string `json:"dns,omitempty" doc:"Resolvers of either family."`
	Reserved  []string `json:"reserved,omitempty" doc:"Never handed out: addresses, prefixes, or first-last."`
	SortOrder int      `json:"sort_order,omitempty" doc:"The lowest of a family is used first."`
	Closed    bool     `json:"closed,omitempty" doc:"Hand out nothing more; what is in use stays."`
}

// DraftOfPool is the draft that would make p.
func DraftOfPool(p address.Pool) PoolDraft {
	return PoolDraft{
		Name: p.Name, Location: p.Location, Prefix: p.Prefix, Assign: p.Assign, Gateway: p.Gateway,
		VLAN: p.VLAN, DNS: p.DNS, Reserved: p.Reserved, SortOrder: p.SortOrder, Closed: p.Closed,
	}
}

func (d PoolDraft) pool() address.Pool {
	return address.Pool{
		Name: d.Name, Location: d.Location, Prefix: d.Prefix, Assign: d.Assign, Gateway: d.Gateway,
		VLAN: d.VLAN, DNS: d.DNS, Reserved: d.Reserved, SortOrder: d.SortOrder, Closed: d.Closed,
	}.Normalised()
}

// Check records all fields that are wrong; self is the pool that is edited.
func (d PoolDraft) Check(c *fault.Check, look Lookup, self string) {
	p := d.pool()
	order.CheckName(c, "name", d.Name)
	order.CheckSort(c, "sort_order", d.SortOrder)
	p.Check(c)
	checkTaken(c, look, "pools", "name", d.Name, self)
	_, ok := look.Location(d.Location)
	c.Require(ok, "location", "%q does not exist; see: steelyard location list", d.Location)
	atlas := look.Atlas()
	if other, overlaps := atlas.Overlapping(p.Prefix, self); overlaps {
		c.Add("prefix", "%s overlaps pool %s (%s) with %s; an address may be in one pool only", p.Prefix, other.Name, other.ID, other.Prefix)
	}
	if before, ok := atlas.Find(self); ok {
		c.Require(before.Prefix == p.Prefix, "prefix", "cannot be changed; make another pool")
		c.Require(before.Assign == p.Assign, "assign_bits", "cannot be changed; make another pool")
		c.Require(before.Location == p.Location, "location", "cannot be changed; make another pool")
	}
	c.Require(self != "" || len(atlas.Pools) < address.MaxPools, "prefix", "cannot be added: the fleet has %d pools, and %d are the most", len(atlas.Pools), address.MaxPools)
}

// CreatePool adds an IP pool.
func (in *Intake) CreatePool(ctx context.Context, actor access.Actor, d PoolDraft) (p address.Pool, rev int64, err error) {
	now, fresh := in.now(), id.New("pol")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the pool cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		p = d.pool()
		p.ID, p.CreatedAt = fresh, now
		return cmp.Or(store.Pools.Create(tx, p.ID, p), enterPool(tx, p), rename(tx, "pools", "", p.Name, p.ID),
			use(tx, "locations", nil, []string{p.Location}, poolUser(p)),
			audit(tx, actor, "pool.create", "pools/"+p.ID, nil, p, "", now),
			remember(tx, "pools", p.ID, p, now))
	})
	return p, rev, err
}

func poolUser(p address.Pool) string { return "pool " + p.Name + " (" + p.ID + ")" }

// EditPool changes a pool that is still at revision rev. What was handed out stays
// as it is, also where it is reserved now.
func (in *Intake) EditPool(ctx context.Context, actor access.Actor, poolID string, rev int64,
	edit func(PoolDraft) (PoolDraft, error),
) (p address.Pool, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Pools.Get(tx, poolID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Pools, poolID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfPool(before))
		if err != nil {
			return err
		}
		p = d.pool()
		p.ID, p.CreatedAt = before.ID, before.CreatedAt
		if err := checked(tx, "the pool cannot be changed", func(c *fault.Check, look Lookup) {
			d.Check(c, look, poolID)
			in.checkGatewayFree(c, before, p)
		}); err != nil {
			return err
		}
		return cmp.Or(store.Pools.Put(tx, poolID, p), enterPool(tx, p), rename(tx, "pools", before.Name, p.Name, poolID),
			use(tx, "locations", []string{p.Location}, nil, poolUser(before)), use(tx, "locations", nil, []string{p.Location}, poolUser(p)),
			audit(tx, actor, "pool.edit", "pools/"+poolID, before, p, "", now))
	})
	return p, at, err
}

// checkGatewayFree records a new gateway that a server has as its own address.
func (in *Intake) checkGatewayFree(c *fault.Check, before, after address.Pool) {
	if after.Gateway == "" || after.Gateway == before.Gateway {
		return
	}
	if a, ok := store.Addresses.View(in.store, after.Gateway); ok && a.State == address.Used {
		c.Add("gateway", "%s is in use by server %s; release it first", after.Gateway, a.Server)
	}
}

// DeletePool removes a pool out of which no server has an address. It is closed
// first, so that nobody gets one while it is looked.
func (in *Intake) DeletePool(ctx context.Context, actor access.Actor, poolID string, rev int64) (at int64, err error) {
	before, err := in.closePool(ctx, poolID, rev)
	if err != nil {
		return 0, err
	}
	if at, err = in.dropPool(ctx, actor, poolID); err == nil || before.Closed {
		return at, err
	}
	reopen := in.change(ctx, func(tx *store.Tx) error {
		p, err := store.Pools.Get(tx, poolID)
		p.Closed = false
		return cmp.Or(err, store.Pools.Put(tx, poolID, p))
	})
	return 0, cmp.Or(err, reopen)
}

// closePool returns the pool as it was. What was handed out before is in the snapshot
// of this replica afterwards.
func (in *Intake) closePool(ctx context.Context, poolID string, rev int64) (before address.Pool, err error) {
	err = in.change(ctx, func(tx *store.Tx) error {
		if before, err = store.Pools.Get(tx, poolID); err != nil {
			return err
		}
		if err := cmp.Or(unchanged(in, store.Pools, poolID, rev, before), in.unusedPool(tx, before)); err != nil || before.Closed {
			return err
		}
		closed := before
		closed.Closed = true
		return store.Pools.Put(tx, poolID, closed)
	})
	return before, err
}

// dropPool removes a closed pool, and the records of its resting addresses; the rest
// of very many is tidied up later.
func (in *Intake) dropPool(ctx context.Context, actor access.Actor, poolID string) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		p, err := store.Pools.Get(tx, poolID)
		if err != nil {
			return err
		}
		if seen, ok := store.Pools.In(tx.Hint(), poolID); !ok || !seen.Closed {
			return fault.Unavailable("pool %s is closed, but this replica has not seen it yet; try again", p.Name)
		}
		if err := in.unusedPool(tx, p); err != nil {
			return err
		}
		atlas, _, err := store.Atlases.Find(tx, store.FleetAtlas)
		return cmp.Or(err, store.Pools.Delete(tx, poolID), store.Atlases.Put(tx, store.FleetAtlas, atlas.Without(poolID)),
			rename(tx, "pools", p.Name, "", poolID), use(tx, "locations", []string{p.Location}, nil, poolUser(p)),
			audit(tx, actor, "pool.delete", "pools/"+poolID, p, nil, "", now))
	})
}

// unusedPool refuses a pool that modules or servers need.
func (in *Intake) unusedPool(tx *store.Tx, p address.Pool) error {
	modules, err := usersOf(tx, "pools", p.ID)
	if err != nil {
		return err
	}
	if len(modules) > 0 {
		return fault.Refused("pool %s is named by %s; take it off them first", p.Name, order.Some(modules))
	}
	if err := in.lastPool(tx, p); err != nil {
		return err
	}
	if list := usedOf(tx.Hint(), p.ID); len(list) > 0 {
		return fault.Refused("addresses of pool %s are in use (%s); release them first: steelyard address list --pool %s", p.Name, order.Some(list), p.Name)
	}
	return nil
}

// lastPool refuses the only pool of a location that modules use (rule B4).
func (in *Intake) lastPool(tx *store.Tx, p address.Pool) error {
	atlas, _, err := store.Atlases.Find(tx, store.FleetAtlas)
	if err != nil || len(atlas.At(p.Location)) > 1 {
		return err
	}
	all, err := usersOf(tx, "locations", p.Location)
	modules := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, "module ") })
	if err == nil && len(modules) > 0 {
		err = fault.Refused("pool %s is the only one of its location, which %s uses (B4); make another pool first", p.Name, order.Some(modules))
	}
	return err
}

// usedOf lists the first few addresses of a pool that servers have, in words.
func usedOf(snap *store.Snapshot, poolID string) (list []string) {
	all := store.Addresses.Range(snap, store.AddressOrder, poolID+"/")
	for i := 0; i < all.Len() && len(list) < 6; i++ {
		if a := all.At(i).Value; a.State == address.Used {
			list = append(list, a.ID+" on "+a.Server)
		}
	}
	return list
}

func enterPool(tx *store.Tx, p address.Pool) error {
	atlas, _, err := store.Atlases.Find(tx, store.FleetAtlas)
	return cmp.Or(err, store.Atlases.Put(tx, store.FleetAtlas, atlas.With(p)))
}
