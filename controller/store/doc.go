// Package store keeps every record of the fleet: typed tables over one sorted
// map of keys ([kv.KV], in production etcd), changed in commits that are
// complete or did not happen, and read from snapshots in memory.
//
// # Writing
//
// [Store.Change] runs a function over a [Tx]. Everything that the function read is
// compared again at the commit, everything it wrote goes in one transaction, the
// audit line included; when something changed meanwhile it runs again. There are
// no locks outside of it. Change returns when this replica's snapshot has reached
// the commit, so a caller reads what it wrote.
//
// Reads in a Tx are first tried from the snapshot, which costs nothing; the
// comparison at the commit catches what was stale, and from the second run on
// reads go to the backend.
//
// # Reading
//
// One watch feeds the snapshot; a read never goes to the backend. A [Snapshot] never changes:
// it can be kept while a long answer is written. When the backend cannot be
// reached the last snapshot goes on answering, [Store.Stale] tells since when, and
// writes are faults of kind unavailable. A watch that was compacted away is replaced by a fresh
// list; subscribers are told to look at everything again.
//
// Values are JSON, so an operator can read them with etcdctl. A field that this version does not
// know is lost when the record is written again; the schema version refuses to
// start on data of a newer version.
package store
