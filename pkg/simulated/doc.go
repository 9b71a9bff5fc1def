// Package simulated is how others switch the machines of a simulated fleet: what a management controller, a power
// strip or a person does to a real server. `steelyard-agent simulate --control SOCKET` listens; [Client] asks. Who may open
// the socket may switch; it is readable and writable by its owner only.
//
// The protocol is made for one machine and its own programs: a stream of JSON lines on a Unix socket, one [Request] and one
// [Reply] each, at most [MaxLine] bytes a request. It is not HTTP because the agent's binary carries none. A request that waits
// longer than [Patience] for its next line ends the connection.
//
// A machine is named by its number in the fleet, by its system serial or by its UUID. Switching is told and not waited for: a Reply
// says how the machine is now. A change with a delay is replaced by the next one, and forgotten when the fleet's process ends;
// a fleet starts with every machine on.
package simulated
