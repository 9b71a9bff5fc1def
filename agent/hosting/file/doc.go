// Package file writes the files of a hosting node, and checks the texts that go into them.
//
// What it owns: how a file comes to be ([Write]), how a directory comes to be ([Dir]), how they go ([Remove], [Tree.RemoveAll]), how root walks below a directory in
// which a customer may write ([Tree]), and what a domain, an address, a digest… may look like (Check…). It never decides which files there are.
//
// # Writing
//
// A file is made beside its place under one fixed name ([Fresh]), gets its owner and mode before its text, is synced and renamed, and the directory is synced: whoever looks
// sees the old file or the new one, and never one that others may read too early. After a crash at most that one file is left over; the next Write or Remove of the same path
// clears it away. An existing file is never opened for writing and never given to somebody else, so a link that a customer made in its place (symbolic or hard) leads nowhere.
// Nothing is written when text, owner and mode are right already: that costs a few microseconds and no write to a disk.
// Two writers of one path at the same time are not supported: parts are called one at a time.
//
// Fresh names begin with a dot: no daemon's "include dir/*.conf" sees them.
//
// # Below a customer's directory
//
// Paths of functions are trusted: root alone may change their directories. What lies where a customer can rename and link is reached by a [Tree] only, in which the kernel
// refuses each symbolic link, each way upwards and each magic link (openat2). This needs Linux 5.6.
//
// # Crashes in tests
//
// Each durable change is a step; [OnStep] lets a test end its process after any of them.
package file
