// Command inside is /init of the virtual machines in which tests run a program: it loads drivers, waits for
// the disks that the test gave, runs the program, and switches off. What the program says goes to the second
// serial port, followed by its exit status; what this program says goes to the first.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/deploy/ramenv/boot"
)

// job is what the test wants; package qemu writes it.
type job struct {
	Program string
	Args    []string
	Env     []string
	Modules []string // names, each with options after a space
	Disks   int      // block devices with a device behind them to wait for
	Trailer string   // last line, before the status
}

const patience = 60 * time.Second

func main() {
	if boot.IsModprobe() {
		os.Exit(boot.Modprobe())
	}
	if err := work(); err != nil {
		fmt.Println("inside:", err)
	}
	boot.PowerOff()
}

func work() error {
	if err := boot.Mount(); err != nil {
		return err
	}
	raw, err := os.ReadFile("/job.json")
	if err != nil {
		return err
	}
	var j job
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	if err := drivers(j); err != nil {
		return err
	}
	if lo, err := netlink.LinkByName("lo"); err == nil {
		_ = netlink.LinkSetUp(lo)
	}
	out, err := output()
	if err != nil {
		return err
	}
	status := run(j, out)
	_, err = fmt.Fprintf(out, "\n%s %d\n", j.Trailer, status)
	unix.Sync()
	return err
}

// drivers loads what the devices ask for, waits for the disks, and then loads what the test asks for.
func drivers(j job) error {
	loader, err := boot.Modules()
	if err != nil {
		return err
	}
	tell := func(err error) {
		if err != nil {
			fmt.Println("inside:", err)
		}
	}
	for _, m := range append(boot.Always(), "sg", "loop", "dm_mod") {
		tell(loader.Want(m))
	}
	_ = boot.MountFirmware()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		tell(loader.Devices("/sys"))
		disks, _ := filepath.Glob("/sys/block/*/device")
		if len(disks) >= j.Disks {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("of %d disks only these came within %v: %v", j.Disks, patience, disks)
		}
	}
	for _, m := range j.Modules {
		tell(boot.Want(loader, m))
	}
	if len(j.Modules) > 0 {
		settle()
	}
	return nil
}

// settle waits until no more disks come: a module such as scsi_debug looks for them in the background.
func settle() {
	const quiet = 500 * time.Millisecond
	count, since := 0, time.Now()
	for time.Since(since) < quiet {
		if list, _ := filepath.Glob("/sys/block/*"); len(list) != count {
			count, since = len(list), time.Now()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// output is the second serial port, with no newline changed.
func output() (*os.File, error) {
	f, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	t.Oflag &^= unix.OPOST
	return f, unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

// run runs the program; 125 means that it could not be started, as with a shell's own helpers.
func run(j job, out *os.File) int {
	cmd := exec.Command(j.Program, j.Args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, "/tmp"
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "STEELYARD_INSIDE=1"}, j.Env...)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		_, _ = fmt.Fprintln(out, "inside:", err)
		return 125
	}
	return cmd.ProcessState.ExitCode()
}
