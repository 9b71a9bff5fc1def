// Package linux is the real machine: block devices by direct I/O, processors, memory
// and sensors through /proc and /sys.
//
// In a sandbox ([Options].Sandbox) the disks are the files and loop devices that the agent
// was started with and nothing else: the real disks of the machine are neither listed nor
// opened. A sandbox disk has the serial "sandbox-<n>"; what stands behind the number (device
// and inode, backing file) is remembered at the start and compared at every [driver.Disk].Identify.
//
// Opening for writing is exclusive (O_EXCL on a block device, a lock on a file) and
// refused while the disk or one of its partitions is mounted, swapped on or held by another
// device. Block devices are always read and written past the page cache (O_DIRECT);
// a file on a file system without O_DIRECT is synchronised and its cache dropped instead.
package linux
