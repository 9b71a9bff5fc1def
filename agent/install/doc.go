// Package install writes an operating system image to one disk and proves that the
// disk holds it.
//
// The manifest's signature is checked before anything else, then that the disk named by
// serial or WWN and size is here, unused and big enough. The index of frames is bound to the manifest by its digest, each
// frame to the index. One connection brings the frames in their order (and is taken up again where it broke); each is
// checked before it is unpacked, and several are unpacked and written by direct I/O at a time, as many as there are processors.
// What is all zeros is not sent: the disk is told to write zeros by itself where it can.
//
// Then everything is read back from the disk and compared with the digests of the image's own bytes; zeros that the disk
// only claimed to have written are written as data. The first megabyte, which holds what a machine boots
// from, is written last, when all the rest is proven: a half-written, truncated or forged image never boots. It too is
// read back (rule B43).
//
// While it writes, the package notes in the journal up to where the disk is known to hold the image: flushed first, noted
// then. After a restart of the agent writing goes on there; the proof at the end is about everything, so that a note
// that is wrong cannot do harm. [Confirm] reads back and compares later, from whatever system runs then.
//
// Host name, keys and network of the command are the business of package configure, which changes the disk after the proof.
package install
