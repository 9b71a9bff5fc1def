package outofband

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
)

// Ways to switch a server on and off.
const (
	DriverIPMI    = "ipmi"    // IPMI 2.0, RMCP+ (lanplus)
	DriverRedfish = "redfish" // DMTF DSP0266
	DriverWOL     = "wol"     // on by magic packet, off by the agent
	DriverAgent   = "agent"   // off and reboot by the agent, on by a person; what holds without a record
	DriverManual  = "manual"  // a person, asked by a task
)

// BMC says how one server's power is switched. Its id is the server's.
type BMC struct {
	Server    string        `json:"server"`
	Driver    string        `json:"driver" enum:"ipmi,redfish,wol,agent,manual"`
	Address   string        `json:"address,omitempty"`  // ipmi: host[:port], 623; redfish: https://host[:port]; wol: broadcast host[:port], 9
	System    string        `json:"system,omitempty"`   // redfish: id of the ComputerSystem; "" is the only one
	Username  string        `json:"username,omitempty"` // ipmi, redfish
	Password  access.Sealed `json:"password,omitzero"`  // ipmi, redfish
	MAC       string        `json:"mac,omitempty"`      // wol
	AllowWeak bool          `json:"allow_weak,omitempty"`
	Pin       string        `json:"pin,omitempty"`      // redfish: SHA-256 of the accepted certificate (DER), hex; "" verifies the chain
	PinSeen   string        `json:"pin_seen,omitempty"` // redfish: of a certificate that waits for a person's approval
	PinBy     *fleet.Note   `json:"pin_by,omitempty"`
	Simulator string        `json:"simulator,omitempty"` // what plays the machine, when it is not real: shown with it everywhere
	ChangedAt time.Time     `json:"changed_at"`
}

// Power states.
const (
	On      = "on"
	Off     = "off"
	Unknown = "unknown"
)

// Switched reports whether a driver switches a machine on and off by itself and
// tells its state: neither the agent nor a person is needed.
func Switched(driver string) bool { return driver == DriverIPMI || driver == DriverRedfish }
