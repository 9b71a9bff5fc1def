// Package ftp is the part of a hosting node that lets customers bring their files: ProFTPD with logins of its own.
//
// What it owns: the file of logins and the file of groups that ProFTPD reads, one file of configuration that Debian's includes, the log of transfers with its
// file for logrotate, and the sessions of logins that are no more. It never starts or stops the daemon, and touches nothing in a home but a directory that
// a login shall begin in and that is missing.
//
// # Logins
//
// The account's user and each further login are lines of one file (AuthUserFile): name, digest, uid and gid of the user, directory. Accounts of the system cannot log in, so
// neither root nor a forgotten daemon's can; a shell is not asked for, so /bin/false does not keep anybody from FTP (rule C16). A session sees its directory as "/"; ProFTPD refuses one that is
// reached by a symbolic link, and gives up being root for good once somebody is logged in: what the kernel lets the user do is all that a session can do.
//
// ProFTPD reads the file at each login. A login in a file of 10,000 costs it some milliseconds; writing the file for one changed account costs about as much. There is
// nothing to reload. Ensure compares with what it knows of the file and starts nothing; Settle writes the file once for all.
//
// Suspended and removed accounts have no line. Settle ends the sessions of logins that are not in the file, each time; sessions of a login whose
// password or directory changed are ended with the change.
//
// # Quota
//
// The kernel says when a home is full. An upload is written under another name (".in.NAME.") and takes its place when it is complete; what was aborted or
// refused is deleted. So the file that was there stays, and no part of the new one is left. Appending and continuing an upload are refused therefore. A limit of zero
// refuses uploads before they begin: a kernel's limit of zero would let something through. Deleting always works.
// A program that closes the data connection in the middle without a word says in FTP that the file is complete; one that breaks off both connections, or says ABOR as urgent data, does not.
// When the node itself breaks down in an upload, ".in.NAME." stays; ProFTPD asks for its removal at the next upload of that name.
//
// # Log
//
// Logs/ftp.log has one line for each command that reads or writes, and for the end of each session:
//
//	epoch login command status bytes received sent "transfer" "path"
//
// epoch is in seconds; bytes are those of the file that were transferred, "-" without a transfer; received and sent are all bytes of the session so far in both
// connections, so that the line of EXIT has the session's total; transfer is success, failed, cancelled, timeout or "-". path is absolute and may contain anything but a line's end: a line is
// read from its beginning. The account is the login up to "_".
package ftp
