package shell

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// typed is how long the programs in the terminal have to read what is typed.
const typed = 5 * time.Second

// drained is how long after the end of the shell what it wrote may still be read: a process that left its session may hold the
// terminal open.
const drained = time.Second

// Shell is a running shell. One goroutine reads, one writes, and any may close.
type Shell struct {
	terminal *os.File // the master side
	cmd      *exec.Cmd
	over     chan struct{} // the shell and its session have ended
	kill     sync.Once
}

// Open starts a program on a terminal of rows and columns; 0 is 24 or 80. env is its whole environment. Errors: no
// terminal or no such program on this machine.
func Open(program []string, env []string, dir string, rows, cols int) (*Shell, error) {
	master, slave, err := terminal()
	if err != nil {
		return nil, fmt.Errorf("make a terminal for the console: %w", err)
	}
	defer func() { _ = slave.Close() }()
	s := &Shell{terminal: master, cmd: exec.Command(program[0], program[1:]...), over: make(chan struct{})}
	s.cmd.Env, s.cmd.Dir = env, dir
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = s.Resize(or(rows, 24), or(cols, 80))
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		_ = master.Close()
		return nil, fmt.Errorf("start the shell of the console: %w", err)
	}
	go s.await()
	return s, nil
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// await waits for the shell, and ends what it left behind.
func (s *Shell) await() {
	defer close(s.over)
	_ = s.cmd.Wait() // the status is kept in ProcessState
	endSession(s.cmd.Process.Pid)
	_ = s.terminal.SetReadDeadline(time.Now().Add(drained))
}

// Read reads what the shell wrote. The end of the shell is io.EOF.
func (s *Shell) Read(p []byte) (int, error) {
	n, err := s.terminal.Read(p)
	if errors.Is(err, syscall.EIO) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		err = io.EOF // nobody holds the other side of the terminal any more
	}
	return n, err
}

// Write types. What the programs in the terminal do not take within five seconds is lost: its buffer is full, and they read
// nothing.
func (s *Shell) Write(p []byte) (int, error) {
	_ = s.terminal.SetWriteDeadline(time.Now().Add(typed)) // a terminal has one; a closed one says so below
	return s.terminal.Write(p)
}

// Resize tells the programs in the terminal its size.
func (s *Shell) Resize(rows, cols int) error {
	size := unix.Winsize{Row: uint16(rows), Col: uint16(cols)}
	return control(s.terminal, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &size) })
}

// Wait waits for the end of the shell and returns its status; 128 and the signal, if one ended it.
func (s *Shell) Wait() int {
	<-s.over
	return statusOf(s.cmd.ProcessState)
}

// statusOf is the status of a process that has ended as a shell tells it.
func statusOf(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.ExitCode()
}

// Close ends the shell and everything in its session, and returns when they are gone. It may be called again.
func (s *Shell) Close() error {
	s.kill.Do(func() {
		_ = s.cmd.Process.Kill() // gone already: the same to us
		<-s.over
		_ = s.terminal.Close()
	})
	return nil
}
