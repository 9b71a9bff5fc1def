package intake

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// RetireServer takes a server of nobody out of the fleet for good: its certificate is void,
// its parts may come back in other machines, its history stays. Disks that are not proven clean
// are let go only when that is said (dirty). The way back is a new enrolment, which a
// person may adopt as this server.
func (in *Intake) RetireServer(ctx context.Context, actor access.Actor, serverID, reason string, dirty bool) (fleet.Server, int64, error) {
	if err := needReason(reason, "say what becomes of the machine"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.retire", serverID, reason, func(tx *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Approval == fleet.Retired {
			return nil
		}
		if err := idle(s); err != nil {
			return err
		}
		if err := mayLeave(tx, s, "retired", true); err != nil {
			return err
		}
		if s.Cleanliness != fleet.Clean && !dirty {
			return fault.Refused("the disks of server %s are not proven clean; erase it first, or say that it goes as it is (dirty) and in the reason why", s.ID)
		}
		if err := forgetAlias(tx, s); err != nil {
			return err
		}
		*s = retired(*s, note)
		return nil
	})
}

func retired(s fleet.Server, note fleet.Note) fleet.Server {
	s.Approval, s.ApprovedBy = fleet.Retired, &note
	if s.InService {
		s.InService, s.ServiceSince = false, note.At
	}
	s.InstanceID, s.EnrolKey, s.CertSerial, s.PrevSerial, s.CertNotAfter = "", "", "", "", time.Time{}
	s.Maintenance, s.Quarantine, s.Override, s.PendingIdentity = nil, nil, nil, nil
	s.Epoch++ // an agent that is away may still hold a command (rule X5)
	return s
}

// gone refuses to decide about a server that is none any more.
func gone(s *fleet.Server) error {
	return fault.Refused("server %s is retired; enrol the machine again and approve it, or adopt it as this server: steelyard server adopt", s.ID)
}

// forgetAlias ends the other id of a server, when the certificate that names it is void.
func forgetAlias(tx *store.Tx, s *fleet.Server) error {
	if s.Alias == "" {
		return nil
	}
	alias := s.Alias
	s.Alias = ""
	return store.Aliases.Delete(tx, alias)
}

// retiredWith lists the retired servers that had one of the parts.
func retiredWith(tx *store.Tx, keys []string) ([]fleet.Server, error) {
	former := make([]string, len(keys))
	for i, k := range keys {
		former[i] = fleet.RetiredKey(k)
	}
	return holders(tx, former, "")
}

// tied lists in words what binds a server to the place where it stands; out says that it
// leaves the fleet, so that the way to its management controller must be forgotten too.
func tied(tx *store.Tx, server string, out bool) (list []string, err error) {
	w, _, err := store.Wirings.Find(tx, server)
	if err != nil {
		return nil, err
	}
	if n := len(w.Ports); n > 0 {
		list = append(list, fmt.Sprintf("its %d switch ports (steelyard server ports delete)", n))
	}
	held, _, err := store.Holdings.Find(tx, server)
	if n := len(held.Addresses); n > 0 {
		list = append(list, fmt.Sprintf("its %d addresses (steelyard address release)", n))
	}
	if err != nil || !out {
		return list, err
	}
	_, known, err := store.BMCs.Find(tx, server)
	if known {
		list = append(list, "its management controller (steelyard server bmc delete)")
	}
	return list, err
}

// mayLeave refuses while something binds the server to its place.
func mayLeave(tx *store.Tx, s *fleet.Server, how string, out bool) error {
	list, err := tied(tx, s.ID, out)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return fault.Refused("server %s cannot be %s while %s are recorded; remove them first", s.ID, how, strings.Join(list, " and "))
	}
	return nil
}
