// Package link is the agent's end of the wire: it enrols once, keeps one session
// with a controller, and carries facts up and commands down.
//
// It owns the key, the certificates and the instance id of the agent (see [State]), the
// reconnect back-off, the heartbeat, the renewal of the certificate, and the
// order of messages that package protocol describes. It never decides anything about the
// machine: what there is to say comes from a [Source], what is to be done goes to
// an [Executor]. It never imports the controller.
//
// # What a Source promises
//
// Inventory reads the whole machine and may take seconds; it is called from a
// goroutine of its own, one call at a time, so that heartbeats go on meanwhile. Sample
// overwrites the value it is given and takes well under a millisecond; it is called
// from the link's loop.
//
// # What an Executor promises
//
// The link pulls; an executor never waits for the network and never needs to know
// whether there is a session:
//
//   - Attach is called at the start of every session with the controller's Welcome, before
//     any Execute: it carries the server id, the present epoch, the approval and the key that
//     signs permits and images.
//
//   - Execute and Cancel are called from the link's reader, one at a time and in the order
//     in which the controller sent them. They journal and return; the deed happens
//     elsewhere. Execute may be called again with an id that it knows: it then does nothing
//     but make sure that the result, if there is one, is in Unacked.
//
//   - A refusal (wrong server, older epoch, unknown kind) is a Result with a Fault.
//
//   - Unacked lists the results that are durable here and that no Ack has named yet. The link
//     sends each once per session, and again when no Ack came for [ResendAfter].
//
//   - Acked names a result that the controller has made durable; it may be forgotten.
//
//   - Progress takes the newest progress that was not taken yet; older ones are lost, and that
//     is right.
//
//   - Changed is one channel, the same on every call, with room for one signal. The
//     executor signals after it changed what Progress or Unacked would return, and
//     never blocks on it:
//
//     select {
//     case e.changed <- struct{}{}:
//     default: // a signal is waiting already
//     }
//
// All methods may be called from any goroutine.
//
// # What a Host promises
//
// Have is called when a session begins: what the node has, and from then on Report tells everything anew that the controller may not have. Set keeps documents on disk
// before it returns, and is called from the link's reader; an error ends the session, and the next one asks for them again. Report answers the same until
// Told names its Seq; the link sends it once, and again when no ack came for [ResendAfter]. Changed is as that of an Executor.
//
// # What a Meter promises
//
// Attach is called when a session begins, before any other call of it: from then on nothing is said until SetMonths, and then everything. Report gives the next message, or
// nil when there is nothing to say before the time that it names, zero: not before Changed signals. It keeps the pace; the link sends what it gets. A message
// is the link's alone until the next call of Report. Told names a message that is stored. All of these
// take well under a millisecond. Answer reads the disk; it is called from a goroutine of its own, one call at a time.
//
// # Cost
//
// A connected link is four goroutines and one timer; it holds no inventory, only its digest.
// Thousands run in one process (agent/simulate).
//
// # Life
//
// [New] starts nothing. [Link.Run] blocks until its context ends, or until
// enrolment is refused in a way that only a person can mend. A lost session is
// no error: the link dials again after a random time between zero and a bound that doubles up to what
// the controller last asked for (full jitter), so that a fleet does not come back all at once.
package link
