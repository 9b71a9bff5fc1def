// Package erase empties the disks of a machine and proves it, or says that it
// could not. It fails closed: every doubt is a refusal, and a disk that was not read back
// empty is not erased.
//
// Nothing is written before all of this holds (rule B44): the permit carries the controller's
// signature, names this server, this operation, this epoch and the identity of this
// machine, has not ended and was not used by another command; the agent runs from memory, in a sandbox
// or simulated; every disk of the permit is found by serial or WWN and size, and the
// machine has no other disk; each disk opens exclusively, writable and unused, and is asked
// once more who it is just before the first write, and after each checkpoint.
//
// The ladder per disk (rule B45), as far as every disk has it: discard where the
// disk supports it, then overwriting with zeros by direct I/O, four writes of 1 MiB in
// flight; then read back: the whole disk up to [FullProof], else both ends and [Samples]
// random pieces, which is 99 % confidence that less than 0.1 % of the disk was left. Only a disk that was found
// empty is Proven. A discard alone proves nothing: many drives answer zeros and keep the
// data, so it never replaces the overwriting.
//
// Disks are erased side by side. How far each is, is remembered after a flush at every
// checkpoint; after a restart the erase goes on from there and the proof is done anew. When
// several disks fail, all of them are told.
package erase
