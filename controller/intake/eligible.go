package intake

import (
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
)

// Ineligible tells why a server may not be assigned to a plan (rules H1, H3 to H6); no reasons means that it may. Everything that it depends on
// is read in the commit.
func Ineligible(tx *store.Tx, s *fleet.Server) ([]fleet.Reason, error) {
	around := reselling.Around{Groups: map[string]reselling.ServerGroup{}}
	f, known, err := store.Facts.Find(tx, s.ID)
	if err != nil {
		return nil, err
	}
	if known {
		around.Facts = &f
	}
	for _, role := range s.Roles {
		g, known, err := store.ServerGroups.Find(tx, role.Group)
		if err != nil {
			return nil, err
		}
		if known {
			around.Groups[role.Group] = g
		}
	}
	if around.Load, _, err = store.Loads.Find(tx, s.ID); err != nil {
		return nil, err
	}
	return reselling.Ineligible(s, around), nil
}

// IneligibleIn is [Ineligible] as a snapshot shows it, for those who look before they commit.
func IneligibleIn(snap *store.Snapshot, s *fleet.Server) []fleet.Reason {
	around := reselling.Around{Groups: map[string]reselling.ServerGroup{}}
	around.Facts, _ = store.Facts.In(snap, s.ID)
	for _, role := range s.Roles {
		if g, known := store.ServerGroups.In(snap, role.Group); known {
			around.Groups[role.Group] = *g
		}
	}
	if load, known := store.Loads.In(snap, s.ID); known {
		around.Load = *load
	}
	return reselling.Ineligible(s, around)
}

// LabelIn is the label of a server as a snapshot shows it (rule X3).
func LabelIn(snap *store.Snapshot, s *fleet.Server) fleet.Label {
	load, placed := store.Loads.In(snap, s.ID)
	return fleet.LabelOf(s, fleet.Usage{Placed: placed && load.Placements > 0, Eligible: len(IneligibleIn(snap, s)) == 0})
}
