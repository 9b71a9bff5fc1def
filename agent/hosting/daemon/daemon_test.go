package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestOnlyTheDaemonItselfIsSignalled(t *testing.T) {
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	file := filepath.Join(t.TempDir(), "pid")
	p := Program{Name: "nginx", PIDFile: file, Start: "systemctl start nginx"}
	for _, text := range []string{"", "x", "-1", "0", "1", "99999999", strconv.Itoa(other.Process.Pid)} { // the number of the last is somebody else's
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := p.Signal(unix.SIGKILL)
		if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "systemctl start nginx") {
			t.Errorf("pid file %q: %v", text, err)
		}
	}
	if err := unix.Kill(other.Process.Pid, 0); err != nil || Title(other.Process.Pid) != "sleep 600" {
		t.Error("somebody else's process was ended")
	}
	p.Name = "sleep"
	if _, err := exec.LookPath("busybox"); err == nil && !p.is(other.Process.Pid) {
		t.Skip("sleep is another program here")
	}
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err == nil {
		t.Error("the daemon was not signalled")
	}
}

func TestRunTellsTheLastWords(t *testing.T) {
	out, err := Run(t.Context(), "/bin/sh", "-c", "echo one; echo two >&2; exit 3")
	if out != "one\ntwo" || err == nil || !strings.HasSuffix(err.Error(), "exit status 3: one\ntwo") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := Run(t.Context(), "/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end"); err != nil || len(out) > most || !strings.HasSuffix(out, "\nend") {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

func TestFilesAndChildrenOfAProcess(t *testing.T) {
	if limit, now := OpenFiles(os.Getpid()); limit < 10 || now < 3 {
		t.Errorf("%d, %d", limit, now)
	}
	if limit, now := OpenFiles(1 << 30); limit != 0 || now != 0 || Title(1<<30) != "" || Children(1<<30) != nil {
		t.Error("a process that is not there has something")
	}
}
