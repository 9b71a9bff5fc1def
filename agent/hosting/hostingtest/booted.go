package hostingtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const booted = "STEELYARD_BOOTED"

// Booted is [Alone] on a system that systemd starts: a container of systemd-nspawn on a layer of memory over this machine's files. Nothing is started in it but what the
// test asks systemctl for; its network is its own loopback. The test is a process beside the services, not process 1.
func Booted(t *testing.T) (over bool) {
	t.Helper()
	if os.Getenv(booted) == t.Name() {
		return false
	}
	Need(t, "systemd-nspawn")
	defer sweep()
	run(t, 5*Patience, booted)
	return true
}

// target is what systemd starts: no services of this machine.
const target = "steelyard-test.target"

// boot is what process 1 of the new namespaces does: it starts the container, and in it the test anew. It returns how that ended.
func boot() error {
	root, err := layer()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"systemd/system/" + target: "[Unit]\nRequires=basic.target\nWants=systemd-user-sessions.service\nAfter=basic.target\nAllowIsolate=yes\n",
		"tmpfiles.d/tmp.conf":      "", // Debian's empties /tmp, where the test's program is
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := errors.Join(syscall.Mount("proc", "/proc", "proc", 0, ""), syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), upLoopback()); err != nil { // nspawn remembers in /run
		return err
	}
	box := exec.Command("systemd-nspawn", "--quiet", "--directory="+root, "--register=no", "--keep-unit", "--machine=node", "--hostname=node", "--link-journal=no", "--console=pipe",
		"--boot", "systemd.unit="+target)
	box.Env = append(os.Environ(), "SYSTEMD_NSPAWN_TMPFS_TMP=0")
	box.Stderr = os.Stderr
	if err := box.Start(); err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() { over <- box.Wait() }()
	leader, err := started(box.Process.Pid, over)
	if err != nil {
		return err
	}
	test := exec.Command("nsenter", append([]string{"--all", "--target", strconv.Itoa(leader), "--", program()}, os.Args[1:]...)...)
	test.Dir = "/"
	test.Stdout, test.Stderr = os.Stdout, os.Stderr
	failed := test.Run()
	_ = syscall.Kill(leader, syscall.Signal(34+4)) // SIGRTMIN+4: power off
	select {
	case <-over:
	case <-time.After(Patience):
	}
	return failed
}

// program is this test's. /proc/self/exe means nsenter there.
func program() string {
	path, _ := os.Readlink("/proc/self/exe")
	return path
}

// started is the container's process 1, as it is seen here, once its target is reached.
func started(box int, over <-chan error) (leader int, err error) {
	for end := time.Now().Add(2 * Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-over:
			return 0, fmt.Errorf("the container ended: %w", err)
		default:
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", box))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			first, _, _ := strings.Cut(string(text), " ")
			if leader, err = strconv.Atoi(first); err != nil {
				continue
			}
			if exec.Command("nsenter", "--all", "--target", first, "systemctl", "is-active", "--quiet", target).Run() == nil {
				return leader, nil
			}
		}
	}
	return 0, errors.New("systemd did not come up in the container")
}

// sweep takes away the empty groups of control that nspawn and the systemd in it leave. One that is used stays.
func sweep() {
	for _, pattern := range []string{"/sys/fs/cgroup/*/payload", "/sys/fs/cgroup/*/supervisor", "/sys/fs/cgroup/payload", "/sys/fs/cgroup/supervisor"} {
		list, _ := filepath.Glob(pattern)
		for _, dir := range list {
			var all []string
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					all = append(all, path)
				}
				return nil
			})
			for _, path := range slices.Backward(all) { // what is below first
				_ = syscall.Rmdir(path)
			}
		}
	}
}
