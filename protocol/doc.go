// Package protocol is what an agent and a controller say to each other. It is
// pure data; protocol/session carries it. With this page a second
// implementation can be written.
//
// # Transport
//
// The agent dials; the controller never does. One TCP port serves three
// application protocols, told apart by ALPN (RFC 7301), always TLS 1.3:
//
//   - [ALPNEnrol]: the client shows no certificate. One request, one answer.
//   - [ALPNControl]: mutual certificates. One yamux session, on which the agent
//     opens one stream, the control stream; yamux keep-alive is off.
//   - [ALPNBulk]: mutual certificates, no yamux. The agent sends one [Fetch] frame, the
//     controller answers one [FetchReply] frame and then the bytes, and closes.
//
// The controller's certificate carries the DNS name [ControllerName] and is signed by the
// fleet's authority. An agent's certificate carries one URI SAN,
// "spiffe://steelyard/server/<server id>".
//
// # Frames
//
// A message is one frame: four bytes of length (big endian, of what follows,
// 1 … [MaxFrame]), one byte of [Kind], and a msgpack map with the names that the
// struct tags in this package give. Unknown names are ignored, missing ones are
// zero: that is how versions differ. A frame is written with one Write. Before it
// is decoded it is scanned: nesting deeper than [MaxDepth], or a length that the rest of
// the frame cannot hold, ends the session with a [Goodbye].
//
// # Handshake
//
// The agent sends [Hello] with the versions it speaks. The controller answers
// [Welcome] with the highest version that both speak, or [Goodbye] with a fault. Nothing
// else is sent before. [Hello].InventoryDigest tells whether the controller already has
// the inventory; only if [Welcome].WantReport is true a full [Report] follows.
//
// # Life
//
// The agent sends [Ping] every [Welcome].HeartbeatSeconds and is answered [Pong]; three
// missing answers end the session. It sends [SampleReport] every
// [Welcome].SampleSeconds, and [Report] whenever the inventory's digest changed. It takes
// [Command]s, answers each with any number of [Progress] and one [Result], and repeats the
// Result after every reconnect until [Ack] names the command. [Cancel] asks to
// stop a command; its Result says how that went. [Renew] asks for a new certificate
// before the old one ends. Either side may say [Goodbye] and close.
//
// # Enrolment
//
// A join token is text, "syj1.<id>.<secret>.<sha256 of the fleet authority's certificate, hex>". The
// agent checks the authority that the controller presents against the token's
// digest before it sends anything, then sends [EnrolRequest] with a PKCS#10 request for
// its own key. The key never leaves the machine. The [EnrolReply] carries a certificate,
// the authority and the key that signs permits and images. A new server is *pending*: it
// may report, and gets no command until somebody approves it. A machine whose
// identity partly equals that of another one is refused nothing here, but both
// are quarantined (rule X1).
//
// # Commands
//
// A command names server, operation, step, epoch and deadline. An agent
// executes one command at a time, journals it before the deed, answers the same id with the
// same result, and refuses an epoch older than the newest it has seen (rule X5).
// Erasing needs a [Permit], installing an image a signed [ImageManifest]; both signatures
// are Ed25519 (RFC 8032) over the bytes in the Signed… field, which are JSON.
package protocol
