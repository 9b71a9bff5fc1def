package daemon

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// most is how much of what a program printed is kept, bytes.
const most = 64 << 10

// Run runs a program to its end, for at most three minutes (a busy nginx tests thousands of sites in more than one), and returns what it printed. The fault of one that failed ends with its last words. Arguments
// are seen by everybody on the node: no secrets.
func Run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out tail
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.WaitDelay = &out, &out, "/", time.Second
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	err := cmd.Run()
	text := strings.ToValidUTF8(strings.TrimSpace(string(out)), "?")
	if err != nil && ctx.Err() != nil {
		return text, fault.Unavailable("%s did not end in time: %w", program, ctx.Err())
	}
	if err != nil {
		return text, fault.Refused("%s: %w: %s", program, err, Last(text, 300))
	}
	return text, nil
}

// Last is the end of a text, of at most so many bytes, from the beginning of a line if it can be.
func Last(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	text = text[len(text)-bytes:]
	if _, rest, ok := strings.Cut(text, "\n"); ok {
		text = rest
	}
	return strings.ToValidUTF8(text, "")
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if over := len(*t) - most; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	return len(p), nil
}

// IsThere tells whether a program can be run.
func IsThere(program string) bool {
	info, err := os.Stat(program)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
