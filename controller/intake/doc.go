// Package intake records what enters: facts from agents and wishes from people.
// One file for each thing that enters. A wish is checked, recorded with its audit
// line in one commit, and answered; what follows from it is reconcile's work.
//
// Intake never moves a lifecycle further than the wish itself says, never talks to a
// machine, and never waits for one. Every function may be called again with the
// same input: facts are merged, results are taken once, and a wish that was
// already granted is granted again.
package intake
