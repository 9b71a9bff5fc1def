package hostingtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestASystemOfATestIsStartedBySystemd(t *testing.T) {
	if Booted(t) {
		return
	}
	name, err := os.ReadFile("/proc/1/comm")
	if err != nil || strings.TrimSpace(string(name)) != "systemd" {
		t.Errorf("process 1 is %q: %v", name, err)
	}
	out, err := exec.Command("systemctl", "list-units", "--plain", "--no-legend", "--type=service", "--state=running").CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "systemd-") && !strings.HasPrefix(line, "dbus") {
			t.Errorf("it runs what nobody asked for: %s", line)
		}
	}
}
