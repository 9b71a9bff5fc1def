package smart

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"
)

// MaxReport bounds one report of smartctl in bytes; real ones have some 20 kB.
const MaxReport = 1 << 20

// Command finds smartctl, or another program by that path. The error is exec.ErrNotFound where there is none.
func Command(path string) (string, error) { return exec.LookPath(cmp.Or(path, "smartctl")) }

// Report runs smartctl for /dev/name and gives its JSON: what is asked for, or information, health and attributes. A
// disk that sleeps is not woken. smartctl's exit status is a set of findings, not a failure.
func Report(ctx context.Context, command, name string, timeout time.Duration, arguments ...string) ([]byte, error) {
	if len(arguments) == 0 {
		arguments = []string{"--info", "--health", "--attributes", "--nocheck=standby,0"}
	}
	if strings.ContainsAny(name, "/\x00") || name == "" {
		return nil, errors.New("a kernel name of a disk is needed")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	run := exec.CommandContext(ctx, command, append(append([]string{"--json"}, arguments...), "/dev/"+name)...)
	run.WaitDelay = time.Second
	var out bytes.Buffer
	run.Stdout = &capped{&out}
	err := run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && out.Len() > 0 {
		err = nil
	}
	return out.Bytes(), err
}

// all is what diagnostics ask for: with the logs of self-tests and temperatures.
var all = []string{"--info", "--health", "--attributes", "--capabilities", "--log=selftest", "--log=scttempsts"}

// capped drops what goes beyond the bound, so that the writer never blocks.
type capped struct{ to *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := MaxReport - c.to.Len(); room > 0 {
		c.to.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
