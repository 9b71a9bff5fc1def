// Package meter counts the traffic of hosted accounts on a node: WWW from nginx's logs, FTP from ProFTPD's (rules U1–U4, U6, U8).
//
// It owns the book of counts ([book]) and reads logs ([tail]); it changes nothing else on the node. Who may write to a log decides what is billed: the directories of logs are
// root's, customers read in them.
//
// [Meter.Look] reads what was written since the last look, piece by piece, and commits counts and places together, so that a byte is counted once whatever dies in between. What
// a line says is the traffic of the quarter-hour in which it was written, which is the one in which the request or transfer ended. Lines that are no traffic (a
// login, a refusal) count nothing; lines that nobody knows are told by number ([book.Source]) and the last of them as a sample, never dropped in silence.
//
// What is counted:
//
//	WWW   all bytes that nginx read and wrote for a request: request line, headers, body; not TLS, TCP and IP around it
//	FTP   the bytes of files, up to where a transfer was broken off; not commands, listings and answers
//
// Cost: a look at a node without visitors is one system call for each log.
package meter
