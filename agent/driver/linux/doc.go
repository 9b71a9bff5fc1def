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
//
// The computer is switched only through a [Switch], which the agent of an installed system or of the RAM environment is
// given and no other: in a sandbox there is no way from a command to it. An installed system is shut down by its own
// programs, systemctl(1) where systemd runs, else shutdown(8); in the RAM environment, where nothing needs to be
// stopped, buffers are flushed and the kernel is told, reboot(2).
package linux
