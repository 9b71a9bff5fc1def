package switchport

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
)

// Patience bounds a call whose context has no deadline.
const Patience = 2 * time.Minute

// Switch is one switch. Its errors are faults: unavailable when it does not answer
// or does not do what it accepted, denied when it does not know us, refused when it
// knows us and says no, not_found and conflict from Find.
type Switch interface {
	// Find resolves a selector ([outofband.ByName] and so on) to one port. Two
	// that match are a conflict that names both.
	Find(ctx context.Context, by, value string) (Port, error)
	// Ports reads all ports, by index.
	Ports(ctx context.Context) ([]Port, error)
	// SetAdmin switches a port up or down and returns when the switch says that it
	// is: for down, also that the link is.
	SetAdmin(ctx context.Context, index int, up bool) error
	// SetVLAN makes vlan (1..4094) the only untagged VLAN of a port. A switch
	// without Q-BRIDGE-MIB is refused, and so is a VLAN that it does not have.
	SetVLAN(ctx context.Context, index, vlan int) error
	Close() error
}

// Port is a port as its switch reports it.
type Port struct {
	Index     int    // ifIndex; may change when the switch restarts
	Name      string // ifName, else ifDescr
	Descr     string // ifDescr
	Alias     string // ifAlias, set by people
	MAC       string // the port's own; "" is not known
	Admin     string // "up", "down", "testing", "unknown"
	Oper      string // "up", "down", "testing", "unknown", "dormant", "not present", "lower layer down"
	SpeedBits uint64 // a second; 0 is not known
	VLAN      int    // untagged; 0 is not known
	Counters  Counters
}

// Counters are the byte counters of a port.
type Counters = outofband.Counters

// States of a port.
const (
	up             = "up"
	down           = "down"
	inTest         = "testing"
	unknown        = "unknown"
	dormant        = "dormant"
	notPresent     = "not present"
	lowerLayerDown = "lower layer down"
)

func direction(on bool) string {
	if on {
		return up
	}
	return down
}
