// Package etcdkv keeps the contract of package kv over etcd, embedded or
// external; both are the same to its callers. [New] wraps a client that
// somebody else made, [Open] connects to an external cluster.
//
// All keys live under one prefix ("/steelyard/" unless told otherwise), which
// is taken off again on the way out, so a cluster can be shared and an etcd role
// can be confined. Reads are linearizable. Every call ends: it has the caller's
// deadline or the client's own, whichever is sooner. A watch asks for its
// progress, and ends with an error when etcd has been silent for too long, so a
// connection that died silently is noticed.
//
// The package never retries a Commit: whether a lost one happened is for the
// caller to find out.
package etcdkv
