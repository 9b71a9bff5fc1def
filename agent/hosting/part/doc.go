// Package part is what the parts of a hosting node have in common: the contract by which package hosting drives them, and where things are.
//
// A part is one thing that an account has on a node (its Unix user, its quota, its site, its mail…) with the daemon that serves it. Parts know nothing
// of each other and nothing of the controller. Package hosting calls them in a fixed order for one account after another: user, quota, site, ftp, mail, mysql to
// make it, the other way round to remove it.
//
// What a part promises:
//
//   - Ensure and Remove may be repeated at any time, after any crash, and end in the same state. What is as it shall be is not written again: for an
//     unchanged account Ensure starts no process and costs less than a third of a millisecond of processor time, because a node with 5,000 accounts looks at all of them again and again.
//   - What concerns a daemon as a whole (a reload) is left to Settle, which is called once for a batch of accounts and does nothing when nothing changed. It
//     checks before it reloads; what does not pass is taken back, the daemon goes on with what it had, and the account that is to blame is named ([Blamed]).
//   - What was set is read back where the system can say what it has.
//   - Nothing of an account is trusted: each text that goes into a file or an argument is checked against what that place can hold, and refused otherwise. There are no shell
//     strings, no secrets in arguments, errors or logs. A file is written beside its place with its owner and mode from the first moment, synced and renamed.
//   - Nothing below a directory that a customer can write to is opened by root without guard against links (openat2 with RESOLVE_BENEATH and
//     RESOLVE_NO_SYMLINKS, or as the customer).
//   - A part without its daemon says so in Provide; Ensure then fails with what to do, and only for accounts that need it.
package part
