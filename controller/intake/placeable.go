package intake

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// placeable reads a server, and refuses what nothing new of a reseller may be placed on; path "" is the provider. A server of a reseller takes only what is his or of
// those below him; one that is assigned to a plan takes nothing (rule H13), nor does one that is taken back (S8), or whose content moves.
func placeable(tx *store.Tx, serverID, path string) (fleet.Server, error) {
	s, err := store.Servers.Get(tx, serverID)
	if err != nil {
		return s, err
	}
	switch {
	case s.Approval != fleet.Approved:
		return s, fault.Refused("server %s is %s; approve it first", s.Name, s.Approval)
	case s.Quarantine != nil:
		return s, fault.Refused("server %s is in quarantine: %s", s.Name, s.Quarantine.Reason)
	case s.ContentMove != "":
		return s, moving(&s)
	case leftBehind(&s):
		return s, fault.Refused("server %s is not proven clean of who had it before; nothing is placed on it: %s", s.Name, cleaning(&s))
	}
	if err := overwritten(tx, &s); err != nil {
		return s, err
	}
	if err := KeptForPlan(tx, &s, "nothing is placed on it before a reseller has it"); err != nil {
		return s, err
	}
	if s.Claim.Kind == fleet.ClaimReseller && !within(path, s.Claim.Owner) || s.Claim.Kind == fleet.ClaimClient || s.Claim.Kind == fleet.ClaimHeld {
		return s, fault.Refused("server %s %s, and takes nothing of others", s.Name, ownedBy(s.Claim))
	}
	return s, notTakenBack(tx, &s, "nothing new is placed on it")
}

// leftBehind reports whether something of a former owner may be on a server of nobody: on a node what an inspection found, on a bare one, which is
// out of service then, its disks.
func leftBehind(s *fleet.Server) bool {
	return s.Claim.Kind == fleet.ClaimNone && !s.IsClean() && (s.Node != nil || !s.InService)
}

// cleaning is what a person does about it.
func cleaning(s *fleet.Server) string {
	if s.Node != nil {
		return "steelyard server inspect " + s.Name + ", or clear-left-overs"
	}
	return "steelyard server commission " + s.Name + " erases it; steelyard server node " + s.Name + " keeps what is on it, as a hosting node"
}

// overwritten refuses a server whose disks an operation erases or writes now: what is placed on it would be lost.
func overwritten(tx *store.Tx, s *fleet.Server) error {
	op, running, err := store.Operations.Find(tx, s.Operation)
	if err == nil && running && (op.Kind == operation.Erase || op.Kind == operation.Install || op.Kind == operation.Delete) {
		err = fault.Refused("the disks of server %s are being written (%s, operation %s); wait until that has ended", s.Name, op.Kind, op.ID)
	}
	return err
}

// notTakenBack refuses a server whose sale is being revoked (rule S8). what is the deed: "nothing new is placed on it".
func notTakenBack(tx *store.Tx, s *fleet.Server, what string) error {
	sale, sold, err := saleOf(tx, s.ID)
	if err == nil && sold && sale.TakingBack() {
		err = fault.Refused("server %s is being taken back (sale %s); %s", s.Name, sale.ID, what)
	}
	return err
}

// within reports whether path is that of a reseller or of one below him.
func within(path, of string) bool { return path == of || strings.HasPrefix(path, of+"/") }

// takenBy lists the servers that a reseller, or else the next one above him who has any, has by plan: all that is new of his goes to one of those (rule H18). All his
// resellers were read in the commit, and each commit that gives one a server writes him; what the snapshot shows is therefore complete when it shows them as they were read.
func takenBy(tx *store.Tx, path string) ([]string, error) {
	snap := tx.Hint()
	for ; path != ""; path = parentOf(path) {
		self := path[strings.LastIndex(path, "/")+1:]
		rev, err := store.Resellers.Revision(tx, self)
		if err != nil {
			return nil, err
		}
		if seen, ok := store.Resellers.Item(snap, self); !ok || seen.ModRev < rev {
			return nil, fault.Unavailable("reseller %s was changed this moment, and this replica has not seen it yet; try again", self)
		}
		var list []string
		all := store.Servers.Range(snap, store.ServersTaken, path+"\x00")
		for i := range all.Len() {
			list = append(list, all.At(i).ID)
		}
		if len(list) > 0 {
			slices.Sort(list)
			return list, nil
		}
	}
	return nil, nil
}

// parentOf is the path of the one above; "" is the provider.
func parentOf(path string) string {
	i := strings.LastIndex(path, "/")
	return path[:max(i, 0)]
}
