// Package book keeps what was counted, and how far each log was read, in one commit (rules U2–U4).
//
// A count belongs to one account, class and quarter-hour of UTC. [Book.Commit] writes counts and places of logs together and returns when they are on the disk; a
// batch that does not begin where its log was left is refused, so that the same piece of a log is never counted twice. Whatever an end of the process, of power or a damaged
// block takes away, what is left is a beginning of the book: its places are older, and the logs behind them are read again.
//
// The files, one for each day (of UTC) on which something was written, begin with a head: all places and the totals of months so far. Behind it stand commits, each with
// length and CRC-32C. Opening reads the newest file alone. When a new one is begun, the one before is written anew with one line for each account. Files
// are kept for [Keep]: they hold the quarter-hours of the running and the last two months. A database was not used: there is one writer, what is written is only ever added,
// and five thousand accounts need no index to be read through in a moment.
//
// What a reader of a log has to remember beside the place ([Notes]) is in the same commit, and in the head of each file.
//
// Months are the controller's (rule U7): it says where each begins, and the totals of months are made from the quarter-hours, anew when it says something
// else. Totals of a month only grow while its borders stay; the controller merges by maximum and needs no order of reports.
//
// All methods are safe for concurrent use.
package book
