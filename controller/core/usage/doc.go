// Package usage has the rules of what accounts used: which months there are, and how what nodes say becomes one sum (rules U1, U7, C21, C23). Values in, values out.
//
// # Records
//
// There is one [Record] for each month, server and book of counts. A row of it has one account's totals. Rows are merged by maximum ([Row.Raise]), whatever comes twice, late or in another
// order; totals that were made with a later time zone replace those of an earlier one, because they are of other months. An account's month is the sum over all its records: so a node
// that was installed anew (another book) or a second server adds to what there was, and nothing is counted twice.
//
// # Servers
//
// There is one [ServerRecord] for each server and month, with a book for each system that counted on the server and one for the switch. Of a book the last report stays. A 95th percentile needs the busiest
// twentieth of the quarter-hours and no others, so these are kept while the month runs. The switch tells sums alone: they are spread evenly over the time between two readings ([Split]).
// Where several systems of one server counted in a month, not all quarter-hours are known that may be among the busiest, and the percentile is then at most the true one: nobody pays for a guess.
//
// # Limits
//
// A month is compared with the limit that was valid in it. Where it was changed within the month that is the one it ended with: [Changed] keeps what was valid before, in the commit of
// the change. More than the limit is strictly more, in bytes (rule C23).
//
// # Sums
//
// [Sum.Add] is the one place where figures are added up: the total of an overview is the sum of its classes and of its accounts because nothing else makes totals.
package usage
