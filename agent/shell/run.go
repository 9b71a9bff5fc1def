package shell

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// takenWithin is how long after the end of a program what it wrote may still be taken: a process that it left behind may hold its output open.
const takenWithin = 10 * time.Second

// Run runs a program without a terminal until it ends, and returns its status; 128 and the signal, if one ended it. With the end of ctx, and with its own,
// everything in its session is killed. env is its whole environment. in is read until the program has ended: close it then, if it may wait for ever.
func Run(ctx context.Context, program, env []string, dir string, in io.Reader, out, errs io.Writer) (status int, err error) {
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = env, dir, out, errs, takenWithin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", program[0], err)
	}
	go func() { // it ends with in, which is the caller's to close
		_, _ = io.Copy(stdin, in) // a program need not read
		_ = stdin.Close()
	}()
	leader := cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() { endSession(leader) })
	_ = cmd.Wait() // the status is kept in ProcessState, and what was not taken in time is lost
	stop()
	endSession(leader)
	return statusOf(cmd.ProcessState), nil
}
