// Package owners remembers to which account the names in logs belong: users, and domains of mail.
//
// A line may be read after the account that it is of was removed: the names of the removed stay theirs for [Keep], or until another account gets the name. A name that nobody has
// is taken over at once ([Owners.Learn]); one that changes hands is handed over ([Owners.Hand]) when the logs were read to their end for the one before. What a daemon writes
// of the one before later than that, an answer that took longer than the removal and the new account's making, is the new one's.
//
// It is one small file, written when something changed and replaced as a whole. Not safe for concurrent use.
package owners
