package simulated

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Bounds of the protocol.
const (
	MaxLine  = 4 << 10          // bytes of a request
	MaxReply = 1 << 20          // bytes of a reply
	MaxList  = 1000             // machines of a reply
	MaxDelay = 10 * time.Minute // of a change
	Patience = 10 * time.Second // for a request and for its reply
)

// What a machine can be asked.
const (
	DoList     = "list"     // machines from number From on
	DoGet      = "get"      // one machine
	DoPower    = "power"    // power on, or cut it
	DoShutdown = "shutdown" // let its system stop everything in order, then off
	DoLeave    = "leave"    // put something onto its system that an inspection finds: Kind and Name
	DoRemove   = "remove"   // take it away again; without Name all of the kind
)

// Boots of a machine.
const (
	BootDisk    = "disk"
	BootNetwork = "network"
)

// Request is one line to the fleet.
type Request struct {
	Do          string `json:"do"`
	Machine     string `json:"machine,omitempty"` // number, system serial or UUID
	From        int    `json:"from,omitempty"`
	On          bool   `json:"on,omitempty"`
	Boot        string `json:"boot,omitempty"`     // of this start; BootDisk when it is not said
	DelayMillis int64  `json:"delay_ms,omitempty"` // until it happens
	Kind        string `json:"kind,omitempty"`     // of what customers leave: account, home, site, database, mailbox, job, listener
	Name        string `json:"name,omitempty"`
}

// Reply is one line from the fleet.
type Reply struct {
	Machines []Machine    `json:"machines,omitempty"`
	Next     int          `json:"next,omitempty"` // where the list goes on; 0: it ends here
	Fault    *fault.Fault `json:"fault,omitempty"`
}

// Powers of a machine.
const (
	On  = "on"
	Off = "off"
)

// Machine is how one machine is.
type Machine struct {
	Number int    `json:"number"`
	Serial string `json:"serial"` // of the system
	UUID   string `json:"uuid"`
	Power  string `json:"power"`   // On or Off
	Boot   string `json:"boot"`    // what it was started from last
	BootID string `json:"boot_id"` // of the last start
}

// Change is how a machine is switched.
type Change struct {
	On    bool
	Boot  string        // BootDisk when empty
	Delay time.Duration // at most MaxDelay
}
