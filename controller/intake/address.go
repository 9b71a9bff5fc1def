package intake

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// AssignAddresses gives a server one address of each family that the pools have, for
// a service; of several pools of a family the first that has one. No pools named
// means all of the server's location, in their order. What the service has on the
// server already stays, what an earlier one left there is released. The fault is
// refused when the pools of a family are exhausted, and unavailable when this replica
// has not seen yet who took their last addresses.
func AssignAddresses(tx *store.Tx, s *fleet.Server, svc order.Service, poolIDs []string, now time.Time) ([]address.Address, error) {
	held, err := heldBy(tx, s.ID)
	if err != nil {
		return nil, err
	}
	pools, err := poolsFor(tx, s.Location, poolIDs)
	if err != nil {
		return nil, err
	}
	before := slices.Clone(held)
	held, err = evict(tx, held, svc.ID, now)
	if err != nil {
		return nil, err
	}
	for _, family := range []string{address.IPv4, address.IPv6} {
		of := slices.DeleteFunc(slices.Clone(pools), func(p address.Pool) bool { return p.Family != family })
		has := slices.ContainsFunc(held, func(a address.Address) bool { return a.Family == family && a.Service == svc.ID })
		if len(of) == 0 || has {
			continue
		}
		a, err := takeFirst(tx, of)
		if err != nil {
			return nil, err
		}
		a = owned(a, s.ID, svc.ID, svc.Customer, now)
		if err := store.Addresses.Put(tx, a.ID, a); err != nil {
			return nil, err
		}
		held = append(held, a)
	}
	return held, keep(tx, access.System, s.ID, before, held, "", now)
}

func owned(a address.Address, server, service, customer string, now time.Time) address.Address {
	a.State, a.Server, a.Service, a.Customer, a.Since, a.Until = address.Used, server, service, customer, now, time.Time{}
	return a
}

// evict releases what other services have; what was given to the server by hand stays.
func evict(tx *store.Tx, held []address.Address, service string, now time.Time) (rest []address.Address, err error) {
	for _, a := range held {
		if a.Service == "" || a.Service == service {
			rest = append(rest, a)
			continue
		}
		if err := store.Addresses.Put(tx, a.ID, a.Released(now)); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// keep stores which addresses a server has, with a line in the audit log, if they changed.
func keep(tx *store.Tx, actor access.Actor, server string, before, after []address.Address, reason string, now time.Time) error {
	was, is := namesOf(before), namesOf(after)
	if slices.Equal(was, is) {
		return nil
	}
	action := "server.addresses"
	line := audit(tx, actor, action, "servers/"+server, address.Holding{Addresses: was}, address.Holding{Addresses: is}, reason, now)
	if len(is) == 0 {
		return cmp.Or(line, store.Holdings.Delete(tx, server))
	}
	return cmp.Or(line, store.Holdings.Put(tx, server, address.Holding{Addresses: is}))
}

func namesOf(list []address.Address) []string {
	ids := make([]string, len(list))
	for i, a := range list {
		ids[i] = a.ID
	}
	return ids
}

// heldBy reads the addresses of a server.
func heldBy(tx *store.Tx, server string) (list []address.Address, err error) {
	h, _, err := store.Holdings.Find(tx, server)
	if err != nil {
		return nil, err
	}
	for _, id := range h.Addresses {
		a, err := store.Addresses.Get(tx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// poolsFor reads the pools that are named, or all of a location.
func poolsFor(tx *store.Tx, location string, ids []string) (pools []address.Pool, err error) {
	if len(ids) == 0 {
		atlas, _, err := store.Atlases.Find(tx, store.FleetAtlas)
		if err != nil {
			return nil, err
		}
		for _, e := range atlas.At(location) {
			ids = append(ids, e.ID)
		}
	}
	for _, id := range ids {
		p, err := store.Pools.Get(tx, id)
		if err != nil {
			return nil, err
		}
		pools = append(pools, p)
	}
	return pools, nil
}

// takeFirst takes an address out of the first pool that has one.
func takeFirst(tx *store.Tx, pools []address.Pool) (address.Address, error) {
	var names []string
	for _, p := range pools {
		if !p.Closed {
			a, ok, err := take(tx, p)
			if err != nil || ok {
				return a, err
			}
		}
		names = append(names, p.Name+" ("+p.Prefix+")")
	}
	return address.Address{}, fault.Refused("no address is free in pool %s; release some, or make another pool: steelyard pool create", strings.Join(names, ", "))
}

// maxTaken is how many addresses, that were free in the snapshot, may turn out to be
// taken before a change gives up; it then runs again with a newer one.
const maxTaken = 16

// take finds an address of a pool that nobody has: the lowest free one that no other
// running change is about to take, then any free one, then the one that has rested
// longest. Where to look is read from the snapshot; what is taken is read in tx, so
// that no address is ever given twice (compare rule X2).
func take(tx *store.Tx, p address.Pool) (a address.Address, ok bool, err error) {
	space, err := address.SpaceOf(p)
	if err != nil {
		return a, false, err
	}
	known := store.Addresses.Range(tx.Hint(), store.AddressOrder, p.ID+"/")
	resting := store.Addresses.Range(tx.Hint(), store.AddressRest, p.ID+"/")
	vacant := space.Vacant(known.Len(), func(i int) string { return known.At(i).ID })
	for _, look := range []func() (address.Address, bool, error){
		func() (address.Address, bool, error) { return takeVacant(tx, p, space, vacant, true) },
		func() (address.Address, bool, error) { return takeVacant(tx, p, space, vacant, false) },
		func() (address.Address, bool, error) { return takeRested(tx, p, space, resting, true) },
		func() (address.Address, bool, error) { return takeRested(tx, p, space, resting, false) },
	} {
		if a, ok, err = look(); err != nil || ok {
			return a, ok, err
		}
	}
	return a, false, nil
}

// takeVacant is the first of vacant that has no record; polite leaves out what others want.
func takeVacant(tx *store.Tx, p address.Pool, space address.Space, vacant iter.Seq[uint64], polite bool) (a address.Address, ok bool, err error) {
	taken := 0
	for slot := range vacant {
		a = space.Record(p.ID, slot)
		if !store.Addresses.Want(tx, a.ID) && polite || given(tx, a.ID) {
			continue
		}
		_, known, err := store.Addresses.Find(tx, a.ID)
		if err != nil || !known {
			return a, err == nil, err
		}
		if taken++; taken > maxTaken {
			return a, false, fault.Unavailable("others keep taking addresses out of pool %s; try again", p.Name)
		}
	}
	return a, false, nil
}

// given reports whether an address has a record by now: whoever wanted it before this
// change did, and has it, is in the newest snapshot.
func given(tx *store.Tx, id string) bool {
	_, known := store.Addresses.In(tx.Hint(), id)
	return known
}

// takeRested is the resting address that is free first, whether or not its time is
// over; polite leaves out what others want.
func takeRested(tx *store.Tx, p address.Pool, space address.Space, resting store.Range[address.Address], polite bool) (a address.Address, ok bool, err error) {
	taken := 0
	for i := range resting.Len() {
		id := resting.At(i).ID
		slot, inside := space.Slot(id)
		if !inside || !store.Addresses.Want(tx, id) && polite {
			continue
		}
		a, known, err := store.Addresses.Find(tx, id)
		if err != nil {
			return a, false, err
		}
		if !known || a.State == address.Resting {
			return space.Record(p.ID, slot), true, nil
		}
		if taken++; taken > maxTaken {
			return a, false, fault.Unavailable("others keep taking addresses out of pool %s; try again", p.Name)
		}
	}
	return a, false, nil
}

// RemoveAddresses takes all addresses off a server (rule B36); they rest. It tells
// which they were; none is no error.
func RemoveAddresses(tx *store.Tx, serverID string, actor access.Actor, reason string, now time.Time) (removed []string, err error) {
	held, err := heldBy(tx, serverID)
	if err != nil {
		return nil, err
	}
	for _, a := range held {
		if err := store.Addresses.Put(tx, a.ID, a.Released(now)); err != nil {
			return nil, err
		}
	}
	return namesOf(held), keep(tx, actor, serverID, held, nil, reason, now)
}

// NetworkOf is what the system that is installed on a server is handed; nil when the
// server has no addresses.
func NetworkOf(tx *store.Tx, serverID string) (*protocol.Network, error) {
	held, err := heldBy(tx, serverID)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	pools := map[string]address.Pool{}
	for _, a := range held {
		if _, known := pools[a.Pool]; known {
			continue
		}
		if pools[a.Pool], err = store.Pools.Get(tx, a.Pool); err != nil {
			return nil, err
		}
	}
	f, _, err := store.Facts.Find(tx, serverID)
	if err != nil {
		return nil, err
	}
	s, _, err := store.Servers.Find(tx, serverID)
	if err != nil {
		return nil, err
	}
	if gone := strangers(&s, s.BondMembers); len(gone) > 0 {
		return nil, fault.Refused("the bond of server %s has the card %s, which the server does not have any more; say which it has: steelyard server edit %s --bond-members MAC,MAC", s.Name, gone[0], s.Name)
	}
	return address.Network(held, pools, uplink(&f.Inventory), s.Bond())
}

// uplink is the permanent address of the first interface that has a link, or of the
// first one at all; "" when none is known.
func uplink(inv *hardware.Inventory) string {
	var first string
	for _, n := range inv.NICs {
		if n.PermanentMAC != "" && n.Link {
			return n.PermanentMAC
		}
		first = cmp.Or(first, n.PermanentMAC)
	}
	return first
}

// AddressWish asks for an address by hand.
type AddressWish struct {
	Pool    string `json:"pool,omitempty" doc:"Id of a pool of the server's location."`
	Address string `json:"address,omitempty" doc:"This one, out of whichever pool of the location has it; else the lowest free one."`
}

// AssignAddress gives a server an address by hand. It belongs to the service that the
// server has now, if there is one.
func (in *Intake) AssignAddress(ctx context.Context, actor access.Actor, serverID string, w AddressWish) (a address.Address, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		s, err := store.Servers.Get(tx, serverID)
		if err != nil {
			return err
		}
		held, err := heldBy(tx, s.ID)
		if err != nil {
			return err
		}
		if len(held) >= address.MaxHeld {
			return fault.Refused("server %s has %d addresses, which is the most", s.Name, len(held))
		}
		if a, err = choose(tx, s, w); err != nil {
			return err
		}
		svc, err := serviceOn(tx, s)
		if err != nil {
			return err
		}
		a = owned(a, s.ID, svc.ID, svc.Customer, now)
		return cmp.Or(store.Addresses.Put(tx, a.ID, a), keep(tx, actor, s.ID, held, append(slices.Clone(held), a), "", now),
			remember(tx, "addresses", a.ID, a, now))
	})
	return a, rev, err
}

// serviceOn is the service that a client's server carries.
func serviceOn(tx *store.Tx, s fleet.Server) (svc order.Service, err error) {
	if s.Claim.Kind == fleet.ClaimClient {
		svc, _, err = store.Services.Find(tx, s.Claim.Ref)
	}
	return svc, err
}

// choose finds the address that a wish means.
func choose(tx *store.Tx, s fleet.Server, w AddressWish) (address.Address, error) {
	var named []string
	if w.Pool != "" {
		named = []string{w.Pool}
	}
	pools, err := poolsFor(tx, s.Location, named)
	if err != nil {
		return address.Address{}, err
	}
	if i := slices.IndexFunc(pools, func(p address.Pool) bool { return p.Location != s.Location }); i >= 0 {
		return address.Address{}, fault.Refused("pool %s is of another location than server %s", pools[i].Name, s.Name)
	}
	switch {
	case w.Address != "":
		return chosen(tx, pools, address.Canonical(w.Address))
	case len(pools) == 0:
		return address.Address{}, fault.Refused("the location of server %s has no pool; make one first: steelyard pool create", s.Name)
	}
	return takeFirst(tx, pools)
}

// chosen is the address that was named; a resting one is taken too, because a person
// asked for it.
func chosen(tx *store.Tx, pools []address.Pool, id string) (address.Address, error) {
	for _, p := range pools {
		space, err := address.SpaceOf(p)
		if err != nil {
			return address.Address{}, err
		}
		slot, ok := space.Slot(id)
		if !ok || p.Closed {
			continue
		}
		a, known, err := store.Addresses.Find(tx, id)
		if err == nil && known && a.State == address.Used {
			err = fault.Refused("address %s is in use by server %s", id, a.Server)
		}
		return space.Record(p.ID, slot), err
	}
	return address.Address{}, fault.Refused("no open pool of that location hands out %.80q; network, broadcast, gateway and reserved addresses are never handed out", id)
}

// ReleaseAddress takes an address off its server by hand. One that belongs to a
// service needs a reason, because its customer loses it.
func (in *Intake) ReleaseAddress(ctx context.Context, actor access.Actor, addressID, reason string) (a address.Address, rev int64, err error) {
	now := in.now()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Addresses.Get(tx, addressID)
		if err != nil {
			return err
		}
		if before.State != address.Used {
			return fault.Refused("no server has address %s; it rests until %s", before.ID, before.Until.Format(time.RFC3339))
		}
		if before.Service != "" && reason == "" {
			return fault.Refused("address %s belongs to service %s of %s; give a reason to take it away", before.ID, before.Service, before.Customer)
		}
		held, err := heldBy(tx, before.Server)
		if err != nil {
			return err
		}
		a = before.Released(now)
		rest := slices.DeleteFunc(slices.Clone(held), func(h address.Address) bool { return h.ID == a.ID })
		return cmp.Or(store.Addresses.Put(tx, a.ID, a), keep(tx, actor, before.Server, held, rest, reason, now))
	})
	return a, rev, err
}

// AddressDraft is what can be said of an address that a server has.
type AddressDraft struct {
	RDNS string `json:"rdns,omitempty" doc:"Full name that the reverse record should have. Steelyard keeps it and tells it in events; it runs no name server."`
}

// Check records all fields that are wrong.
func (d AddressDraft) Check(c *fault.Check) {
	if d.RDNS == "" {
		return
	}
	order.CheckHostname(c, "rdns", d.RDNS)
	c.Require(strings.Contains(d.RDNS, "."), "rdns", "%.60q is not a full name like web1.example.net", d.RDNS)
}

// EditAddress changes what is said of an address that is still at revision rev.
func (in *Intake) EditAddress(ctx context.Context, actor access.Actor, addressID string, rev int64,
	edit func(AddressDraft) (AddressDraft, error),
) (a address.Address, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Addresses.Get(tx, addressID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Addresses, addressID, rev, before); err != nil {
			return err
		}
		if before.State != address.Used {
			return fault.Refused("no server has address %s; it rests until %s", before.ID, before.Until.Format(time.RFC3339))
		}
		d, err := edit(AddressDraft{RDNS: before.RDNS})
		if err != nil {
			return err
		}
		if err := checked(tx, "the address cannot be changed", func(c *fault.Check, _ Lookup) { d.Check(c) }); err != nil {
			return err
		}
		a = before
		a.RDNS = strings.ToLower(d.RDNS)
		return cmp.Or(store.Addresses.Put(tx, addressID, a), audit(tx, actor, "address.edit", "addresses/"+addressID, before, a, "", now))
	})
	return a, at, err
}

// ForgetAddresses deletes up to most records of addresses that have rested, and of
// resting ones whose pool is gone, and says how many.
func (in *Intake) ForgetAddresses(ctx context.Context, most int) (n int, err error) {
	now, snap := in.now(), in.store.Snapshot()
	for item := range store.Addresses.Where(snap, func(a *address.Address) bool { return rested(snap, a, now) }) {
		if n == most {
			return n, nil
		}
		if err := in.change(ctx, func(tx *store.Tx) error {
			a, known, err := store.Addresses.Find(tx, item.ID)
			if err != nil || !known || a.State != address.Resting || !a.Until.Equal(item.Value.Until) {
				return err
			}
			return store.Addresses.Delete(tx, item.ID)
		}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func rested(snap *store.Snapshot, a *address.Address, now time.Time) bool {
	if a.State != address.Resting {
		return false
	}
	_, known := store.Pools.In(snap, a.Pool)
	return !known || !a.Until.After(now)
}

// PoolUse counts the addresses of a pool in a snapshot.
func PoolUse(snap *store.Snapshot, p *address.Pool) address.Use {
	space, err := address.SpaceOf(*p)
	if err != nil {
		return address.Use{}
	}
	all := store.Addresses.Range(snap, store.AddressOrder, p.ID+"/").Len()
	resting := store.Addresses.Range(snap, store.AddressRest, p.ID+"/").Len()
	return address.UseOf(space.Capacity(), uint64(all-resting), uint64(resting))
}
