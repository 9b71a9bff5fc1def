// Package reconcile moves lifecycles, and is the only part that does: orders
// find their server, operations go on to their next step, services become
// active, tasks close themselves. It runs on the elected leader only, and every
// commit compares the leader's key, so a deposed leader cannot write.
//
// It is level-triggered. A change in the store only says *look at this record
// again*; what to do follows from the record and from nothing that was
// remembered, so a missed event, a restart or a crash between two commits loses
// nothing. Each look ends with at most one commit a step, and the record of the
// next look is in it. What waits for a time is looked at again at that time.
//
// Reconcile never talks to a machine: it leaves a command in the outbox, and
// reads the result that intake recorded.
package reconcile
