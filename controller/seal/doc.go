// Package seal keeps the secrets that the fleet must be able to use again: the passwords
// of management controllers, the communities of switches (rule X9). What is stored is an
// [access.Sealed]: AES-256-GCM under a data key. Data keys lie in the store beside what they
// seal, each wrapped with a key that is derived from the fleet authority's private key, which is
// in no store and which every replica has. A copy of etcd opens nothing; neither does
// the authority's file alone.
//
// A box is bound to the place it was made for (table, record, field): moved to another record it
// does not open. Which fields hold secrets is one table, fields.go; rotation and the list
// of keys follow it.
//
// # Rotation
//
// [Ring.Begin] makes a new data key the current one, in one commit. Every commit that seals
// reads which key is current, so from that commit on nobody seals with the old one, on
// whatever replica. [Ring.Finish] then seals what is left anew, record by record, and removes an old
// key when nothing in the whole store names it, tables of other versions of this
// program included. Whatever dies in between, the ring says what is still to be done, and [Ring.Run]
// does it: repeating is harmless.
//
// The package logs only in Run. Everything is safe for concurrent use.
package seal
