package shell

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAProgramWithoutATerminalHasThreePipes(t *testing.T) {
	var out, errs bytes.Buffer
	status, err := Run(t.Context(), []string{"/bin/sh", "-c", "cat; echo wrong >&2; exit 9"}, nil, "/", strings.NewReader("text"), &out, &errs)
	if status != 9 || err != nil || out.String() != "text" || errs.String() != "wrong\n" {
		t.Errorf("%d %v %q %q", status, err, out.String(), errs.String())
	}
	if status, err := Run(t.Context(), []string{"/bin/sh", "-c", "kill -TERM $$"}, nil, "/", strings.NewReader(""), io.Discard, io.Discard); status != 128+15 || err != nil {
		t.Errorf("%d %v", status, err)
	}
	if _, err := Run(t.Context(), []string{"/nonexistent/sh"}, nil, "/", strings.NewReader(""), io.Discard, io.Discard); err == nil {
		t.Error("a program that is not there was run")
	}
}

// What a program started ends with it, and all of it with its context.
func TestNothingOfAProgramStaysBehind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	file := t.TempDir() + "/pid"
	done := make(chan int)
	go func() {
		status, _ := Run(ctx, []string{"/bin/sh", "-c", `sleep 1000 >/dev/null 2>&1 & echo $! >"` + file + `.new"; mv "` + file + `.new" "` + file + `"; wait`}, []string{"PATH=/usr/bin:/bin"}, "/", strings.NewReader(""), &out, &out)
		done <- status
	}()
	var pid []byte
	for end := time.Now().Add(20 * time.Second); len(pid) == 0; time.Sleep(5 * time.Millisecond) {
		if pid, _ = os.ReadFile(file); time.Now().After(end) {
			t.Fatal("it does not start: " + out.String())
		}
	}
	cancel()
	if status := <-done; status != 128+9 {
		t.Errorf("status %d", status)
	}
	raw, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
	if err == nil {
		if _, state, _, _ := parseStat(raw); state != "Z" {
			t.Errorf("%s goes on: %s", pid, raw)
		}
	}
}
