package fleet

// States of a server, as they are drawn. None of them is stored: each is derived from what was
// decided about it (rule X3).
const (
	StatePending     = "pending"
	StateRejected    = "rejected"
	StateRetired     = "retired"
	StateQuarantined = "quarantined"
	StateDirty       = "dirty"
	StateUnavailable = "unavailable"
	StateAvailable   = "available"
	StateParked      = "parked"
	StateErasing     = "erasing"
	StateTesting     = "testing"
	StateSwitching   = "switching"
	StateInstalling  = "installing"
	StateHeld        = "held"
	StateReserved    = "reserved"
	StatePreparing   = "preparing"
	StateTaken       = "taken"
	StateLeaving     = "leaving"
	StateCleaning    = "cleaning"
	StateAssigned    = "assigned"
	StateResellers   = "reseller's"
)

// StateOf derives the state of a server. operation is the kind of the one that runs on it, "" none; available
// is what [Available] says of it. Whose a server is comes first, then what runs on it: marks such as
// a quarantine or a maintenance are told of one that is nobody's and idle.
func StateOf(s *Server, operation string, available bool) string {
	switch s.Claim.Kind {
	case ClaimNone, "":
		if state, known := working[operation]; known {
			return state
		}
		return idle(s, available)
	case ClaimHeld:
		return StateHeld
	case ClaimPlan:
		return StateAssigned
	case ClaimReseller:
		return StateResellers
	}
	switch {
	case s.Claim.Kind == ClaimClient && s.Cleanliness == Clean:
		return StateReserved
	case operation == "install":
		return StatePreparing
	case operation == "delete":
		return StateLeaving
	}
	return StateTaken
}

// working are the states of a server of nobody by the kind of operation that runs on it. The kinds are
// those of core/operation, which is above this package; a stop or a resume never runs there, and
// a content move is nothing that the server does.
var working = map[string]string{
	"erase": StateErasing, "diagnose": StateTesting, "inspect": StateTesting, "install": StateInstalling, "power": StateSwitching, "delete": StateCleaning,
}

func idle(s *Server, available bool) string {
	switch {
	case s.Approval == Rejected || s.Approval == Retired:
		return s.Approval
	case s.Approval != Approved:
		return StatePending
	case s.Unsettled() != "":
		return StateQuarantined
	case s.Cleanliness != Clean:
		return StateDirty
	case !available:
		return StateUnavailable
	case !s.ParkedAt.IsZero():
		return StateParked
	}
	return StateAvailable
}
