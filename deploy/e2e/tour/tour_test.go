// Package tour walks the README's tour as it is written.
package tour

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestB1_TheTourOfTheREADMEWorksAsWritten starts a fleet as `make run` does, with
// fewer servers, and runs every block of the tour, and of the life of a server, in one shell.
func TestB1_TheTourOfTheREADMEWorksAsWritten(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build(t, root, filepath.Join(dir, "bin"))
	url := start(t, dir)
	script := blocks(t, filepath.Join(root, "README.md"))
	script = strings.Replace(script, "http://127.0.0.1:8080", url, 1) // any free port
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with the command that it waits for
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), errs.String())
	}
	for _, want := range []string{
		"in maintenance: fan is loud", "fulfilled", "Rebuild server", "steelyard_servers{", "order.hold", "standard",
		"built-in Redfish simulator", "built-in SNMP switch", "remove-owner: done", "power-off: done, it is off", "ports-off: done, 1 of 1 ports were changed; all are shut", "was cleaned",
		"nordlicht", "sold to acme", "account www.example.org", "refused, as it should be", "is being taken back", "node-2: assigned", "acting for reseller/nordlicht",
		"mysql: done", "virus_scan", "bcherkva_shop", "sum of 1 account", "accounts on it: 1", "gone, nothing of it is left",
	} {
		if !strings.Contains(out.String()+errs.String(), want) {
			t.Errorf("the tour does not show %q:\n%s\n%s", want, out.String(), errs.String())
		}
	}
}

func build(t *testing.T, root, bin string) {
	t.Helper()
	for name, pkg := range map[string]string{"steelyard": "./controller", "steelyard-agent": "./agent"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(bin, name), pkg)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
}

// start runs the fleet and returns its address when it is up.
func start(t *testing.T, dir string) string {
	t.Helper()
	ready := filepath.Join(dir, "ready")
	cmd := exec.Command(filepath.Join(dir, "bin", "steelyard"), "dev", "--http", "127.0.0.1:0", "--agents", "127.0.0.1:0", "--simulate", "60", "--ready-file", ready)
	cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the fleet did not end well: %v", err)
		}
		_ = log.Close()
	})
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		var r struct{ URL string }
		if data, err := os.ReadFile(ready); err == nil && json.Unmarshal(data, &r) == nil {
			return r.URL
		}
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("the fleet is not up:\n%s", text)
	return ""
}

var block = regexp.MustCompile("(?s)```sh tour\n(.*?)```")

func blocks(t *testing.T, readme string) string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		script.WriteString(m[1])
	}
	if script.Len() == 0 {
		t.Fatal("the README has no tour")
	}
	return script.String()
}
