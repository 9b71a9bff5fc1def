// Package protocol is what an agent and a controller say to each other. It is
// pure data; protocol/session carries it. With this page a second
// implementation can be written.
//
// # Transport
//
// The agent dials; the controller never does. One TCP port serves six
// application protocols, told apart by ALPN (RFC 7301), always TLS 1.3. A client that
// offers none of them is refused in the handshake.
//
//   - [ALPNEnrol]: the client shows no certificate. One request, one answer, as frames on
//     the TLS connection itself.
//   - [ALPNControl]: mutual certificates. One yamux session (version 0), on which the agent
//     opens one stream, the control stream, within ten seconds. Nothing else of yamux is
//     used: no second stream, no ping (keep-alive is off on both sides), no data frame larger than
//     the window of 256 KiB. Either side ends the connection on any of these.
//   - [ALPNBulk]: mutual certificates, no yamux. The agent sends one [Fetch] frame, the
//     controller answers one [FetchReply] frame and then the bytes, exactly as many as it said, and
//     closes.
//   - [ALPNSucceed]: mutual certificates, no yamux. One [Succeed] frame, one [Succeeded] frame.
//   - [ALPNConsole]: mutual certificates, no yamux. The frames of one console; see below.
//   - [ALPNEnter]: mutual certificates, no yamux. One [Enter] frame, one [Entry] frame.
//
// Keys are ECDSA P-256 or Ed25519. The controller's certificate carries the DNS name
// [ControllerName] (also the name that the agent sends as SNI) and is signed by the
// fleet's authority. An agent's certificate carries one URI SAN,
// "spiffe://steelyard/server/<server id>", and the extended key usage clientAuth; the subject means
// nothing. An agent checks the controller's chain against the authority that it pinned, and the end
// of the certificate against its clock; a beginning in the future is its own clock's fault and
// accepted. Sessions may be resumed by ticket on any replica; the controller checks the certificate
// of a resumed session as it does that of a new one. An agent that got a new
// certificate throws its tickets away, because they stand for the old one.
//
// # Frames
//
// A message is one frame:
//
//	 0      4      5
//	+------+------+----------------
//	| size | kind | msgpack map …      size: big endian, counts kind and map, 1 … MaxFrame
//	+------+------+----------------
//
// The map has text keys: the json names of the struct tags in this package. A time is the msgpack
// timestamp extension (type -1), bytes are bin, a list or map that is absent may be nil. Unknown names are
// ignored, missing ones are zero: that is how versions differ. A frame is written with one Write.
//
// Before a frame is decoded it is scanned. Each of these ends the session with a
// [Goodbye] whose fault is "invalid", and nothing else:
//
//   - size 0, larger than [MaxFrame], or larger than its kind allows: [MaxFrame] for Report, Command,
//     Result, HostedHave, HostedSet, HostedReport, UsageReport and UsageAnswer, [MaxEnrolFrame] for EnrolRequest, [MaxControlFrame] for all others;
//   - a kind that the receiver does not know, or that may not come at this point;
//   - nesting deeper than [MaxDepth]; a length that the rest of the frame cannot hold; bytes after
//     the map; more than [MaxEntries] entries in one map or [MaxElements] elements and entries in the frame;
//   - a key that is not text, an extension other than the time;
//   - a value of another type than the message has in that place;
//   - a frame that takes longer than 30 seconds from its first byte to its last.
//
// # Handshake
//
// The agent sends [Hello] with the versions it speaks. The controller answers
// [Welcome] with the highest version that both speak, or [Goodbye] with a fault. Nothing
// else is sent before. [Hello].InventoryDigest tells whether the controller already has
// the inventory; only if [Welcome].WantReport is true a full [Report] follows. Commands that Hello names as
// Running or Unacked are not sent again in this session; the others are.
//
// When a person said that the machine is another server than the one that its certificate names,
// [Welcome].ServerID is that server and [Welcome].Former the id in the certificate. The agent takes the
// new id over and renews its certificate at once. Any other id than its own ends the session.
//
// # Life
//
// The agent sends [Ping] every [Welcome].HeartbeatSeconds, with a Seq that grows, and is answered
// [Pong]. Any frame counts as a sign of life; a side that heard nothing for three heartbeats
// ends the session. The agent sends [SampleReport] every
// [Welcome].SampleSeconds, and [Report] whenever the inventory's digest changed, or when [Want] asks. It takes
// [Command]s, answers each with any number of [Progress] and one [Result], and repeats the
// Result every minute and after every reconnect until [Ack] names the command. [Cancel] asks to
// stop a command; its Result says how that went. Either side may say [Goodbye] and close; who
// hears it closes.
//
// What each side may send in a session, after the handshake:
//
//	agent       Ping Report SampleReport Progress Result Renew HostedHave HostedReport UsageReport ServerUsage UsageAnswer Goodbye
//	controller  Pong Want Command Cancel Ack Renewed Console HostedSet HostedAck UsageMonths UsageAck UsageAsk Goodbye
//
// An agent may send 20 messages a second and 400 at once, of which a Report or a Result counts as 40, a HostedHave or a
// HostedReport as 10, a UsageReport, a ServerUsage or a UsageAnswer that nobody waits for as 4, one that was asked for as nothing; more ends the session.
//
// After a session, or a failed attempt, the agent waits a random time between zero and a bound: first
// [Welcome].BackoffMaxSecs (one second before any Welcome), doubled with every failure, at most
// the larger of that and 30 seconds. [Goodbye].RetrySeconds is the least time to wait.
//
// # One server, one session
//
// [Hello].InstanceID is made once, at random, together with the key. A second session of the same instance
// replaces the first. A session of another instance for the same server, or one whose BootID was replaced
// by another and comes back (boot ids never do), is a second machine: both sessions are ended
// with a fault "refused" and the server is quarantined (rule X1).
//
// # Certificates
//
// When two thirds of its certificate's life are over the agent sends [Renew] with a PKCS#10 request for a new
// key. After [Renewed] it keeps key and certificate together, says Goodbye and connects with them at once.
// The certificate in use stays good until the new one was used; then it is void. An answer that
// was lost therefore costs nothing: the agent asks again.
//
// # The installed system
//
// An agent that installs a system from memory makes key and instance of the agent that will run there, gets their certificate with
// [Succeed] while its image command is in work, and writes all three to the disk: nothing secret crosses the wire or
// is stored elsewhere. With the first session of the successor, and not before, the environment of the server is [EnvInstalled], and
// certificate and session of the agent that installed it are void. Another [Succeed] replaces a successor that was never seen.
//
// # Rescue
//
// A machine that its customer repairs runs an agent in [EnvRescue]: it measures, switches the machine, and takes [CommandRescue], which
// gives the machine the addresses of the service and lets the holders of the keys in, as root, by SSH. It refuses every command that writes
// to a disk, and gives nobody a console. The answer comes before the routes change: it is on its way when the machine's ports move.
//
// The environment of an agent is what it enrolled in, or [EnvInstalled] for a successor. A [Hello] that says another is refused: the
// system of a customer cannot say that it is one that may erase.
//
// # Enrolment
//
// A join token is text, "syj1.<id>.<secret>.<sha256 of the fleet authority's certificate (DER), hex>". The
// controller's chain on [ALPNEnrol] ends with the authority's certificate. The agent
// checks it against the token's digest, and the leaf against it, before it sends anything; then it sends
// [EnrolRequest] with "<id>.<secret>" and a PKCS#10 request for
// its own key. The key never leaves the machine. The [EnrolReply] carries a certificate,
// the authority and the key that signs permits and images, or a fault. The same instance may ask again with the same
// token, key and environment when an answer was lost, and gets the same server; with another key it is a machine that
// comes back, and somebody approves it again. A new server is *pending*: it
// may report, and gets no command and no image until somebody approves it. A machine whose
// identity partly equals that of another one is refused nothing here, but both
// are quarantined (rule X1).
//
// # Commands
//
// A command names server, operation, step, epoch and deadline. An agent
// executes one command at a time, journals it before the deed, answers the same id with the
// same result, and refuses an epoch older than the newest it has seen (rule X5). A newer epoch, in a
// [Welcome] or a command, ends what is in work: its operation ended while the agent was away. A [Cancel] may
// name a command that the agent never got; it is then ignored. While a server is
// in quarantine nothing that writes to disks is sent to it.
//
// [CommandPowerOff] and [CommandReboot] are answered before the deed: the Result is journaled and sent, and the
// machine is switched when the Ack is there, or ten seconds later without one. A Cancel, a newer epoch or the end of the
// deadline that comes before it prevents it. No machine is switched twice for one command: an agent
// whose boot id is another than [Command].Boot, or than when it promised to switch, leaves the machine alone. It answers that a
// reboot is done, and that a power-off is "unavailable", because the machine was started again since.
//
// [Command].Into says what a reboot shall lead to. An agent does what its machine offers (the next boot entry of UEFI, a kernel that is
// started from memory) and reboots in any case; what a machine that starts from the network gets is the controller's decision.
//
// The kernel that is started from memory, past the firmware, is asked for with [Enter] while such a command is in work. The [Entry] names
// kernel and memory image by their digests, and the words that the kernel is told, with a boot token that is good once, for minutes, for
// this machine. The token is in no record and no [Command]: it is made when it is asked for. [Command].Firmware says that the firmware is
// to be tried first: it is known to start from the network, or kexec led nowhere a moment ago.
//
// While [Progress].Final is true nobody can interrupt what is being done (a drive that erases itself): a Cancel or a newer
// epoch takes effect when that is over, and the Result comes then.
//
// Erasing needs a [Permit], installing an image a signed [ImageManifest]; both signatures
// are Ed25519 (RFC 8032) over the bytes in the Signed… field, which are JSON.
//
// # Inspection
//
// [CommandInspect] asks an agent on a running system ([CanInspect]) what customers may have left there; nothing is changed. The Result has
// one [Subject] for each of [InspectKinds]: what was found, at most [MaxFound] things of [MaxFoundBytes] bytes, and how many there are in all. What
// could not be looked at is told as such, and a kind that is absent counts as not looked at. The command names by their keys
// ([Found.Key]: the first 12 bytes of the SHA-256 of kind, a zero byte and identity, in base64url) what was there before any customer; that is
// listed last.
//
// # Hosting
//
// An agent that names [CanHost] carries customers' accounts. They are no commands: for each account the controller owns one document, [HostedAccount],
// with a version that grows, and the node makes it true, account by account, again and again, and says how far it is. First in a session the agent sends
// [HostedHave], in as many frames as it takes: which version of which account it has. The controller answers with [HostedSet] frames: the documents
// whose version the node does not have, and last one that is Complete and names all accounts of the node. From then on it sends each document that
// changes. An older version than the node has is ignored. Nothing that is missing means that something shall be removed (rule X5): what shall
// go is a document whose State is [HostedGone], and what the node has beyond the named is told in [HostedReport].Strangers and left alone.
//
// The agent sends [HostedReport] when something of what it tells changed, at most one that is not acknowledged yet; it is repeated every minute, and told
// again in the next session, until [HostedAck] names its Seq. Documents are journaled by the agent before it acts on them; passwords in them are digests
// (crypt(5), mysql_native_password), never what a person types. They travel in the session alone and are sealed where the controller keeps them.
//
// # Usage
//
// An agent that names [CanMeter] counts what was used, and owns what it counted. It says nothing of it before [UsageMonths], which the controller sends when a session begins
// and whenever the months change. From then on it sends [UsageReport] (of accounts, if it carries any) and [ServerUsage] (of the machine's own ports): totals of these
// months, never differences. Each has a Seq that grows within the session over both kinds; [UsageAck] names one of them when all that it says is stored. Several may
// wait for their acknowledgement; those that wait for [UsageAgain] are told again, with the figures of then. A session begins with everything that the agent has.
//
// Quarter-hours of accounts stay with the agent: [UsageAsk] asks for some, [UsageAnswer] with the same ID answers, in the order of asking.
//
// # Console
//
// A person may be given a shell on a machine whose agent runs in memory ([EnvRAM]) and named [CanConsole]. The controller sends
// [Console] on the control stream, with an ID that it made at random for this one time. Within 15 seconds the agent opens a connection
// of [ALPNConsole] and sends [Console] with the same ID first. Then both send [ConsoleData], of at most [ConsoleChunk] bytes each, the
// controller [ConsoleSize] when the terminal of the person changed, and the agent [ConsoleExit] last: with a fault instead when it gives no shell.
// Nothing is buffered beyond one frame: who reads slowly slows the writer. The console ends with the connection, and with the
// session that it was asked for in; every process that the shell started ends with it. An agent
// of another environment ends the session when it is asked.
package protocol
