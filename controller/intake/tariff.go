package intake

import (
	"cmp"
	"context"
	"strconv"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
)

// TariffDraft is what a person says of a tariff.
type TariffDraft struct {
	Name          string                 `json:"name" doc:"Shown to people; unique without regard to case."`
	Modules       []string               `json:"modules" doc:"Ids of the modules that process its orders (B11)."`
	ServerType    string                 `json:"server_type,omitempty" doc:"What modules by server type compare (B9)."`
	Configuration hardware.Configuration `json:"configuration" doc:"What is sold; whatever is left out may be anything."`
	Images        []string               `json:"images,omitempty" doc:"Ids of the images that may be ordered with it; none: all."`
	Retired       bool                   `json:"retired,omitempty" doc:"Takes no new orders."`
}

// DraftOfTariff is the draft that would make t.
func DraftOfTariff(t order.Tariff) TariffDraft {
	return TariffDraft{
		Name: t.Name, Modules: t.Modules, ServerType: t.ServerType, Configuration: t.Configuration,
		Images: t.Images, Retired: t.Retired,
	}
}

func (d TariffDraft) tariff() order.Tariff {
	images := d.Images
	if images == nil {
		images = []string{}
	}
	return order.Tariff{
		Name: d.Name, Modules: d.Modules, ServerType: d.ServerType, Configuration: d.Configuration.AsSold(),
		Images: images, Retired: d.Retired,
	}
}

// Check records all fields that are wrong; self is the tariff that is edited.
func (d TariffDraft) Check(c *fault.Check, look Lookup, self string) {
	t := d.tariff()
	t.Configuration = d.Configuration // as typed: normalising hides empty groups
	t.Check(c)
	checkTaken(c, look, "tariffs", "name", d.Name, self)
	for i, modID := range d.Modules {
		m, ok := look.Module(modID)
		field := "modules[" + strconv.Itoa(i) + "]"
		c.Require(ok, field, "%.80q does not exist; see: steelyard module list", modID)
		if ok && m.ByServerType && d.ServerType == "" {
			c.Add("server_type", "is empty, but module %s goes by server type (B9)", m.Name)
		}
	}
	for i, imgID := range d.Images {
		img, ok := look.Image(imgID)
		field := "images[" + strconv.Itoa(i) + "]"
		c.Require(ok, field, "%.80q does not exist; see: steelyard image list", imgID)
		c.Require(!ok || !img.Retired, field, "%s is retired", img.Name)
	}
}

// CreateTariff adds a tariff, at its first revision.
func (in *Intake) CreateTariff(ctx context.Context, actor access.Actor, d TariffDraft) (t order.Tariff, rev int64, err error) {
	now, fresh := in.now(), id.New("tar")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the tariff cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		t = d.tariff()
		t.ID, t.Revision, t.CreatedAt = fresh, 1, now
		return cmp.Or(store.Tariffs.Create(tx, t.ID, t), rename(tx, "tariffs", "", t.Name, t.ID),
			use(tx, "modules", nil, t.Modules, tariffUser(t)),
			audit(tx, actor, "tariff.create", "tariffs/"+t.ID, nil, t, "", now),
			remember(tx, "tariffs", t.ID, t, now))
	})
	return t, rev, err
}

func tariffUser(t order.Tariff) string { return "tariff " + t.Name + " (" + t.ID + ")" }

// EditTariff changes a tariff that is still at revision rev of the store. Each
// edit makes a new revision of the tariff; placed orders keep theirs (rule B12).
func (in *Intake) EditTariff(ctx context.Context, actor access.Actor, tarID string, rev int64,
	edit func(TariffDraft) (TariffDraft, error),
) (t order.Tariff, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Tariffs.Get(tx, tarID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Tariffs, tarID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfTariff(before))
		if err != nil {
			return err
		}
		if err := checked(tx, "the tariff cannot be changed", func(c *fault.Check, look Lookup) { d.Check(c, look, tarID) }); err != nil {
			return err
		}
		t = d.tariff()
		t.ID, t.Revision, t.CreatedAt = before.ID, before.Revision+1, before.CreatedAt
		return cmp.Or(store.Tariffs.Put(tx, tarID, t), rename(tx, "tariffs", before.Name, t.Name, tarID),
			use(tx, "modules", before.Modules, nil, tariffUser(before)), use(tx, "modules", nil, t.Modules, tariffUser(t)),
			audit(tx, actor, "tariff.edit", "tariffs/"+tarID, before, t, "", now))
	})
	return t, at, err
}

// DeleteTariff removes a tariff that no unfinished order was placed on. Orders
// carry a copy of what they were placed on, so one that comes in at the same
// moment loses nothing.
func (in *Intake) DeleteTariff(ctx context.Context, actor access.Actor, tarID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		t, err := store.Tariffs.Get(tx, tarID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Tariffs, tarID, rev, t); err != nil {
			return err
		}
		if open := in.openOrders(tarID); len(open) > 0 {
			return fault.Refused("tariff %s has unfinished orders (%s); finish or cancel them, or retire the tariff", t.Name, order.Some(open))
		}
		return cmp.Or(store.Tariffs.Delete(tx, tarID), rename(tx, "tariffs", t.Name, "", tarID),
			use(tx, "modules", t.Modules, nil, tariffUser(t)),
			audit(tx, actor, "tariff.delete", "tariffs/"+tarID, t, nil, "", now))
	})
}

func (in *Intake) openOrders(tarID string) (ids []string) {
	for item := range store.Orders.Items(in.store.Snapshot()) {
		o := item.Value
		over := o.State == order.Fulfilled || o.State == order.Canceled || o.State == order.Failed
		if o.Tariff == tarID && !over {
			if ids = append(ids, item.ID); len(ids) > 5 {
				return ids
			}
		}
	}
	return ids
}
