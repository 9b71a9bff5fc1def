package unix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// fresh is for how long a look at all processes serves the accounts of a pass.
const fresh = 10 * time.Second

// processes are which users have some.
type processes struct {
	proc string
	at   time.Time
	of   map[int][]int // process numbers by user
}

func (s *processes) forget() { s.of = nil }

// has tells whether a user had processes within the last seconds.
func (s *processes) has(uid int) bool {
	if s.of == nil || time.Since(s.at) > fresh {
		s.look()
	}
	return len(s.of[uid]) > 0
}

// look reads whose each process is. One that has ended and waits for its parent is nobody's.
func (s *processes) look() {
	s.at, s.of = time.Now(), map[int][]int{}
	dir, err := os.Open(s.proc)
	if err != nil {
		return
	}
	defer dir.Close()
	list, _ := dir.Readdirnames(-1)
	for _, name := range list {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(s.proc, name, "status"))
		if err != nil {
			continue
		}
		for _, uid := range owners(raw) {
			s.of[uid] = append(s.of[uid], pid)
		}
	}
}

// owners are the users in the text of /proc/PID/status: real, effective, saved, of the file system, each once.
func owners(status []byte) (uids []int) {
	for line := range bytes.Lines(status) {
		switch {
		case bytes.HasPrefix(line, []byte("State:\tZ")), bytes.HasPrefix(line, []byte("State:\tX")):
			return nil
		case bytes.HasPrefix(line, []byte("Uid:")):
			for _, text := range bytes.Fields(line[len("Uid:"):]) {
				if uid, err := strconv.Atoi(string(text)); err == nil && (len(uids) == 0 || uids[len(uids)-1] != uid) {
					uids = append(uids, uid)
				}
			}
			return uids
		}
	}
	return nil
}

// Bounds of ending processes: what was killed needs a moment to go, and what cannot be killed (it waits for a disk) is told.
const (
	endRounds = 40
	endPause  = 25 * time.Millisecond
)

// end ends all processes of a user, and waits until they are gone.
func (p *Part) end(ctx context.Context, uid int) error {
	defer p.seen.forget()
	for range endRounds {
		if err := killAll(ctx, uid); err != nil {
			return fmt.Errorf("end the processes of user %d: %w", uid, err)
		}
		if p.seen.look(); len(p.seen.of[uid]) == 0 {
			file.Step("end processes")
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(endPause):
		}
	}
	return fault.Unavailable("processes of user %d cannot be ended: %s", uid, numbers(p.seen.of[uid]))
}

func numbers(pids []int) string {
	var text []string
	for _, pid := range pids[:min(len(pids), 10)] {
		text = append(text, strconv.Itoa(pid))
	}
	return strings.Join(text, ", ")
}

// reaper is what this program is called when it is started to end a user's processes.
const reaper = "steelyard-end-processes"

// killAll starts this program as the user. kill(-1) is one act for the kernel: no process that forks meanwhile escapes. A customer may
// kill the program first; then it is started again.
func killAll(ctx context.Context, uid int) error {
	if uid < FirstID || uid > LastID {
		return fault.Internal("%d is no number of a hosted user", uid)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{reaper}, []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)},
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		return nil // by one of those that it should end: there will be another round
	}
	if errors.Is(err, fs.ErrPermission) {
		return fault.Refused("users may not run the agent's program, which ends their processes as them: chmod 0755 it: %w", err)
	}
	return err
}

// init is the other end of killAll. It is here and not in main so that no program that has this package can be started by that name and do something else.
func init() {
	if len(os.Args) == 1 && os.Args[0] == reaper {
		os.Exit(reap())
	}
}

func reap() int {
	real, effective, saved := unix.Getresuid()
	if real < FirstID || real > LastID || effective != real || saved != real {
		return 2 // never as root: that would be everything
	}
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) {
		return 1
	}
	return 0
}
