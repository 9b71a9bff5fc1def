package intake

import (
	"context"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// NodeWish asks to make a server a hosting node.
type NodeWish struct {
	Inspection string // what was seen, and is accepted as the node's own
	Reason     string
}

// MakeNode says that a server carries customers' accounts, and that what an inspection found is its own: its baseline. It must be nobody's
// and unused, and nothing may have been done to it since. A node whose baseline is to be another one is made anew. Faults: not_found;
// refused.
func (in *Intake) MakeNode(ctx context.Context, actor access.Actor, serverID string, w NodeWish) (fleet.Server, int64, error) {
	var c fault.Check
	c.Require(w.Reason != "", "reason", "is empty; say what the server is for")
	c.Require(w.Inspection != "", "inspection", "is empty; name the one that was looked at")
	if err := c.Err("the server cannot become a hosting node"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.node", serverID, w.Reason, func(tx *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Node != nil && s.Node.Inspection == w.Inspection {
			return nil
		}
		if err := mayBeNode(tx, s); err != nil {
			return err
		}
		base, err := accepted(tx, s, w.Inspection)
		if err != nil {
			return err
		}
		s.Node, s.LeftOvers = &fleet.Node{Note: note, Inspection: w.Inspection}, nil
		return store.Baselines.Put(tx, serverID, base)
	})
}

func mayBeNode(tx *store.Tx, s *fleet.Server) error {
	switch {
	case s.Approval != fleet.Approved:
		return fault.Refused("server %s is %s; approve it first", s.ID, s.Approval)
	case s.Unsettled() != "":
		return fault.Refused("server %s is not settled: %s", s.ID, s.Unsettled())
	}
	if err := idle(s); err != nil {
		return err
	}
	return unused(tx, s)
}

// unused refuses while customers have something on a server.
func unused(tx *store.Tx, s *fleet.Server) error {
	load, _, err := store.Loads.Find(tx, s.ID)
	if err == nil && load.Placements > 0 {
		err = fault.Refused("customers have %d things on server %s; move or remove them first", load.Placements, s.ID)
	}
	return err
}

// accepted is the inspection of a server as it is now that a person looked at.
func accepted(tx *store.Tx, s *fleet.Server, inspection string) (fleet.Inspection, error) {
	i, _, err := store.Inspections.Find(tx, s.ID)
	switch {
	case err != nil:
		return i, err
	case i.ID != inspection:
		return i, fault.Refused("the last inspection of server %s is not %q; look at what it found now: steelyard server inspect %s", s.ID, clipped(inspection), s.Name)
	case i.Epoch != s.Epoch:
		return i, fault.Refused("something was done to server %s since inspection %s; inspect it again: steelyard server inspect %s", s.ID, i.ID, s.Name)
	}
	if missing := i.Whole(); len(missing) > 0 {
		return i, fault.Refused("inspection %s did not see everything, so it says nothing about what belongs to the server: %s", i.ID, strings.Join(missing, "; "))
	}
	return i, nil
}

func clipped(id string) string { return id[:min(len(id), 80)] }

// EndNode says that a server carries no accounts any more. It is a bare server then, and dirty: all its disks are erased before somebody gets
// it. Faults: not_found; refused while it is somebody's, is used, or has roles.
func (in *Intake) EndNode(ctx context.Context, actor access.Actor, serverID, reason string) (fleet.Server, int64, error) {
	if err := needReason(reason, "say what becomes of the server"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.node_end", serverID, reason, func(tx *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Node == nil {
			return nil
		}
		if err := idle(s); err != nil {
			return err
		}
		if err := unused(tx, s); err != nil {
			return err
		}
		if len(s.Roles) > 0 {
			return fault.Refused("server %s has roles in server groups; take them away first", s.ID)
		}
		s.Node, s.LeftOvers = nil, nil
		*s = s.Soiled(note.At)
		return store.Baselines.Delete(tx, serverID)
	})
}

// ClearLeftOvers says that what an inspection found beyond the baseline of a node is in nobody's way (rule S9). It does not become a part of the
// baseline: the next inspection that finds it says so again. inspection is the one that was looked at.
func (in *Intake) ClearLeftOvers(ctx context.Context, actor access.Actor, serverID string, w NodeWish) (fleet.Server, int64, error) {
	var c fault.Check
	c.Require(w.Reason != "", "reason", "is empty; say why it may stay")
	c.Require(w.Inspection != "", "inspection", "is empty; name the one that was looked at")
	if err := c.Err("the left-overs cannot be cleared"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.left_overs_clear", serverID, w.Reason, func(_ *store.Tx, s *fleet.Server, _ fleet.Note) error {
		switch {
		case s.LeftOvers == nil:
			return nil
		case s.LeftOvers.Inspection != w.Inspection:
			return fault.Refused("server %s was inspected again since %q; look at what was found now: steelyard server inspection %s", s.ID, clipped(w.Inspection), s.Name)
		}
		s.LeftOvers = nil
		return nil
	})
}
