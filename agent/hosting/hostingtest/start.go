package hostingtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long anything may take on a busy machine.
const Patience = 60 * time.Second

// Daemon is what a test starts: a program that stays in the foreground.
type Daemon struct {
	Args  []string
	Env   []string     // beside that of the test
	Ready func() error // nil once it serves
	Stop  os.Signal    // that asks it to end; SIGTERM when nil
}

// Process is a daemon that runs.
type Process struct {
	PID  int
	Log  string // file of what it printed
	t    testing.TB
	cmd  *exec.Cmd
	over chan struct{}
	stop os.Signal
}

// Start runs a daemon until Stop, or the end of the test, and returns when it is ready.
func Start(t testing.TB, d Daemon) *Process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), filepath.Base(d.Args[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(d.Args[0], d.Args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = log, log, append(os.Environ(), d.Env...), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p := &Process{t: t, cmd: cmd, Log: log.Name(), over: make(chan struct{}), stop: d.Stop}
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is of the thread that started it
		defer runtime.UnlockOSThread()
		defer close(p.over)
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	p.PID = cmd.Process.Pid
	t.Cleanup(p.Stop)
	if d.Ready != nil {
		p.await(d.Ready)
	}
	return p
}

// await is as [Until], and gives up when the daemon ended.
func (p *Process) await(ready func() error) {
	p.t.Helper()
	Until(p.t, p.cmd.Args[0]+" to be ready", func() error {
		select {
		case <-p.over:
			p.t.Fatalf("%s ended: %s", p.cmd.Args[0], p.Printed())
		default:
		}
		return ready()
	})
}

// Printed is what the daemon printed so far, at most the last 4 KiB.
func (p *Process) Printed() string {
	text, _ := os.ReadFile(p.Log)
	return strings.TrimSpace(string(text[max(0, len(text)-4096):]))
}

// Stop ends the daemon with all its processes and waits for it. A second call does nothing.
func (p *Process) Stop() {
	signal := p.stop
	if signal == nil {
		signal = syscall.SIGTERM
	}
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.over:
	case <-time.After(10 * time.Second):
	}
	p.Kill()
}

// Kill ends it at once, as a loss of power would.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.PID, syscall.SIGKILL) // the group that Start made; what left it dies with its parent or is the test's to end
	<-p.over
}

// Until asks again and again until f is content, or the test fails with what f said last.
func Until(t testing.TB, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
