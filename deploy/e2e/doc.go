// Package e2e starts the two programs as an operator does and treats them badly:
// kill -9 in the middle, a state that cannot be reached, tokens used twice, nonsense
// for requests. It is the one place where controller and agent meet as processes.
//
// What only two Go packages of both sides have to say to each other is tested in
// the folders below: wire, hands, life and tour.
package e2e
