// Package hardware holds the words for one machine: the [Inventory] that an
// agent reports and the [Configuration] that is sold. Both are plain values;
// nothing here reads a machine (agent/collect does) and nothing decides.
//
// JSON names are the names on the wire, in etcd and in the API. Sizes are bytes,
// link speeds Mbit/s. A field that is zero or empty was not seen;
// [Inventory.Sections] tells absent from failed.
//
// [Inventory.Configuration] folds the one into the other; [Configuration.Key] is
// what equal configurations share; [Inventory.Digest] tells whether a report says
// anything new; [Inventory.Clean] bounds what came over the wire; and
// [Identity.Overlap] finds two machines that claim one identity. All of them are
// pure and safe to call from several goroutines, Clean on a value of one's own.
//
// An Inventory holds what changes only when somebody touches the machine (parts,
// firmware, addresses, operating system), so its digest is stable between two
// reports of an idle machine. What moves all the time is in [Sample].
package hardware
