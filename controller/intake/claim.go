package intake

import (
	"cmp"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Free is a server that the commit has found free for somebody, having read all that this depends on: of two who want it one gets it. It is
// the one door through which a server leaves (rule X2): only To gives one away, and only the functions of this package that are named after whom it is for make a Free.
type Free struct{ server fleet.Server }

// Server is the record as it was read.
func (f Free) Server() fleet.Server { return f.server }

// To is the server as its new owner has it. The caller stores it, in the same commit. Its epoch is a new one: nothing that was sent to it
// before is obeyed any more (rule X5).
func (f Free) To(owner fleet.Claim, now time.Time) fleet.Server {
	s := f.server
	s.Claim = owner
	s.Claim.Since = now
	s.Epoch++
	return s
}

// ForOrder finds a server free for an order. seen is what is known of its surroundings; what a commit changes is read again. The fault is
// refused, with whose it is or what is wrong.
func ForOrder(tx *store.Tx, serverID string, seen fleet.Surroundings) (Free, error) {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return Free{}, err
	}
	around, err := readAround(tx, serverID, seen)
	if err != nil {
		return Free{}, err
	}
	return Free{s}, refusal(&s, fleet.Unavailable(&s, around))
}

// ForHolder finds a server free for the order that it is held for: as [ForOrder], but for the hold.
func ForHolder(tx *store.Tx, s fleet.Server, orderID string, seen fleet.Surroundings) (Free, error) {
	if s.Claim.Kind != fleet.ClaimHeld || s.Claim.Ref != orderID {
		return Free{}, fault.Refused("server %s is not held for order %s any more", s.Name, orderID)
	}
	around, err := readAround(tx, s.ID, seen)
	if err != nil {
		return Free{}, err
	}
	unheld := s
	unheld.Claim = fleet.Claim{Kind: fleet.ClaimNone}
	return Free{s}, refusal(&unheld, fleet.Unavailable(&unheld, around))
}

// forReseller finds a server free to be sold, or to be assigned to a plan.
func (in *Intake) forReseller(tx *store.Tx, serverID string) (Free, error) {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return Free{}, err
	}
	around, err := in.surroundings(tx, serverID)
	if err != nil {
		return Free{}, err
	}
	return Free{s}, refusal(&s, fleet.Unsellable(&s, around))
}

// claim gives a server to a reseller or a plan.
func (in *Intake) claim(tx *store.Tx, actor access.Actor, action, serverID string, to fleet.Claim, now time.Time) (fleet.Server, error) {
	free, err := in.forReseller(tx, serverID)
	if err != nil {
		return free.server, err
	}
	return give(tx, actor, action, free, to, now)
}

// give stores that a server that was found free is somebody's.
func give(tx *store.Tx, actor access.Actor, action string, free Free, to fleet.Claim, now time.Time) (fleet.Server, error) {
	s := free.To(to, now)
	return s, cmp.Or(store.Servers.Put(tx, s.ID, s), audit(tx, actor, action, "servers/"+s.ID, free.server, s, "", now))
}

// Release ends the claim of a reseller or a plan: the counterpart of claim. A reseller has one server less then. What was his is nobody's before
// it is proven clean: a bare server is erased, of a hosting node an inspection says what is left. Who releases it stores that.
func Release(tx *store.Tx, actor access.Actor, action string, before fleet.Server, reason string, now time.Time) (fleet.Server, error) {
	s := before.Released(now)
	var err error
	switch c := before.Claim; c.Kind {
	case fleet.ClaimReseller:
		err = cmp.Or(count(tx, c, -1), allotment(tx, c.Plan, func(a reselling.Allotment) reselling.Allotment { return a.Without(s.ID) }))
		if s.Node == nil {
			s = s.Soiled(now)
		}
	case fleet.ClaimPlan:
		err = allotment(tx, c.Ref, func(a reselling.Allotment) reselling.Allotment { return a.Without(s.ID) })
	default:
		err = fault.Refused("server %s is neither a reseller's nor assigned to a plan", before.Name)
	}
	return s, cmp.Or(err, store.Servers.Put(tx, s.ID, s), audit(tx, actor, action, "servers/"+s.ID, before, s, reason, now))
}

// allotment changes which servers a plan has; "" is none.
func allotment(tx *store.Tx, planID string, change func(reselling.Allotment) reselling.Allotment) error {
	if planID == "" {
		return nil
	}
	a, _, err := store.Allotments.Find(tx, planID)
	return cmp.Or(err, store.Allotments.Put(tx, planID, change(a)))
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

// readAround is what is known of a server's surroundings, with what a commit may change read in this one: its facts, and what customers have
// on it.
func readAround(tx *store.Tx, serverID string, seen fleet.Surroundings) (fleet.Surroundings, error) {
	f, known, err := store.Facts.Find(tx, serverID)
	if err != nil {
		return seen, err
	}
	if seen.Facts = nil; known {
		seen.Facts = &f
	}
	load, _, err := store.Loads.Find(tx, serverID)
	seen.Placements = load.Placements
	return seen, err
}

// surroundings is what availability asks beyond the server's own record.
func (in *Intake) surroundings(tx *store.Tx, serverID string) (fleet.Surroundings, error) {
	_, connected := store.Presences.View(in.store, serverID)
	around, err := readAround(tx, serverID, fleet.Surroundings{Connected: connected})
	if err != nil || around.Facts == nil {
		return around, err
	}
	for _, mac := range fleet.MACs(&around.Facts.Inventory) {
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
