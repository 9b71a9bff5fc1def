// Package smart asks drives how they are: ATA SMART, the SCSI log pages and the NVMe health log, all as one [Health].
//
// There are two ways. smartctl (package smartmontools) knows all kinds of drives and is asked where it is installed
// ([Command]); its JSON is read by [Parse]. NVMe drives are also asked directly by ioctl ([NVMe]), so that a machine
// without smartctl still tells of them; the direct way also knows the temperature limits that smartctl before version
// 7.4 leaves out. [Read] takes what both say together.
//
// The package reads. The one thing it makes a drive do is its own short self-test ([Short]), which changes no data and
// may run while the drive is in use.
//
// What a drive does not tell stays unknown: nil for counters, -1 for percentages, 0 for temperatures. Nothing here
// judges; that is the work of package diagnose.
package smart
