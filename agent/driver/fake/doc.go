// Package fake is a machine in memory: its disks keep what was written to them, have
// the speed they are given and break the way they are told to. Simulated agents
// and fault tests run the same erase, install and diagnostics on it that run on metal.
//
// A disk may be terabytes: only pages that are not all zero are kept, and equal pages of
// all disks of the process are kept once (a [Pages]), so that a thousand machines that
// install one image need the memory of one.
package fake
