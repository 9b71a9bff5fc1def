package fleet

import (
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// MayConsole says why a person of the operator may not have a shell on a server, or nil. Only the RAM environment gives one: it is
// ours. An installed system is its customer's.
func MayConsole(s Server) error {
	switch {
	case s.Approval != Approved:
		return fault.Refused("server %s is %s; a console is given on approved servers only: steelyard server approve %s", s.ID, s.Approval, s.ID)
	case s.Environment == protocol.EnvInstalled:
		return fault.Refused("server %s runs its installed system, which is its customer's; the operator has no console there. In the RAM environment there is one: steelyard server power %s --action boot-ram", s.ID, s.ID)
	case s.Environment == protocol.EnvRescue:
		return fault.Refused("server %s is in rescue: its customer is in it, and may have his disks open; the operator has no console there", s.ID)
	case s.Environment == protocol.EnvSimulated:
		return fault.Refused("server %s is simulated; there is no machine that could give a console", s.ID)
	case s.Environment == protocol.EnvSandbox:
		return fault.Refused("the agent of server %s runs in a sandbox on a machine that belongs to others; it gives no console", s.ID)
	case s.Environment != protocol.EnvRAM:
		return fault.Refused("server %s has not said yet what it runs; a console is given in the RAM environment only", s.ID)
	}
	return nil
}
