// Package matchtest makes fleets and orders for tests and benchmarks of
// [github.com/steelyard/steelyard/controller/core/match], and holds the slow,
// obviously right search that the catalogue is compared with. Everything is
// drawn from the seed: the same arguments give the same values on every machine.
package matchtest
