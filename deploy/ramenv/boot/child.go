package boot

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tend starts a program again and again, and reaps every process of the machine that ends, which is what process
// 1 is there for. It never returns. The calling process must start nothing else. Told hears how the
// program ended before it is started anew.
func Tend(program func() *exec.Cmd, told func(how string)) {
	const pause = 2 * time.Second
	for {
		cmd := program()
		if err := cmd.Start(); err != nil {
			told(err.Error())
			time.Sleep(pause)
			continue
		}
		told(Ended(reapUntil(cmd.Process.Pid)))
		time.Sleep(pause)
	}
}

// reapUntil waits for all that ends, until it is the one process.
func reapUntil(pid int) syscall.WaitStatus {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		if ended == pid || errors.Is(err, syscall.ECHILD) {
			return status
		}
	}
}

// Ended tells in words how a program ended.
func Ended(status syscall.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%v)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("ended with status %d", status.ExitStatus())
}

// PowerOff writes what is buffered and switches the machine off. It does not return.
func PowerOff() { end(unix.LINUX_REBOOT_CMD_POWER_OFF) }

// Reboot writes what is buffered and starts the machine anew. It does not return.
func Reboot() { end(unix.LINUX_REBOOT_CMD_RESTART) }

func end(how int) {
	unix.Sync()
	if err := unix.Reboot(how); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "the kernel does not switch the machine:", err)
	}
	for { // process 1 must not end
		time.Sleep(time.Hour)
	}
}
