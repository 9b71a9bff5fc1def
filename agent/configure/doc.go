// Package configure makes a system that was just written to a disk the system of one server: it grows the last partition and the
// root file system, and gives the system its name, its keys, its network and an agent of its own (rule B43).
//
// It runs after the proof that the image is on the disk, on real machines only, and changes the disk; the same work may be done again after a crash
// at any point and ends the same way. What must be there for the system to report is required: a partition table, a root file
// system of a known kind, room for the agent, systemd. What is merely doubtful, such as a file system that could not be grown or
// an fstab that names no partition of the disk, is a warning in the result.
//
// An image is a stranger's. Partition tables are read with bounds and checksums; file systems are recognised by their own marks, never
// by what the table calls them; files are written through [os.Root], which does not follow a link out of the tree, under new
// names that are renamed into place, so that a link in the place of a file is replaced and not followed. Nothing of the image is executed, and
// nothing larger than a bound is read. The kernel's file system code does read the image's structures: on a machine that holds
// nothing but this work.
//
// Partitions are told to the kernel one by one (BLKPG), whatever it thinks of the table itself. The file system is mounted without
// a place in the tree (fsmount(2)): no other process can enter it, and it is gone with the process, however that ends.
//
// Partition tables and FAT are read and written here rather than with go-diskfs: that library brings five file systems
// and eight modules into an agent that needs four structures, and its reader takes tables whose checksums are wrong.
package configure
