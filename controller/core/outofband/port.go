package outofband

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
)

// Ways to switch a port.
const (
	SwitchSNMP   = "snmp"
	SwitchManual = "manual" // a person, asked by a task
)

// SNMP versions.
const (
	SNMPv2c = "2c"
	SNMPv3  = "3" // authPriv only
)

// Switch is a network switch of a location.
type Switch struct {
	ID             string        `json:"id"`
	Name           string        `json:"name"`
	Location       string        `json:"location"`
	Driver         string        `json:"driver" enum:"snmp,manual"`
	Address        string        `json:"address,omitempty"`      // host[:port], UDP, 161
	Version        string        `json:"version,omitempty"`      // "2c", "3"
	Community      access.Sealed `json:"community,omitzero"`     // v2c, with the right to write
	Username       string        `json:"username,omitempty"`     // v3
	AuthProtocol   string        `json:"auth,omitempty"`         // v3: "SHA", "SHA-256", "SHA-512"
	AuthPassword   access.Sealed `json:"auth_password,omitzero"` // v3
	PrivProtocol   string        `json:"priv,omitempty"`         // v3: "AES", "AES-256"
	PrivPassword   access.Sealed `json:"priv_password,omitzero"` // v3
	QuarantineVLAN int           `json:"quarantine_vlan"`        // 1..4094; 0 is none
	Simulator      string        `json:"simulator,omitempty"`
	CreatedAt      time.Time     `json:"created_at"`
}

// Selectors of a port.
const (
	ByName  = "name"  // ifName, else ifDescr
	ByAlias = "alias" // ifAlias
	ByIndex = "index" // ifIndex
	ByMAC   = "mac"   // the port that has learned this address (Q-BRIDGE, BRIDGE)
	ByLLDP  = "lldp"  // the port that hears this chassis id or port id (MAC) by LLDP
)

// Port is one switch port that a server is plugged into.
type Port struct {
	Switch string `json:"switch"` // id
	By     string `json:"by" enum:"name,alias,index,mac,lldp"`
	Value  string `json:"value"`
	VLAN   int    `json:"vlan"` // untagged VLAN in service, 1..4094; 0 leaves it alone. Needed with a quarantine VLAN
}

// Wiring is the list of a server's ports. Its id is the server's. No record, or no
// ports: none are configured (rules B32, B42).
type Wiring struct {
	Server    string    `json:"server"`
	Ports     []Port    `json:"ports"`
	ChangedAt time.Time `json:"changed_at"`
}

// VLAN is the untagged VLAN that a port belongs in; 0 leaves it as it is.
func VLAN(s Switch, p Port, quarantine bool) int {
	if quarantine && s.QuarantineVLAN != 0 {
		return s.QuarantineVLAN
	}
	return p.VLAN
}
