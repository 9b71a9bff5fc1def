// Package unix is the part "user" of a hosting node: the Unix user of an account with its home tree, its shell, its processes, and its number.
//
// What it owns: the users' lines in passwd, group, shadow and gshadow; State/users, where each of them is registered; the directories of part.Layout that belong to the user as such. It
// never touches a user who is not registered, even one of the same name, and never decides who shall exist.
//
// # Names and numbers
//
// A user is written down in State/users before anything of him is made, with a number from 20000 to 59999 that is both uid and gid. He is struck out after the last thing of him that this
// part can find is gone: his home, his logs, his processes, his files in directories that everybody may write to. Until then neither name nor
// number are given again (rule X15). Numbers are counted upwards, so that one comes back only after 40,000 others.
//
// # Logging in
//
// Who has the shell /bin/false, no password, or is suspended, has an *expired* entry in shadow beside a locked password. A shell that ends at once is not enough: sshd would still let him in
// and forward ports with ssh -N, and keys do not ask for the password. An expired account is refused by sshd (with PAM or without), cron, at, su and the user's service manager
// alike. FTP, mail and sites do not ask the system, so they go on. What he had running when he lost the right to log in is ended, also if this process was killed in between.
// Crontabs stay where they are and do not run.
//
// # passwd
//
// The four files are edited here, under the lock that all of Debian's tools take (lckpwdf: /etc/.pwd.lock), and replaced one by one, each whole. useradd and userdel would start a process
// for each step, take a home for theirs, and cannot be stopped at any point and repeated. Lines of others are kept byte for byte. No *.lock files are made as shadow-utils also do: after a crash they
// would be in everybody's way, and whoever takes them takes the other lock first.
//
// # Order, blocking, repetition
//
// Everything is true when Ensure or Remove returns; Settle does nothing. For an unchanged account Ensure costs a few calls of stat. Waiting for the lock of passwd is bounded. Ending processes
// starts one process: this program again, as the user, because only kill(-1) by the user's own number reaches all processes at once, however fast they fork.
package unix
