// Package state holds the form in which the life of a noun is written down: the states that
// it can be in, and the moves between them. Operation, order, service and server each have one
// such table beside their record.
//
// The tables decide nothing; they say what the code does, so that a person can read it on one
// page (docs/states.md is drawn from them). That they say the truth is proven: the tests of
// reconcile read every revision of the state while fleets live through everything that can
// happen, and no move is seen that is not in a table, nor is one there that is never seen.
// The tests of this package walk the tables: there is no dead end (rule X4), and no
// way from used to available without a proven erase (rule B41).
//
// It is pure, and imports nothing of Steelyard.
package state
