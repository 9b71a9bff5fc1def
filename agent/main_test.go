package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func call(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = Main(context.Background(), args, &o, &e)
	return status, o.String(), e.String()
}

func TestExitStatuses(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"version"}, 0, ""},
		{[]string{"help"}, 0, "simulate"},
		{[]string{"run", "--help"}, 0, "STEELYARD_JOIN_FILE"},
		{nil, 2, "Usage"},
		{[]string{"dance"}, 2, "no command"},
		{[]string{"run", "--speed", "9"}, 2, "not defined"},
		{[]string{"run", "now"}, 2, "no arguments"},
		{[]string{"run", "--environment", "attic"}, 2, "none of installed, ram, rescue, sandbox"},
		{[]string{"run", "--join", "a", "--join-file", "b"}, 2, "not both"},
		{[]string{"simulate", "--fault", "rust=1"}, 2, "rust"},
		{[]string{"simulate", "--count", "0"}, 2, "cannot simulate"},
		{[]string{"simulate", "--boot-seconds", "-1"}, 2, "to start"},
		{[]string{"simulate", "--control", "/dev/null"}, 1, "no socket"},
		{[]string{"inventory", "-o", "xml"}, 2, "xml"},
		{[]string{"inventory", "-o", "json", "--root", "/proc/none"}, 2, "not a directory"},
		{[]string{"inventory", "--root", "/dev/null"}, 2, "not a directory"},
		{[]string{"run", "--controller", "h:1", "--join", "x", "--state", "/proc/none"}, 1, "state directory"},
	} {
		status, out, errs := call(c.args...)
		if status != c.status || !strings.Contains(out+errs, c.says) {
			t.Errorf("%q: %d %s%s", c.args, status, out, errs)
		}
	}
}

func TestEveryFlagHasATwin(t *testing.T) {
	t.Setenv("STEELYARD_COUNT", "0")
	if status, _, errs := call("simulate"); status != 2 || !strings.Contains(errs, "cannot simulate 0") {
		t.Errorf("from the environment: %d %s", status, errs)
	}
	t.Setenv("STEELYARD_COUNT", "many")
	if status, _, errs := call("simulate"); status != 2 || !strings.Contains(errs, "STEELYARD_COUNT") {
		t.Errorf("a bad twin: %d %s", status, errs)
	}
	t.Setenv("STEELYARD_FAULT", "rust=1")
	if status, _, errs := call("simulate", "--count", "0", "--fault", ""); status != 2 || !strings.Contains(errs, "cannot simulate 0") {
		t.Errorf("the command line wins: %d %s", status, errs)
	}
}

func TestX9_TheJoinTokenComesFromAFileAndIsNeverShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "join")
	if err := os.WriteFile(path, []byte("hunter2-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := wire{joinFile: path}
	if token, err := w.token(); err != nil || token != "hunter2-secret" {
		t.Errorf("%q %v", token, err)
	}
	status, out, errs := call("run", "--controller", "127.0.0.1:1", "--join-file", path, "--state", t.TempDir())
	if status == 0 || strings.Contains(out+errs, "hunter2") {
		t.Errorf("%d %s%s", status, out, errs)
	}
	if token, err := (&wire{joinFile: path + ".gone"}).token(); err != nil || token != "" {
		t.Errorf("a deleted file: %q %v", token, err)
	}
}

func TestInventoryIsPrintedForPeopleAndPrograms(t *testing.T) {
	status, out, errs := call("inventory", "-o", "json")
	var inv hardware.Inventory
	if err := json.Unmarshal([]byte(out), &inv); status != 0 || err != nil || inv.Schema != 1 || len(inv.CPUs) == 0 {
		t.Errorf("%d %v %s", status, err, errs)
	}
	if status, out, _ := call("inventory"); status != 0 || !strings.Contains(out, "Configuration") || !strings.Contains(out, "Memory") {
		t.Errorf("%d %s", status, out)
	}
}

// TestTheBinaryIsSmallAndStopsCleanly builds the real one, starts it and sends SIGTERM.
func TestTheBinaryIsSmallAndStopsCleanly(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "steelyard-agent")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	st, err := os.Stat(bin)
	if err != nil || st.Size() > 12<<20 {
		t.Errorf("the binary has %d bytes: %v", st.Size(), err)
	}
	join := filepath.Join(dir, "join")
	if err := os.WriteFile(join, []byte("syj1.t.s."+strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "run", "--controller", "127.0.0.1:1", "--join-file", join, "--state", filepath.Join(dir, "state"), "--environment", "sandbox")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	first := make([]byte, 4096)
	if n, err := log.Read(first); err != nil || !strings.Contains(string(first[:n]), "agent started") {
		t.Errorf("%s %v", first[:n], err)
	}
	start := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("after SIGTERM: %v in %v", err, time.Since(start))
	}
}

// TestASimulationCannotReachThisMachine looks at what it is built from: the switch of the real machine is not in it.
func TestASimulationCannotReachThisMachine(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./simulate").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if dep == "github.com/steelyard/steelyard/agent/driver/linux" {
			t.Errorf("the simulation contains %s", dep)
		}
	}
	if !strings.Contains(string(out), "github.com/steelyard/steelyard/agent/driver/fake") {
		t.Errorf("this is not the list of its parts: %s", out)
	}
}

func TestTheAgentHasNoHeavyParts(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		for _, heavy := range []string{"net/http", "go.etcd.io/", "google.golang.org/", "github.com/spf13/", "github.com/steelyard/steelyard/controller"} {
			if dep == heavy || strings.HasSuffix(heavy, "/") && strings.HasPrefix(dep, heavy) || strings.HasPrefix(dep, heavy+"/") {
				t.Errorf("the agent contains %s", dep)
			}
		}
	}
}
