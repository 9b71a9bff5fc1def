package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take on a busy machine.
const patience = 90 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	begun := time.Now()
	defer func() {
		if took := time.Since(begun); took > 2*time.Second {
			t.Logf("%v until %s", took.Round(time.Second), what)
		}
	}()
	for end := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// process is one of the programs, running.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   lockedBuffer
	ended chan struct{}
	err   error // after ended
}

// launch starts a program; it is gone when the test ends, whatever happened.
func launch(t *testing.T, name string, env []string, args ...string) *process {
	t.Helper()
	return begin(t, exec.Command(filepath.Join(bin, name), args...), env)
}

// begin starts a command in the same way.
func begin(t *testing.T, cmd *exec.Cmd, env []string) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.Env = append(environment(), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args, p.out.tail(4000))
		}
	})
	return p
}

// environment is ours without what would speak to another fleet.
func environment() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STEELYARD_") {
			env = append(env, v)
		}
	}
	return env
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill is kill -9: nothing can be tidied up.
func (p *process) kill() {
	if !p.over() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// stop is SIGTERM; it must be enough, and not for long.
func (p *process) stop() {
	p.t.Helper()
	begun := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Errorf("it did not end well: %v", p.err)
		}
	case <-time.After(5 * time.Second):
		p.t.Errorf("it goes on %v after SIGTERM", time.Since(begun))
		p.kill()
	}
}

// children are the ids of the processes that p started.
func (p *process) children() (ids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		_, after, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if err != nil || !ok || len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(p.cmd.Process.Pid) {
			continue
		}
		if id, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// lockedBuffer collects what a process says while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) tail(n int) string {
	s := l.String()
	return s[max(0, len(s)-n):]
}
