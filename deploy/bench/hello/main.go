// Command hello is the least that can be the first process of a machine: it says hello, and how long the kernel has
// run by then. Everything that a RAM environment does on top of it is the environment's own time.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	fmt.Fprintf(os.Stdout, "hello after %d ns\n", now.Nano())
	select {} // process 1 must not end
}
