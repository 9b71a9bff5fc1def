package limited

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if Called() {
		os.Exit(Run())
	}
	os.Exit(m.Run())
}

// shell runs this program by the name of the shell.
func shell(t *testing.T, argv0 string, args ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{argv0}, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestC16_TheLimitedShellIsBashWithLimitsThatCannotBeRaised(t *testing.T) {
	got := shell(t, "shell", "-c", "ulimit -Ht; ulimit -St; ulimit -Hu; ulimit -Hv; ulimit -Hn; ulimit -Hc; echo $0 $1", "zero", "one")
	want := fmt.Sprintf("%d\n%d\n%d\n%d\n%d\n0\nzero one", CPUSeconds, CPUSeconds, Processes, MemoryBytes/1024, OpenFiles)
	if got != want {
		t.Errorf("limits are\n%s\nwant\n%s", got, want)
	}
	if got := shell(t, "-shell", "-c", "shopt login_shell"); !strings.Contains(got, "on") {
		t.Error("it is no login shell:", got)
	}
	if got := shell(t, "/bin/shell", "-c", "shopt login_shell || :"); !strings.Contains(got, "off") {
		t.Error("it is a login shell:", got)
	}
	if got := shell(t, "shell", "-c", "ulimit -t 5; exec -a shell /proc/"+fmt.Sprint(os.Getpid())+"/exe -c 'ulimit -Ht'"); got != "5" {
		t.Error("a lower limit was raised to", got)
	}
}
