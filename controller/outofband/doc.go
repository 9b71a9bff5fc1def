// Package outofband is the hands that need no agent: it carries out the commands of the
// outbox that go to management controllers and switches, and looks at both now and then.
// It runs on the elected leader, beside reconcile.
//
// # Commands
//
// A command is taken in a commit that is fenced by the leadership and that finds server,
// operation and epoch as the command says (rule X5). Only then something is done. What is done is
// made true, not done again: a server that is on is not turned on. The one
// thing that is not a state, cutting the power of a machine that runs the wrong system, is marked in
// the command before the deed, so that another replica that goes on does not cut it twice.
// A result is committed together with what was seen, fenced as well.
//
// A deposed leader's context ends with its lease. A single exchange with a device that is on its
// way then may still arrive; each is of a kind that the successor makes true again.
//
// # Observations
//
// Every server with a management controller or switch ports is looked at once in
// [Every], a large fleet less often, and at once when its agent went away. Only changes are written, the
// first look after each decision about the server, and the time of the last good look now and then: in
// a quiet fleet two writes an hour and server.
package outofband
