// Package embedded runs one etcd inside the process, in one data directory,
// without any listener: zero set-up for one controller. Its client talks to it
// by function calls, which is 2.5 times as fast as over a socket.
//
// etcd ends the process when it cannot write its log. This package does not let
// it come so far: when the file system has less than a reserve left, writes are
// refused (kind unavailable, with what to do) while reads go on, and are taken
// again by themselves when there is room. Should etcd meet a fatal error all
// the same, it is halted where it stands instead of ending the process:
// [Server.Err] tells, every call fails at once, and what was acknowledged is
// safe on disk for the next start.
//
// One process uses a data directory at a time; a lock file sees to it.
package embedded
