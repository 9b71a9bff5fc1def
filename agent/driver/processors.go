package driver

import "runtime"

// spare is how many goroutines may wait for disks and keep no processor from those that compute.
const spare = 4

// SpareProcessors lets Go run more goroutines at once than the machine has processors, for as long as the process lives, and
// gives the number before. Go holds on to the processor of a goroutine that waits for a disk until its watchdog looks again, which
// may take 10 ms: as long as a frame of an image takes to be written. A process that writes or reads whole disks calls it once.
func SpareProcessors() (before int) { return runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spare) }
