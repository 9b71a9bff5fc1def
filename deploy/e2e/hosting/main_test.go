package hosting

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs names the directory of both programs to the tests that run alone.
const programs = "STEELYARD_TEST_PROGRAMS"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(programs) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "steelyard-hosting-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for name, pkg := range map[string]string{"steelyard": "controller", "steelyard-agent": "agent"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "github.com/steelyard/steelyard/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	if err := os.Setenv(programs, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
