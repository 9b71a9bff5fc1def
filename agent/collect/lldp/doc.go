// Package lldp hears which switch port a server's port is plugged into (IEEE
// 802.1AB). It only listens: it sends nothing and changes no port.
//
// [Parse] reads one frame of a stranger and trusts no length in it. [Listener]
// listens on a set of ports, keeps the last neighbour of each until the time to
// live that the switch gave runs out, and is asked by the collector. Run blocks
// until its context ends and waits for everything that it started; a port that
// cannot be opened is tried again with the next look at the ports.
package lldp
