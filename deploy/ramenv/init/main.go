// Command init is the first process of the RAM environment, the small system that a server runs from memory
// while it is diagnosed, erased and installed. It brings the machine's drivers and network up and keeps the agent
// running, and tells on the screen what it does and what it waits for.
//
// It is two processes. Process 1 only reaps, and starts the worker again when that ends: should
// process 1 end, the kernel would stop the machine, and much of what the worker does depends on what strangers on the
// network send. The same program is also the kernel's modprobe.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/boot"
)

func main() {
	switch {
	case boot.IsModprobe():
		os.Exit(boot.Modprobe())
	case os.Getpid() == 1:
		first()
	case len(os.Args) == 2 && os.Args[1] == "work":
		work()
	default:
		fmt.Fprintln(os.Stderr, "this program is the first process of a machine and nothing else")
		os.Exit(2)
	}
}

// first is process 1. It never returns.
func first() {
	go gatherEntropy()
	if err := boot.Mount(); err != nil {
		fmt.Println("Steelyard:", err)
	}
	// Only now: until here the kernel asks for what it can do without, and waits each time.
	if err := os.Symlink("/init", boot.ModprobePath); err != nil {
		fmt.Println("Steelyard: the kernel cannot ask for modules:", err)
	}
	if err := hideToken("/proc/cmdline", run); err != nil {
		fmt.Println("Steelyard: the boot token stays visible to programs on this machine:", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) // Ctrl-Alt-Del becomes a signal
	pressed := make(chan os.Signal, 1)
	signal.Notify(pressed, syscall.SIGINT)
	go func() {
		<-pressed
		fmt.Println("Steelyard: Ctrl-Alt-Del was pressed; the machine starts anew.")
		boot.Reboot()
	}()
	boot.Tend(worker, func(how string) {
		fmt.Printf("Steelyard: the program that runs this environment %s; it is started again.\n", how)
	})
}

// gatherEntropy makes the kernel fill its source of random numbers now: it does so only for who waits for them,
// and the DHCP client merely looks whether there are any.
func gatherEntropy() {
	var one [1]byte
	_, _ = unix.Getrandom(one[:], 0)
}

func worker() *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "work")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "TMPDIR=/tmp"}
	return cmd
}
