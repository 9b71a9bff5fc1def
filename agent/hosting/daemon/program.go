package daemon

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Program is a daemon that the system starts.
type Program struct {
	Name    string // base name of its executable: "nginx"
	PIDFile string
	Start   string // how a person starts it: "systemctl start nginx"
}

// PID is the process that the pid file names, if that is this program; otherwise the fault says what to do.
func (p Program) PID() (int, error) {
	text, err := os.ReadFile(p.PIDFile)
	if err != nil {
		return 0, fault.Unavailable("%s does not run (%v); start it: %s", p.Name, err, p.Start)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 || !p.is(pid) {
		return 0, fault.Unavailable("%s does not run (%s names no process of it); start it: %s", p.Name, p.PIDFile, p.Start)
	}
	return pid, nil
}

// is tells whether the process runs the program. After an upgrade the kernel adds " (deleted)" to the name.
func (p Program) is(pid int) bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == p.Name
}

// Signal sends a signal to the daemon, and to nobody who got its number meanwhile.
func (p Program) Signal(signal unix.Signal) error {
	pid, err := p.PID()
	if err != nil {
		return err
	}
	return Signal(pid, signal, func() bool { return p.is(pid) })
}

// Signal sends a signal to a process if it still is who was meant: still is asked while the number cannot go to somebody else. A
// process that ended is no error.
func Signal(pid int, signal unix.Signal, still func() bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil //nolint:nilerr // it ended
	}
	defer unix.Close(fd)
	if !still() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && err != unix.ESRCH {
		return fault.Internal("signal process %d: %w", pid, err)
	}
	return nil
}
