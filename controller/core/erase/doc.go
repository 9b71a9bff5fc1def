// Package erase makes the certificates of erased disks: one for each disk that an erase touched, proven empty or not.
//
// A certificate is a text: the JSON of a [Certificate], signed with the fleet's Ed25519 key at the moment when the agent's
// result is accepted, and kept byte for byte with its signature in an [Erasure]. It names everything that an
// auditor needs and refers to no record that may be gone later: it outlives the operation and the retirement of the server. Nothing
// ever changes one.
//
// The package decides nothing about servers: whether one is clean is said by the operation's result. It says what the
// agent said, in the agent's words.
package erase
