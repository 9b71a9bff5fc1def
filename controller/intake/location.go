package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// LocationDraft is what a person says of a data centre (rule B2).
type LocationDraft struct {
	Name       string `json:"name" doc:"Shown to people; unique without regard to case."`
	ExternalID string `json:"external_id" doc:"Id of the data centre in the systems around this one."`
	SortOrder  int    `json:"sort_order,omitempty" doc:"Lowest first."`
	Generation string `json:"generation,omitempty" doc:"Backend generation that it is made for; the present one unless given. Fixed for ever (B3)."`
}

// DraftOfLocation is the draft that would make l.
func DraftOfLocation(l fleet.Location) LocationDraft {
	return LocationDraft{Name: l.Name, ExternalID: l.ExternalID, SortOrder: l.SortOrder, Generation: l.Generation}
}

// Check records all fields that are wrong; self is the location that is edited.
func (d LocationDraft) Check(c *fault.Check, look Lookup, self string) {
	order.CheckName(c, "name", d.Name)
	order.CheckName(c, "external_id", d.ExternalID)
	order.CheckSort(c, "sort_order", d.SortOrder)
	c.Require(len(d.Generation) <= order.MaxName, "generation", "is too long")
	checkTaken(c, look, "locations", "name", d.Name, self)
	checkTaken(c, look, "location-external-ids", "external_id", d.ExternalID, self)
	if old, ok := look.Location(self); ok && old.Generation != d.Generation {
		c.Add("generation", "is what the location was made for and cannot be changed; make another location")
	}
}

// CreateLocation adds a data centre.
func (in *Intake) CreateLocation(ctx context.Context, actor access.Actor, d LocationDraft) (l fleet.Location, rev int64, err error) {
	now, fresh := in.now(), id.New("loc")
	if d.Generation == "" {
		d.Generation = order.LocalGeneration
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the location cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		l = fleet.Location{ID: fresh, Name: d.Name, ExternalID: d.ExternalID, SortOrder: d.SortOrder, Generation: d.Generation, CreatedAt: now}
		return cmp.Or(store.Locations.Create(tx, l.ID, l), nameLocation(tx, fleet.Location{}, l, l.ID),
			audit(tx, actor, "location.create", "locations/"+l.ID, nil, l, "", now),
			remember(tx, "locations", l.ID, l, now))
	})
	return l, rev, err
}

// EditLocation changes a data centre that is still at revision rev.
func (in *Intake) EditLocation(ctx context.Context, actor access.Actor, locID string, rev int64,
	edit func(LocationDraft) (LocationDraft, error),
) (l fleet.Location, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Locations.Get(tx, locID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Locations, locID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfLocation(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the location cannot be changed", func(c *fault.Check, look Lookup) { d.Check(c, look, locID) }); err != nil {
			return err
		}
		l = before
		l.Name, l.ExternalID, l.SortOrder = d.Name, d.ExternalID, d.SortOrder
		return cmp.Or(store.Locations.Put(tx, locID, l), nameLocation(tx, before, l, locID),
			audit(tx, actor, "location.edit", "locations/"+locID, before, l, "", now))
	})
	return l, at, err
}

// DeleteLocation removes a data centre that nothing refers to.
func (in *Intake) DeleteLocation(ctx context.Context, actor access.Actor, locID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		l, err := store.Locations.Get(tx, locID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Locations, locID, rev, l); err != nil {
			return err
		}
		inUse, err := usersOf(tx, "locations", locID)
		if err != nil {
			return err
		}
		if len(inUse) > 0 {
			return fault.Refused("location %s is used by %s; delete or move them first", l.Name, order.Some(inUse))
		}
		if here := in.serversIn(locID); len(here) > 0 {
			return fault.Refused("location %s has servers (%s); move them first", l.Name, order.Some(here))
		}
		return cmp.Or(store.Locations.Delete(tx, locID), nameLocation(tx, l, fleet.Location{}, locID),
			audit(tx, actor, "location.delete", "locations/"+locID, l, nil, "", now))
	})
}

// serversIn lists the first few servers of a location, as this replica sees them.
// A server that is moved in at the same moment keeps the name of a location that
// is gone; availability says so (B2).
func (in *Intake) serversIn(locID string) (ids []string) {
	for item := range store.Servers.Items(in.store.Snapshot()) {
		if item.Value.Location == locID {
			if ids = append(ids, item.ID); len(ids) > 5 {
				return ids
			}
		}
	}
	return ids
}

func nameLocation(tx *store.Tx, before, after fleet.Location, locID string) error {
	return cmp.Or(rename(tx, "locations", before.Name, after.Name, locID),
		rename(tx, "location-external-ids", before.ExternalID, after.ExternalID, locID))
}

// checked runs a check in a transaction.
func checked(tx *store.Tx, sentence string, check func(*fault.Check, Lookup)) error {
	var c fault.Check
	look := &lookup{tx: tx}
	check(&c, look)
	if look.err != nil {
		return look.err
	}
	return c.Err("%s", sentence)
}
