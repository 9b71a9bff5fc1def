package netboot

import (
	"fmt"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
)

// What a machine boots.
const (
	RAM  = "ram"  // the RAM environment, with a boot token
	Disk = "disk" // what is on its own disk
)

// ModeRescue tells the RAM environment that it is for a customer: its agent touches no disk.
const ModeRescue = "rescue"

// Standing is what the fleet knows of a server when it boots.
type Standing struct {
	Server    *fleet.Server
	Operation *operation.Operation // that runs on it; nil none
}

// Decision is what a machine gets, in words for a person at its screen too.
type Decision struct {
	Boot string // RAM or Disk
	Mode string // of the RAM environment; "" the usual one
	Why  string
	Next string // what an operator can do about it; "" nothing
}

// Decide says what a machine boots. of are the servers that it may be: none when nobody knows it, several when it has parts of more than
// one. Then a disk wins, because a customer's system may be on it.
func Decide(of []Standing) Decision {
	if len(of) == 0 {
		return Decision{Boot: RAM, Why: "nobody knows this machine yet", Next: "it will ask to join the fleet: steelyard server list --approval pending"}
	}
	first := one(of[0])
	for _, st := range of[1:] {
		if d := one(st); d.Boot == Disk {
			first = d
		}
	}
	if len(of) > 1 {
		first.Why = fmt.Sprintf("it has parts of %d servers; %s", len(of), first.Why)
	}
	return first
}

func one(st Standing) Decision {
	s, op := st.Server, st.Operation
	wants := op != nil && operation.WantsRAM(*op)
	switch {
	case s.Approval == fleet.Rejected:
		return Decision{Boot: Disk, Why: "it was rejected", Next: "steelyard server approve " + s.ID}
	case s.Approval == fleet.Retired:
		return Decision{Boot: Disk, Why: "it was retired", Next: "enrol it anew with a join token: steelyard token create --join"}
	case s.Approval == fleet.Pending:
		return Decision{Boot: RAM, Why: "it waits to be approved", Next: "steelyard server approve " + s.ID}
	case wants && op.Kind == operation.Rescue:
		return Decision{Boot: RAM, Mode: ModeRescue, Why: "operation " + op.ID + " lets its customer in; the system on the disk stays as it is", Next: "steelyard operation show " + op.ID}
	case wants && op.Kind == operation.Power && s.Claim.Owned():
		return Decision{Boot: RAM, Why: "operation " + op.ID + " asked for the RAM environment; the system on the disk stays as it is"}
	case wants:
		return Decision{Boot: RAM, Why: "operation " + op.ID + " (" + op.Kind + ") works on it: " + op.Message, Next: "steelyard operation show " + op.ID}
	case op != nil && op.Kind == operation.Install && !operation.Final(op.State):
		return Decision{Boot: Disk, Why: "operation " + op.ID + " has written its system", Next: "steelyard operation show " + op.ID}
	case !s.Claim.Owned():
		return Decision{Boot: RAM, Why: "it is nobody's", Next: "steelyard server why " + s.ID}
	}
	return Decision{Boot: Disk, Why: "it is in use", Next: "for the RAM environment: steelyard server power " + s.ID + " --action boot-ram"}
}
