// Package usage has the rules of what accounts used: which months there are, and how what nodes say becomes one sum (rules U1, U7, C21, C23). Values in, values out.
//
// # Records
//
// There is one [Record] for each month, server and book of counts. A row of it has one account's totals. Rows are merged by maximum ([Row.Raise]), whatever comes twice, late or in another
// order; totals that were made with a later time zone replace those of an earlier one, because they are of other months. An account's month is the sum over all its records: so a node
// that was installed anew (another book) or a second server adds to what there was, and nothing is counted twice.
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
