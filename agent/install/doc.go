// Package install writes an operating system image to one disk and proves that the
// disk holds it.
//
// The manifest's signature is checked before anything else, then that the disk named by
// serial or WWN and size is here, unused and big enough. The image streams through: it is fetched
// (and fetched on from where a connection broke), hashed as a file, unpacked (zstd with a bounded window) or
// taken raw, hashed again as the bytes of the disk, and written by direct I/O with several
// writes in flight; nothing of it is kept. The first megabyte, which holds what a machine boots
// from, is written last and only when both digests and both lengths are right: a half-written,
// truncated or forged image never boots. Then the disk is flushed, asked once more who it is, and the
// whole written range is read back and hashed (rule B43).
//
// Writing again after a crash starts from zero; that is always safe. [Confirm] reads back and
// compares, later, from whatever system runs then.
//
// Host name, keys and network of the command are checked and journaled with it, but not written
// here: they belong to the step that configures the written system.
package install
