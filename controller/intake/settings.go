package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
)

// ChangeSettings replaces what holds for the whole fleet. TimeZoneChanges is counted here.
func (in *Intake) ChangeSettings(ctx context.Context, actor access.Actor, s store.FleetSetting) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		before, _, err := store.Settings.Find(tx, store.FleetSettings)
		if s.TimeZoneChanges = before.TimeZoneChanges; s.TimeZone != before.TimeZone {
			s.TimeZoneChanges++ // nodes make the totals of months anew
		}
		if err != nil || before == s {
			return err
		}
		return cmp.Or(store.Settings.Put(tx, store.FleetSettings, s),
			audit(tx, actor, "settings.change", "settings/"+store.FleetSettings, before, s, "", now))
	})
}
