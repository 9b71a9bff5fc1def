// Package driver is the small contract between what an agent can be told to do
// (diagnose, erase, install, switch off) and the machine that it is done to. There are two
// machines: driver/linux is the real one, driver/fake lives in memory and is what
// simulated agents and fault tests run on. The code above the contract is the same
// for both, and driver/drivertest is the one suite that both pass.
//
// A disk is named by serial or WWN and size, never by its kernel name: [Find] is the
// only way from a name in a command to an open disk, and [Disk.Identify] asks the
// open device again, just before it is touched. A disk without serial and WWN cannot
// be named and therefore is never touched.
//
// What only some disks and machines have is an interface of its own: a drive that empties itself ([SelfErasing]) or
// hides its end ([Clipping]), a machine that hides disks ([Hiding]) or knows its buses ([Wired]). The commands behind them are
// in driver/nvme, driver/ata and driver/scsi, which know nothing of devices and are tried on drives in memory.
//
// The package decides nothing: who may erase is a matter of agent/erase. It promises that
// opening for writing is exclusive and is refused while anything else on the machine
// uses the disk.
package driver
