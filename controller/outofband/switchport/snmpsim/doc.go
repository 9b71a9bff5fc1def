// Package snmpsim plays a network switch over real SNMP v2c: what a recorded walk
// says ([Parse]), or a small switch made in code ([NewSwitch]).
//
// Tests talk to it as to a switch, and development mode uses it where no SNMP daemon is
// installed. It answers GET, GETNEXT, GETBULK and SET. Writable are ifAdminStatus
// (ifOperStatus follows), ifAlias, dot1qPvid and the ports of static VLANs; everything
// else is notWritable. A wrong community is met with silence, as by a real agent, and one that may
// only read gets noAccess.
//
// It is no example of a safe agent: it speaks no SNMPv3, and belongs on loopback or in a
// network namespace.
//
// [Agent.Serve] runs until its context ends. A [Tree] is safe for concurrent use; one
// request is answered at a time.
package snmpsim
