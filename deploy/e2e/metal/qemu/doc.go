// Package qemu makes virtual machines that stand in for metal: with disks of every kind, network cards, a
// firmware, serial ports and a monitor. The processor is emulated (TCG): slow, but the same everywhere, and a
// machine in it may itself be virtual.
//
// # A test inside a machine
//
// [RunInside] runs a static program in a machine of its own with the given disks, and brings its output
// and exit status back. The simplest way to use it is a test that runs itself:
//
//	func TestB45_AnNVMeDriveIsErased(t *testing.T) {
//		if qemu.Inside() {
//			… // here /dev/nvme0n1 is the machine's disk; t.Log and t.Error as always
//			return
//		}
//		disk := qemu.NewDisk(t, "nvme", "NV1", 64<<20) // an empty file; disk.File is its path
//		qemu.RunTest(t, qemu.Machine{Disks: []qemu.Disk{disk}})
//		raw, _ := os.ReadFile(disk.File) // what is left on it, seen from outside
//	}
//
// [RunTest] compiles the package of the test, runs this one test in the machine, and fails when that fails. Disks are
// named by the order of their controllers, so the code inside finds them by serial number. Booting takes 3 to 8
// seconds of one processor; two machines at most should boot at once on two processors.
//
// # Faults
//
// Disk.Options is appended to QEMU's -drive: "discard=unmap" (by default a discard is acknowledged and does
// nothing), "throttling.bps-write=262144". [Disk.Failing] makes sectors bad. [Running.Unplug] pulls a
// disk of a machine that runs; [Machine.Modules] loads modules such as "scsi_debug dev_size_mb=64" first.
//
// # What is never touched
//
// Disks are files that the test made. Machines have no network but what the test gives; user networks are
// restricted. A machine ends with the test, or with the test's process.
package qemu
