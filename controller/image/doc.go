// Package image keeps operating system images: files in one directory, each
// under the SHA-256 of its bytes, and a signed manifest that says what they
// unpack to. A file appears under its name only when it is whole and synced, so
// a crash leaves at most a temporary file, which the next start removes. The same
// bytes imported twice are kept once.
//
// The package never writes etcd: [Store.Import] returns the record, the caller
// commits it. It never runs or mounts an image.
package image
