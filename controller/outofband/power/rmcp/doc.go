// Package rmcp carries IPMI commands to a management controller over RMCP+
// (Intelligent Platform Management Interface Specification, second generation,
// v2.0 revision 1.1, sections 13 and 22; "lanplus").
//
// It owns the session: handshake (RAKP), keys, sequence numbers, retries. What the
// commands mean is its user's business. It starts no goroutine: [Session.Command]
// blocks until the answer is there, the context ends, or the controller was silent for ten
// seconds. A session is used by one goroutine at a time.
//
// Nothing that comes in is believed before it is checked: once the session is up, a
// datagram counts only with the session's id, a higher sequence number than the last
// one, a right integrity code and whole padding; the suite that the controller
// answers with must be the one that was asked for. The session is written here,
// on the cryptography of go-ipmi, because that library's own client checks none of
// the four and lets one short datagram end the process.
package rmcp
