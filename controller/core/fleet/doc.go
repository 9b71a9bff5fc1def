// Package fleet owns the records of servers and the predicates over them: what
// is known of a machine, whose it is, and whether it can be given to somebody.
// It is pure: values in, values out; the clock is a parameter.
//
// # Words
//
// Server: one physical machine (X1). Facts: what its agent saw. Claim: whose it
// is (X2). Epoch: number of the present claim and operation; commands of an older
// one are refused (X5). Diagnosis: result of diagnostics (B46). Clean: nothing
// of an earlier tenant is on its disks, proven. In service: commissioned (B21).
// Available: all of B17 … B23 hold. State: what all of this comes to, in one word; derived, see StateOf. Reason: one condition that does not.
// Operation: ordered steps on one server. Task: work for a person. Location: data
// centre. Module: what processes orders. Tariff: what is sold. Service: what a
// customer has. The same words are etcd keys, API names and page titles.
package fleet
