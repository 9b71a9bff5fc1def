// Package dumps walks collections of firmware dumps: a directory, a tar archive
// (plain, gzip, bzip2) or a single file. It reads and hands on, in the order of
// the collection; one dump is in memory at a time, and none may be larger than
// [smbios.MaxInput]. Tools and tests use it, the agent does not.
package dumps
