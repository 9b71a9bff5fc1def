package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/pkg/pause"
)

// child is an agent process that lives as long as the fleet on this machine.
type child struct {
	name string
	path string
	args []string
	dir  string // its log is there
	log  *slog.Logger
}

// children are the agent of this machine, which may write only to files of its
// own, and the simulated ones.
func (d *fleetOnOneMachine) children() []child {
	join := filepath.Join(d.opt.Data, "join-token")
	base := func(name string, args ...string) child {
		dir := filepath.Join(d.opt.Data, name)
		return child{
			name: name, path: d.opt.AgentBinary, dir: dir, log: d.log,
			args: append(args, "--controller", d.AgentAddress(), "--join-file", join, "--state", dir),
		}
	}
	agent := base("agent", "run", "--environment", "sandbox",
		"--sandbox-disk", filepath.Join(d.opt.Data, "disks", "0.img:64MiB"), "--sandbox-disk", filepath.Join(d.opt.Data, "disks", "1.img:64MiB"))
	if d.opt.Simulate == 0 {
		return []child{agent}
	}
	return []child{agent, base("simulated", "simulate", "--count", strconv.Itoa(d.opt.Simulate), "--hosting", strconv.Itoa(d.opt.Simulate), "--fault", "failing-disk=0.02",
		"--control", d.socket, "--boot-seconds", strconv.Itoa(bootSeconds))}
}

// run keeps the process alive until ctx ends.
func (c child) run(ctx context.Context) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	for first := true; ; first = false {
		started := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if first && time.Since(started) < 2*time.Second && !killed(err) {
			return fmt.Errorf("%s %s ended at once: %w; see %s", c.path, c.args[0], err, c.logFile())
		}
		c.log.Warn("an agent process ended and is started again", "name", c.name, "error", err)
		if pause.For(ctx, time.Second) != nil {
			return nil
		}
	}
}

// killed tells whether a signal ended the process: that says nothing about how it was started.
func killed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && !exit.Exited()
}

func (c child) logFile() string { return filepath.Join(c.dir, "log") }

// once starts the process and waits for its end. The kernel ends it with this
// process: the parent-death signal belongs to the thread that started it, so that thread waits.
func (c child) once(ctx context.Context) error {
	out, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	return cmd.Run()
}
