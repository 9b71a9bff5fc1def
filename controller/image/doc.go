// Package image keeps operating system images: files in one directory, each
// under the SHA-256 of its bytes, and a signed manifest that says what they
// unpack to.
//
// Whatever form an image comes in (raw, compressed raw, qcow2), it is kept in one: a file of independent zstd frames and
// an index of them (protocol.ImageIndex). Frames can be unpacked on all cores of a machine, a broken transfer goes on at a
// frame, and what is all zeros is neither kept nor sent. Packing is the same for the same bytes: an image that is
// imported twice, in whatever forms, is kept once.
//
// A file appears under its name only when it is whole and synced, so
// a crash leaves at most a temporary file, which the next start removes.
//
// qcow2 is unpacked by qemu-img, a program of its own, under limits of memory and time; its header is checked first, and files
// that name other files (a backing file, external data) are refused before any program sees them.
//
// The package never writes etcd: [Store.Import] returns the record, the caller
// commits it. It never runs or mounts an image.
package image
