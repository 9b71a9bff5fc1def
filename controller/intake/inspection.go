package intake

import (
	"cmp"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// mayInspect refuses to look where there is nothing to see, or nothing that is anybody's business.
func mayInspect(s *fleet.Server) error {
	switch {
	case s.Claim.Kind == fleet.ClaimClient:
		return fault.Refused("server %s belongs to service %s; what is on it is its customer's business", s.ID, s.Claim.Ref)
	case s.Environment != protocol.EnvInstalled && s.Environment != protocol.EnvSandbox && s.Environment != protocol.EnvSimulated:
		return fault.Refused("the agent of server %s runs from memory, not on an installed system: there are no accounts to look at", s.ID)
	}
	return nil
}

// keepInspection keeps what an inspection found, and says in the same commit whether a hosting node is clean (rule S9). What it returns
// is without it: the list is not kept twice. One that failed on its way says nothing.
func keepInspection(tx *store.Tx, server string, res protocol.Result, now time.Time) (protocol.Result, error) {
	if res.Inspection == nil {
		return res, nil
	}
	i := fleet.Inspected(server, res.Operation, res.Epoch, res.Inspection, now)
	res.Inspection = &protocol.Inspection{StartedAt: res.Inspection.StartedAt, EndedAt: res.Inspection.EndedAt, Subjects: []protocol.Subject{}}
	if res.Fault != nil {
		return res, nil
	}
	s, err := store.Servers.Get(tx, server)
	if err != nil {
		return res, err
	}
	base, _, err := store.Baselines.Find(tx, server)
	if err != nil {
		return res, err
	}
	return res, cmp.Or(store.Inspections.Put(tx, server, i), store.Servers.Put(tx, server, s.Judged(&i, &base)))
}
