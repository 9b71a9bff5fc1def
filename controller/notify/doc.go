// Package notify tells the world outside what happened: webhooks, signed as the
// Standard Webhooks specification says, and mail. It runs on the leader.
//
// # From a change to a receiver
//
// An event is no observation of a change, it is a part of it: the commit that opens a
// task or moves a service or operation writes the event into the outbox (see
// store.Table.Tell). Nothing has to be watched, remembered or compared, and it does not
// matter who leads at that moment, or that nobody does. A state that lasted a
// millisecond is told like any other. Deriving events from what a watch or the records show
// would lose those, and the audit log does not have a line for each of them.
//
// The leader takes events out of the outbox in the order of their commits and, in the same
// transaction, puts one delivery for each receiver in their place. A delivery is tried until the
// receiver takes it (about 40 hours, see core/notify), and then dead: kept in
// the list for 30 days, where a person can send it again.
//
// # What is promised
//
//   - At least once. A crash after the receiver's answer and before our commit sends a
//     delivery again, with the same webhook-id (mail: Message-ID): the id of the event.
//   - The events of one object reach one receiver in their order: a later one waits for an
//     earlier one that is being tried. Events of different objects have no order.
//   - A receiver that is slow or away delays nobody else: each webhook has a lane
//     of its own with a few workers, and the mail server has one.
//   - A receiver gets the events of commits made since it was set up. While it is
//     disabled it gets none.
//   - Every commit is fenced (store.WithFence): a deposed leader may repeat a
//     delivery, it cannot lose one.
//
// # What it costs
//
// Of an event: one more key (about 400 bytes) in the transaction of the change, no
// transaction of its own; then a share of one transaction to hand it out (up to 100
// keys each), one transaction for each attempt, and a share of one to forget it a day
// later. Kept are at most MaxPending waiting and core/notify.KeepMost ended deliveries for each
// receiver, some 700 bytes each; what comes when the queue is full is dead at once. A
// fleet without receivers pays the key and its deletion.
//
// # Where it does not go
//
// Webhooks do not go to loopback, private or link-local addresses unless the setting
// webhook_private_targets allows it; what is looked at is the address that is connected to,
// after the name was resolved, so a name that changes its mind is of no use.
// No proxy is asked, no redirect followed, no answer stored.
package notify
