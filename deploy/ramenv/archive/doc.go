// Package archive writes the initial RAM file system: a cpio archive of the newc form, which the kernel
// unpacks into memory before it starts /init.
//
// The same entries give the same bytes: they are sorted, belong to root, have no time, and are
// numbered by their place. The kernel unpacks several archives one after the other, so that a few files can
// be laid over a large archive that is kept.
//
// The form is simple enough to be written here: a header of hexadecimal numbers, a name, the bytes. The
// library for it brings eight modules with it.
package archive
