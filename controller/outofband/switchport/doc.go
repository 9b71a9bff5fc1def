// Package switchport reads and sets the ports of network switches over SNMP: v2c,
// and v3 with authentication and privacy.
//
// It owns how a port is found ([Switch.Find]), how its states, VLAN and counters
// are read, how they are set and read back, and in which order a server's port is
// opened and closed ([Enable], [Shut]). It decides nothing about servers, keeps
// nothing between two [Switch]es, and never logs; a secret is in no error.
//
// # What is asked
//
// IF-MIB (RFC 2863) for names, states and counters; BRIDGE-MIB (RFC 4188) and
// Q-BRIDGE-MIB (RFC 4363) for learned addresses and the untagged VLAN; LLDP-MIB (IEEE
// 802.1AB) for neighbours. A switch that lacks one of them can do all that does
// not need it. Tables are read with GETBULK in small portions; a switch that
// answers those with an error, or not at all, is read with GETNEXT from then on.
//
// # What is believed
//
// Whatever comes from the network is outside bytes: every type is checked, texts
// are cut and cleaned, tables are bounded, and a table that runs in a circle is an
// error. A set counts only when it was read back.
//
// # Order
//
// A port that is to change its VLAN is shut first, changed, and opened last, so
// that it never carries traffic of a VLAN in which it is a member by half. When
// something fails in between, the port stays shut: that is the safe side, since
// what waits on the other end of the cable may be a former tenant. Nothing is done to a
// port that is already right.
//
// # What protects the rest of the rack
//
// A port named by name, alias or index is the operator's own word and is obeyed. A port
// found by MAC address or LLDP is a conclusion from what machines send, and one of
// those may stand behind another switch, or lie. Such a port is refused for Enable and
// Shut when it leads to more than one machine: when more than [MaxAddresses] MAC
// addresses were learned there, or a neighbour other than the wanted one calls itself a
// bridge or router. One address on two ports is refused everywhere.
//
// A port that is shut hears nothing, so it cannot be found by MAC or LLDP again.
// [Remembered] names it by what was seen last.
//
// # Time and repetition
//
// A Switch serves one question at a time and is safe for concurrent use. Every question ends
// with its context; without a deadline in it, after [Patience]. Everything may be repeated.
package switchport
