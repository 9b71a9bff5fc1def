package intake

import (
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// MoveServer records that a server stands in another place now.
func (in *Intake) MoveServer(ctx context.Context, actor access.Actor, serverID, location, rack, reason string) (fleet.Server, int64, error) {
	var c fault.Check
	c.Require(reason != "", "reason", "is empty; say why it was moved")
	c.Require(location != "", "location", "is empty; a server that stands nowhere is retired")
	if err := c.Err("the server stays where it is"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.move", serverID, reason, func(tx *store.Tx, s *fleet.Server, _ fleet.Note) error {
		if err := mayMove(tx, s, location); err != nil {
			return err
		}
		d := DraftOfServer(*s)
		d.Location, d.Rack = location, rack
		if err := checked(tx, "the server cannot be moved", d.Check); err != nil {
			return err
		}
		s.Location, s.Rack = location, rack
		return nil
	})
}

// mayMove refuses to take a server out of its location while somebody counts on it there, or
// while something of that location belongs to it. Within a location it may go anywhere.
func mayMove(tx *store.Tx, s *fleet.Server, location string) error {
	if location == s.Location {
		return nil
	}
	if s.Approval == fleet.Retired {
		return gone(s)
	}
	if s.Location != "" {
		if err := idle(s); err != nil {
			return err
		}
	}
	return mayLeave(tx, s, "moved to another location", false)
}
