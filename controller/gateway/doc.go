// Package gateway is the door that agents come in by. It owns the listening socket, the
// admission of connections, the sessions, the heartbeat and the delivery of commands, and the
// streams of image files. It decides nothing about servers: whom to let in is read from a
// [Directory], what agents say is handed to an [Intake].
//
// # Promises
//
//   - Nothing periodic is written anywhere. A heartbeat is one atomic store in a timer wheel; a sample
//     replaces the one before it in memory. An agent that fell silent is noticed within three
//     heartbeats (45 seconds), at any size of the fleet.
//   - A command is sent while its record exists and its server is approved, once per session;
//     Hello.Running and Hello.Unacked count as sent. A record that asks for cancellation is followed by one
//     Cancel. [Gateway.Wake] is how the rest of the house says "look again"; a wake that was lost is made up
//     for by the wheel's next visit.
//   - A Result is acknowledged only after the intake said that it is durable.
//   - Certificate serial and approval are read from the directory on every connection, resumed or not, and
//     again on every wake: a rejected server, or a certificate that was replaced, ends its session.
//   - One server, one session. A reconnect of the same instance replaces the old session. Another
//     instance, or a boot id that comes back after another one took its place (boot ids never come back), is a
//     second machine with the same identity: both sessions end and the intake hears of it (rule X1).
//   - Bad input ends that session with a Goodbye and one count of its reason, and nothing else.
//   - A question ([Gateway.Quarters]) ends with its answer, the end of the session, its caller's or its own time, whichever is first. At most 8 wait for one agent and 64 in all. An answer reaches
//     the one who asked that session for it and nobody else; others are counted and paid for like any message.
//   - Run returns only after every goroutine that it started has ended.
//
// # Admission
//
// Connections are accepted at a bounded rate; what is too much waits in the backlog of the socket.
// Agents come back at random times within a bound that grows with the fleet (Welcome.BackoffMaxSecs), so that
// a restarted controller is not met by all of them at once.
//
// # Cost
//
// A session is three goroutines, none of which ran the handshake, and holds no buffer while it is
// idle. It parks no goroutine for further streams and refuses them.
package gateway
