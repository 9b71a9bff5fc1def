package limited

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Limits of each process of a session, and of processes of the user.
const (
	CPUSeconds  = 300
	Processes   = 60
	MemoryBytes = 2 << 30 // address space
	OpenFiles   = 1024
)

const bash = "/bin/bash"

var limits = []struct {
	which int
	most  uint64
}{
	{unix.RLIMIT_CPU, CPUSeconds},
	{unix.RLIMIT_NPROC, Processes},
	{unix.RLIMIT_AS, MemoryBytes},
	{unix.RLIMIT_NOFILE, OpenFiles},
	{unix.RLIMIT_CORE, 0},
}

// Called tells whether this process was started as the limited shell.
func Called() bool {
	return len(os.Args) > 0 && strings.TrimPrefix(filepath.Base(os.Args[0]), "-") == "shell"
}

// Run becomes bash under the limits. It returns only when that fails, with the exit status.
func Run() int {
	if err := become(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "/bin/shell:", err)
	}
	return 126
}

func become() error {
	args := append([]string{"bash"}, os.Args[1:]...)
	if strings.HasPrefix(os.Args[0], "-") {
		args[0] = "-bash" // a login shell
	}
	for _, l := range limits {
		if err := lower(l.which, l.most); err != nil {
			return fmt.Errorf("set limit %d: %w", l.which, err)
		}
	}
	return syscall.Exec(bash, args, os.Environ())
}

// lower sets a limit unless it is lower already.
func lower(which int, most uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(which, &now); err != nil {
		return err
	}
	most = min(most, now.Max)
	return syscall.Setrlimit(which, &syscall.Rlimit{Cur: most, Max: most}) // not unix.Setrlimit: exec would give back the open files of before
}
