package boot

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Nursery starts programs and reaps every process that ends: the orphans of others too, which is
// what process 1 is there for. One goroutine waits for all, so nothing else in the process may call
// Wait of os/exec; [Nursery.Start] is used instead.
type Nursery struct {
	mu       sync.Mutex
	children map[int]chan syscall.WaitStatus
}

// NewNursery begins to reap, for the rest of the process's life.
func NewNursery() *Nursery {
	n := &Nursery{children: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			n.reap()
		}
	}()
	return n
}

// reap takes all that have ended. Starting holds the same lock, so that no child ends unknown.
func (n *Nursery) reap() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if end := n.children[pid]; end != nil {
			end <- status
			delete(n.children, pid)
		}
	}
}

// Start starts a program and returns a channel that tells its end once.
func (n *Nursery) Start(cmd *exec.Cmd) (<-chan syscall.WaitStatus, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := make(chan syscall.WaitStatus, 1)
	n.children[cmd.Process.Pid] = end
	return end, nil
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
	_ = unix.Reboot(how)
	select {}
}
