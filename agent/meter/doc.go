// Package meter counts the traffic of hosted accounts on a node: WWW from nginx's logs, FTP from ProFTPD's, mail from Postfix's and Dovecot's (rules U1–U4, U6, U8, U9).
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
//	Mail  what crosses the network: a mail that came in, a mail for each transfer by which it went out, what sessions of IMAP and POP3 said after the login
//
// # Mail
//
// A mail is told by many lines, from the client that brought it to its removal from Postfix's queue, hours or days apart. What was read of those in between ([mail]) is kept in the book, in the commit that has
// the place of the log, so that a mail which is on its way when the agent ends is neither lost nor counted twice. It is bounded: the oldest are given up and told as unknown lines.
//
// Each byte has one payer (rule U2). What came in is paid once for each mail, by the login that brought it or else by the account of the recipient whom the log names first: one transfer brought it to all of them. What goes out is paid
// by who sent it: a login, or the Unix user of a script, never the sender's address, which anybody can choose; of mail from outside by the account whose list or address passes it on. Recipients of one transfer count it once.
// Notices that Postfix makes by itself are nobody's.
//
// What stays on the machine is nobody's traffic (rule U8): delivery to Dovecot, lists of each other, a content filter and what it gives back, which is handed on to who sent it, and whatever has an address of this machine.
//
// Cost: a look at a node without visitors is one system call for each log.
package meter
