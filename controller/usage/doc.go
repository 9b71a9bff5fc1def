// Package usage is the controller's ledger of what accounts used (rules U1, U4, C20, C21). It owns the records of store.Usage, store.UsageSpace and, with intake, store.ServerUsage, and, of store.SubscriptionUses, disk space
// and traffic. It suspends nobody and writes no letter: intake.FollowOffer does, which reconcile calls when a subscription's use became another (rule P18).
//
// # How figures come in
//
// The replica that holds a node's session takes its reports into sheets in memory and writes them down in batches, at most every five minutes for each server, and sooner when an account crosses a
// limit, when something goes ([Ledger.Settle]), when a session ends and when a month does. A report is acknowledged when all that it says is in etcd, not before: what is lost with a
// replica, the agent says again to the next one. All figures merge by maximum, in the commit too, so it does not matter who writes, how often, or in which order; the ledger needs no leader.
//
// An agent can say something of accounts that are or were on its server, and of plausible months. What it says of others is counted in [Stats] and told in the log, and changes nothing.
//
// # What is in memory
//
// Every replica follows the store and has the months that nodes still report ([core.Months]) of all servers; older months are read from the snapshot's records when somebody asks. Nothing is
// asked of a server for an overview (rule X11).
//
// # Servers
//
// What went through a server's interfaces (rule U5) comes from its agent, as totals like those of accounts, and from the switch that it is wired to, which package outofband reads and counts into the same
// records, as a book of its own. The two are never added: [core.ServerRecord.Month] says which one makes a month. Agents tell these figures every few minutes, and nothing is judged by them, so they are
// written every quarter of an hour, and when the session ends, before something goes, and when a month does.
//
// # When a use is written
//
// A subscription's use is for judging it, and for nobody to look at: it is written when another side of a limit is reached, and else by steps of a sixteenth of the limit. Whether an account is within
// its steps is one comparison for each account of a report. Only the replica with the session writes it, because nobody else has the newest figures.
package usage
