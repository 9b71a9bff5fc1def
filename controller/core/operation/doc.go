// Package operation decides what happens next in an operation: a durable,
// ordered list of steps on one server, each safe to repeat (rule X4). [Next] is
// pure: it looks at the record, the server and the time and says what to do;
// reconcile does it and stores the new record in one commit.
package operation
