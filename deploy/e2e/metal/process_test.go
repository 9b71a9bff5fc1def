package metal

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
)

// patience is how long anything may take on a busy machine with an emulated processor.
const patience = 7 * time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	began := time.Now()
	for end := began.Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
	t.Logf("%6.1f s: %s", time.Since(began).Seconds(), what)
}

// bin is the directory of both programs, made once.
var bin = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "bin")
	for name, pkg := range map[string]string{"steelyard": "controller", "steelyard-agent": "agent"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "github.com/steelyard/steelyard/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// scratch is the directory of what all tests here share.
var scratch string

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == chassisCommand {
		if err := ipmisim.Chassis(os.Args[3:], os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "metal")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	return m.Run()
}

// process is a program that runs.
type process struct {
	cmd   *exec.Cmd
	out   said
	ended chan struct{}
}

// launch starts a program. It is gone when the test ends, and when the test's process ends.
func launch(t *testing.T, cmd *exec.Cmd, env ...string) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STEELYARD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // whose end would end the program
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(p.ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end()
		if text := p.out.String(); t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(cmd.Args, " "), text[max(0, len(text)-6000):])
		}
	})
	return p
}

// end lets it tidy up: what a controller has started, such as dnsmasq, may outlive one that is killed.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.kill()
	}
}

// kill is kill -9: nothing can be tidied up.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// said collects what a process says while it is read.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func between(s, before, after string) string {
	_, rest, ok := strings.Cut(s, before)
	found, _, end := strings.Cut(rest, after)
	if !ok || !end {
		return ""
	}
	return strings.TrimSpace(found)
}
