package outofband

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// MinSNMPPassword is the least length of an SNMPv3 password (RFC 3414, section 11.2).
const MinSNMPPassword = 8

// MaxSNMPUsername is that of RFC 3414, section 2.4: an SnmpAdminString of 32 octets.
const MaxSNMPUsername = 32

// MaxVLAN is the last one that can be used (IEEE 802.1Q).
const MaxVLAN = protocol.MaxVLAN

var (
	switchDrivers = []string{SwitchSNMP, SwitchManual}
	snmpVersions  = []string{SNMPv2c, SNMPv3}
	authProtocols = []string{"SHA", "SHA-256", "SHA-512"}
	privProtocols = []string{"AES", "AES-256"}
)

// Normal is s with its address in the form that is stored, without what its
// driver and version do not use.
func (s Switch) Normal() Switch {
	if host, port, err := SplitAddress(s.Address, PortSNMP); err == nil {
		s.Address = joinAddress(host, port, PortSNMP)
	}
	return s
}

// Place is where the switch is; "" is nowhere.
func (s Switch) Place() string {
	host, port, err := SplitAddress(s.Address, PortSNMP)
	if s.Driver != SwitchSNMP || err != nil {
		return ""
	}
	return joinAddress(host, port, PortSNMP)
}

// Check records every field that is wrong by itself, its name and its secrets apart.
func (s Switch) Check(c *fault.Check) {
	c.Require(0 <= s.QuarantineVLAN && s.QuarantineVLAN <= MaxVLAN, "quarantine_vlan", "is %d; give 1 to %d, or 0 for none", s.QuarantineVLAN, MaxVLAN)
	checkSimulator(c, s.Simulator)
	snmp := s.Driver == SwitchSNMP
	if !oneOf(c, "driver", s.Driver, switchDrivers) {
		return
	}
	needs(c, s.Driver, "address", s.Address, snmp, func() {
		if _, _, err := SplitAddress(s.Address, PortSNMP); err != nil {
			c.Add("address", "%v", err)
		}
	})
	needs(c, s.Driver, "version", s.Version, snmp, func() { oneOf(c, "version", s.Version, snmpVersions) })
	v3 := snmp && s.Version == SNMPv3
	with := s.Driver
	if snmp {
		with += " of version " + s.Version
	}
	needs(c, with, "username", s.Username, v3, func() { checkText(c, "username", s.Username, MaxSNMPUsername) })
	needs(c, with, "auth", s.AuthProtocol, v3, func() { oneOf(c, "auth", s.AuthProtocol, authProtocols) })
	needs(c, with, "priv", s.PrivProtocol, v3, func() { oneOf(c, "priv", s.PrivProtocol, privProtocols) })
}

func oneOf(c *fault.Check, field, value string, values []string) bool {
	ok := slices.Contains(values, value)
	c.Require(ok, field, "is %.40q; use %s", value, strings.Join(values, ", "))
	return ok
}

// SameTarget reports whether stored secrets of s may be used for after: they would go to the same
// place, as the same user, and no less protected.
func (s Switch) SameTarget(after Switch) bool {
	return s.Driver == after.Driver && s.Address == after.Address && s.Version == after.Version && s.Username == after.Username
}

// CheckCommunity records a community that cannot be one (RFC 1901: an octet string).
func CheckCommunity(c *fault.Check, community string) {
	c.Require(len(community) <= MaxCredential && !strings.ContainsRune(community, 0), "community", "is longer than %d bytes or holds a zero byte", MaxCredential)
}

// CheckSNMPPassword records a password that SNMPv3 does not allow.
func CheckSNMPPassword(c *fault.Check, field, password string) {
	c.Require(MinSNMPPassword <= len(password) && len(password) <= MaxCredential, field, "has a wrong length; SNMPv3 needs %d to %d bytes", MinSNMPPassword, MaxCredential)
}
