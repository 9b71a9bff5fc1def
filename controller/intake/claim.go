package intake

import (
	"cmp"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// claim gives a server to a new owner: the one door through which a free server leaves (rule X2). What the server's availability depends on
// is read in the commit, so that of two who want it one gets it, and the other hears from the record whose it is.
func (in *Intake) claim(tx *store.Tx, actor access.Actor, action, serverID string, to fleet.Claim, now time.Time) (fleet.Server, error) {
	before, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return before, err
	}
	surroundings, err := in.surroundings(tx, serverID)
	if err != nil {
		return before, err
	}
	if err := refusal(&before, fleet.Unavailable(&before, surroundings)); err != nil {
		return before, err
	}
	s := before
	s.Claim = to
	s.Claim.Since = now
	s.Epoch++
	return s, cmp.Or(store.Servers.Put(tx, serverID, s), audit(tx, actor, action, "servers/"+serverID, before, s, "", now))
}

// refusal says in one sentence why a server cannot be given away: whose it is, or else all that is wrong with it.
func refusal(s *fleet.Server, reasons []fleet.Reason) error {
	if fleet.Available(reasons) {
		return nil
	}
	if s.Claim.Owned() || s.Claim.Kind == fleet.ClaimHeld {
		return fault.Refused("server %s %s", s.Name, ownedBy(s.Claim))
	}
	text := ""
	for _, r := range reasons {
		if !r.Waived {
			text += "; " + r.Message
		}
	}
	return fault.Refused("server %s cannot be given away: %s", s.Name, text[2:])
}

// ownedBy says whose a server is (rule S5).
func ownedBy(c fleet.Claim) string {
	switch c.Kind {
	case fleet.ClaimHeld:
		return "is held for order " + c.Ref
	case fleet.ClaimPlan:
		return "is assigned to plan " + c.Ref
	case fleet.ClaimReseller:
		return "is already owned by reseller " + c.Ref
	}
	return "is already owned by service " + c.Ref
}

// surroundings is what availability asks beyond the server's own record.
func (in *Intake) surroundings(tx *store.Tx, serverID string) (fleet.Surroundings, error) {
	var around fleet.Surroundings
	f, known, err := store.Facts.Find(tx, serverID)
	if err != nil {
		return around, err
	}
	if known {
		around.Facts = &f
	}
	_, around.Connected = store.Presences.View(in.store, serverID)
	for _, mac := range fleet.MACs(&f.Inventory) {
		for _, key := range fleet.IdentityKeys(hardware.Identity{MACs: []string{mac}}) {
			h, _, err := store.Identities.Find(tx, key)
			if err != nil {
				return around, err
			}
			if len(h.Servers) > 1 {
				around.SharedMACs = append(around.SharedMACs, mac)
			}
		}
	}
	return around, nil
}
