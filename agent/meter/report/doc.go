// Package report tells the controller what was counted on a node: it is the link's meter.
//
// It owns what of it the controller has not said to be stored, and the pace; it counts nothing and decides nothing. What there is to tell comes from the book of accounts, from
// whoever measures storage, and from the ports of the machine.
//
// Nothing is told before the controller said for which months, and in each session everything is told anew: the totals of 5,000 accounts are some 200 KB, and a
// controller that came back from a backup has them again without anybody's doing. Afterwards an account is told when its figures changed, together with others, once in [Every]; at once,
// which is in [Least], when somebody says so: its storage passed a limit, or it is about to go. Totals are absolute, so that a message that is late, lost or doubled
// changes nothing. What is not acknowledged in protocol.UsageAgain is told again with the figures of then; nothing is kept of messages but which accounts they were of.
//
// When storage was measured is told with its figures; figures that stay the same are told again once in [Renew], for their age (rule U6).
//
// All methods are safe for concurrent use and take no longer than it takes to walk all accounts once; Apply and Answer read the disk.
package report
