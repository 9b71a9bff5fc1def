package power

import (
	"context"
	"crypto/x509"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Target says how one machine is reached. Nothing of it is stored here.
type Target struct {
	Driver    string // outofband.DriverIPMI, DriverRedfish or DriverWOL
	Address   string // ipmi: host[:port], 623; redfish: https://host[:port]; wol: broadcast host[:port], 9
	System    string // redfish: id of the ComputerSystem; "" is the only one
	Username  string
	Password  string
	MAC       string         // wol
	AllowWeak bool           // ipmi: suites of rmcp.Weak after those of rmcp.Strong
	Pin       string         // redfish: SHA-256 of the certificate's DER in hex; "" verifies the chain
	Roots     *x509.CertPool // redfish: nil are the system's
}

// Controller is one open management controller, used by one goroutine at a time.
type Controller interface {
	// Status is outofband.On, Off, or Unknown while it changes or cannot be told.
	Status(ctx context.Context) (string, error)
	// On, SoftOff and HardOff return when the controller has accepted them. It is not
	// true yet: ask Status.
	On(ctx context.Context) error
	SoftOff(ctx context.Context) error // asks the operating system
	HardOff(ctx context.Context) error // takes the power away
	// NextBoot sets what the next start boots from and reads it back.
	NextBoot(ctx context.Context, boot Boot) error
	// Inventory reads identity, firmware, sensors and a digest of the event log. Parts that
	// the machine does not have stay empty.
	Inventory(ctx context.Context) (outofband.Chassis, error)
	// Close logs out. The controller is of no use afterwards.
	Close() error
}

// Boot devices.
const (
	BootNetwork = "network"
	BootDisk    = "disk"
)

// Boot modes.
const (
	ModeBIOS = "bios"
	ModeUEFI = "uefi"
)

// Boot is what a server starts from. The zero value leaves it as it is.
type Boot struct {
	Device string // BootNetwork, BootDisk or ""
	Once   bool   // for the next start only; else until it is changed
	Mode   string // ModeBIOS, ModeUEFI, or "" for the mode in force
}

// Open logs in. Faults: invalid (the target), unavailable (nobody answers, busy), refused
// (credentials, weak suites only, a certificate that nobody accepted: see [UnknownCertificate]).
func Open(ctx context.Context, t Target) (Controller, error) {
	switch t.Driver {
	case outofband.DriverIPMI:
		return openIPMI(ctx, t)
	case outofband.DriverRedfish:
		return openRedfish(ctx, t)
	case outofband.DriverWOL:
		return openWOL(t)
	default:
		return nil, fault.Invalid("driver %q has no management controller; use ipmi, redfish or wol", t.Driver)
	}
}
