// Package erase empties the disks of a machine and proves it, or says that it
// could not. It fails closed: every doubt is a refusal, and a disk that was not read back
// empty is not erased.
//
// Nothing is written before all of this holds (rule B44): the permit carries the controller's
// signature, names this server, this operation, this epoch and the identity of this
// machine, has not ended and was not used by another command; the agent runs from memory, in a sandbox
// or simulated; every disk of the permit is found by serial or WWN and size, the
// machine has no other disk, hides none behind a RAID controller or in a namespace that is attached to nothing, and no
// drive hides its end; each disk opens exclusively, writable and unused, and is asked
// once more who it is just before the first write, before each command to the drive, and after each checkpoint.
//
// The ladder per disk (rule B45): what the drive has of its own, best first ([driver.SelfErasing]); then discard and
// overwriting with zeros by direct I/O, four writes of 1 MiB in flight. After each rung that says that it worked the disk is
// read back: the whole of it up to [FullProof], else both ends and [Samples]
// random pieces, which is 99 % confidence that less than 0.1 % of the disk was left. Only a disk that was found
// empty is Proven, and empty is zeros. What a drive answers proves nothing:
//
//   - A command that succeeded and left data is noted as "claimed, not proven". The drive is asked for nothing more: it is
//     overwritten, first with noise that is read back, since a drive that drops commands may drop zeros, then with zeros.
//   - A drive that throws its key away may read back as noise. Then pieces that were remembered before must all have
//     changed, and the disk must read as zeros after a discard; else the next rung follows, at the latest the overwriting.
//   - A discard alone proves nothing: many drives answer zeros and keep the
//     data, so it never replaces the overwriting.
//
// Disks are erased side by side, but only so many at a time move data through one controller. How far each is, is
// remembered after a flush at every checkpoint, and before a drive is told anything; after a restart the erase goes on from
// there, waits for what still runs in the drive, and the proof is done anew. A drive's own erase cannot be
// interrupted, and the job says so. When several disks fail, all of them are told.
package erase
