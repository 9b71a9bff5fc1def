package outofband

import "time"

// Observation is what was last seen of a server from outside. It is written only
// when it changed, or when At is older than it should be (a few minutes). Its id is the server's.
type Observation struct {
	Server     string    `json:"server"`
	Power      string    `json:"power" enum:"on,off,unknown"`
	PowerSince time.Time `json:"power_since"`           // of the present Power
	PowerAt    time.Time `json:"power_at,omitzero"`     // last good answer
	PowerError string    `json:"power_error,omitempty"` // why there is no newer answer; for a person
	Ports      []Seen    `json:"ports,omitempty"`       // in the order of the wiring
	Inventory  *Chassis  `json:"inventory,omitempty"`
}

// Seen is one port as its switch reports it.
type Seen struct {
	Switch string    `json:"switch"`
	Port   string    `json:"port"`  // ifName
	Index  int       `json:"index"` // ifIndex
	Admin  string    `json:"admin"` // "up", "down"
	Oper   string    `json:"oper"`  // "up", "down", …
	VLAN   int       `json:"vlan,omitempty"`
	At     time.Time `json:"at"`
	Error  string    `json:"error,omitempty"`
}

// Chassis is what a management controller says of itself and its machine.
type Chassis struct {
	Manufacturer string    `json:"manufacturer,omitempty"`
	Model        string    `json:"model,omitempty"`
	Serial       string    `json:"serial,omitempty"`
	UUID         string    `json:"uuid,omitempty"`
	Firmware     string    `json:"firmware,omitempty"`
	MAC          string    `json:"mac,omitempty"` // of the controller's own port
	Sensors      []Sensor  `json:"sensors,omitempty"`
	Log          LogDigest `json:"log"`
	At           time.Time `json:"at"`
}

// Sensor is one reading.
type Sensor struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`  // "°C", "rpm", "W", "V", "A", "%"
	State string  `json:"state"` // "ok", "warning", "critical"
}

// LogDigest sums up the system event log (IPMI SEL, Redfish LogService).
type LogDigest struct {
	Entries  int       `json:"entries"`
	Critical int       `json:"critical"`
	Last     string    `json:"last,omitempty"` // text of the newest entry
	LastAt   time.Time `json:"last_at,omitzero"`
}
