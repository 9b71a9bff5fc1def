// Package operation decides what happens next in an operation: a durable,
// ordered list of steps on one server, each safe to repeat (rule X4). [Next] is
// pure: it looks at the record, the server and the time and says what to do;
// reconcile does it and stores the new record in one commit.
//
// # Hands
//
// A step is carried out by a hand: the agent, the management controller, the switches, a person
// whom a task asks, or the controller itself. What a hand shall do is a [Command] in the outbox; the
// controller's own acts are done in the commit that records them.
//
// # One server, one operation
//
// A delete takes the server over from an operation that runs (rules B33 to B35): from then on that one
// starts no new step, what it does at a device is recalled and waited for before the delete touches one, and
// in its turn the delete cancels it. A delete that is given up before that hands the server back, so that the other
// one still comes to its end.
package operation
