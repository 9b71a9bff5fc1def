// Package memkv keeps the contract of package kv in memory: for tests, offline
// commands and simulations. It is a real store with history, leases, watches
// and compaction, and passes the same suite as etcd; only durability is
// missing. [Store.Cut] makes it unreachable, as a network would.
//
// History is kept as copies of one tree that share structure, so keeping a
// revision costs what it changed. The oldest revisions are compacted by
// themselves when more than the chosen number are kept.
package memkv
