// Package notify owns what is told to the world outside, and to whom: the events of
// tasks, services and operations, the webhooks and mail routes that ask for them,
// and the deliveries, with when to try again and when to give up. Signatures and the
// text of mails are made here too. Pure.
//
// An event is written in the transaction of the change that it tells of (see
// store.Table.Tell), so none is lost and none is told of what did not happen, whoever
// leads or is away. What a receiver is shown is [Event] without anything else of the
// record: no keys, no parameters, no secrets (rule X9).
package notify
