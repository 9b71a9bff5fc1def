package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
)

// ChangeSettings replaces what holds for the whole fleet.
func (in *Intake) ChangeSettings(ctx context.Context, actor access.Actor, s store.FleetSetting) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		before, _, err := store.Settings.Find(tx, store.FleetSettings)
		if err != nil || before == s {
			return err
		}
		return cmp.Or(store.Settings.Put(tx, store.FleetSettings, s),
			audit(tx, actor, "settings.change", "settings/"+store.FleetSettings, before, s, "", now))
	})
}
