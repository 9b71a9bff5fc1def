package unix

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

const dieAt = "STEELYARD_DIE_AT"

// script is what happens to an account, in this order.
var script = []struct {
	name string
	do   func(t *testing.T, p *Part)
}{
	{"made", func(t *testing.T, p *Part) { ensure(t, p, document("a1", "anna")) }},
	{"changed", func(t *testing.T, p *Part) { ensure(t, p, with("/bin/false", protocol.HostedPresent)) }},
	{"opened", func(t *testing.T, p *Part) { ensure(t, p, document("a1", "anna")) }},
	{"suspended", func(t *testing.T, p *Part) { ensure(t, p, with("/bin/bash", protocol.HostedSuspended)) }},
	{"removed", func(t *testing.T, p *Part) { gone(t, p, document("a1", "anna")) }},
}

func with(shell, state string) *part.Account {
	a := document("a1", "anna")
	a.Shell, a.State = shell, state
	return a
}

// The process is killed after each step of each act; the same act again ends as if nothing had happened.
func TestAKillAtAnyStepIsMadeGoodByARepetition(t *testing.T) {
	if at := os.Getenv(dieAt); at != "" {
		left, _ := strconv.Atoi(at)
		file.OnStep(func(string) {
			if left--; left < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // it comes
			}
		})
		n, _ := strconv.Atoi(os.Getenv("STEELYARD_ACT"))
		script[n].do(t, node(t))
		return
	}
	if hostingtest.Alone(t) {
		return
	}
	ignored := []string{"/etc/.pwd.lock"}
	ensure(t, node(t), document("o1", "other"))
	crashes := 0
	for n, act := range script {
		before := system(t)
		// Once without a crash, to know the end; then back to the beginning by the acts before.
		act.do(t, node(t))
		want := system(t)
		for at := 0; ; at++ {
			back(t, n)
			hostingtest.Same(t, before, system(t), ignored...)
			cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
			cmd.Env = append(os.Environ(), dieAt+"="+strconv.Itoa(at), "STEELYARD_ACT="+strconv.Itoa(n))
			out, err := cmd.CombinedOutput()
			if err == nil {
				break // no such step any more
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || at > 60 {
				t.Fatalf("%s, step %d: %v: %s", act.name, at, err, out)
			}
			crashes++
			act.do(t, node(t))
			hostingtest.Same(t, want, system(t), ignored...)
			if t.Failed() {
				t.Fatalf("%s after a crash at step %d", act.name, at)
			}
		}
		back(t, n)
		act.do(t, node(t))
	}
	if crashes < 20 {
		t.Errorf("only %d crashes", crashes)
	}
}

// back makes everything as it was before act n, the number to be given next too.
func back(t *testing.T, n int) {
	t.Helper()
	gone(t, node(t), document("a1", "anna"))
	must(t, os.WriteFile("/etc/steelyard-hosting/next-uid", []byte("20001\n"), 0o600))
	for _, act := range script[:n] {
		act.do(t, node(t))
	}
}
