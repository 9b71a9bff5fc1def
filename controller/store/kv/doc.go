// Package kv is the contract between the store and what keeps its bytes: a
// sorted map from text keys to values, with one revision that counts every
// commit, compare-and-commit over several keys, leases, and a watch that tells
// what changed. [etcdkv] keeps the contract over etcd, [memkv] in memory; both
// pass the one suite in kvtest.
//
// Promises of every implementation:
//
//   - Get, Read and a List without a revision are linearizable: they see every
//     commit that was acknowledged before they started.
//   - Commit is atomic. All its writes carry one revision, and a watch or a
//     list shows all of them or none.
//   - Watch delivers every event from the asked revision on, in order, a
//     revision never split over two batches, and at least one batch (perhaps
//     without events) every [ProgressEvery] while the backend is well. It ends
//     with exactly one batch that carries an error, unless its context ended.
//   - Whatever fails because the backend cannot be reached, has no leader or
//     has no room is a fault of kind unavailable. A Commit that fails so may
//     still have happened, or happen later.
//   - Limits are checked before anything is sent.
//
// The package never interprets values and knows nothing of records.
//
// [etcdkv]: https://pkg.go.dev/github.com/steelyard/steelyard/controller/store/kv/etcdkv
// [memkv]: https://pkg.go.dev/github.com/steelyard/steelyard/controller/store/kv/memkv
package kv
