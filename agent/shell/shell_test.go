package shell

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, script string) *Shell {
	t.Helper()
	s, err := Open([]string{"/bin/sh", "-c", script}, []string{"PATH=/usr/bin:/bin", "TERM=xterm"}, "/", 40, 120)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestTheShellHasATerminalOfItsOwn(t *testing.T) {
	s := open(t, `tty; stty size; read line; echo "got $line"; stty size; exit 7`)
	if err := s.Resize(40, 120); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	buf := make([]byte, 64)
	for !strings.Contains(seen.String(), "40 120") {
		n, err := s.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
	}
	if err := s.Resize(50, 132); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(s)
	text := seen.String() + string(rest)
	if err != nil || !strings.Contains(text, "/dev/pts/") || !strings.Contains(text, "got hello") || !strings.Contains(text, "50 132") {
		t.Errorf("%q %v", text, err)
	}
	if status := s.Wait(); status != 7 {
		t.Errorf("status %d", status)
	}
}

func TestNothingOfAConsoleStaysBehind(t *testing.T) {
	for name, script := range map[string]string{
		"in the background": `sleep 1000 & echo "<$!>"; read line`,
		"deaf to hang-up":   `trap "" HUP; nohup sleep 1000 >/dev/null 2>&1 & echo "<$!>"; read line`,
		"another group":     `set -m; sleep 1000 & echo "<$!>"; read line`,
	} {
		s := open(t, script)
		var seen strings.Builder
		buf := make([]byte, 64)
		for !strings.Contains(seen.String(), ">") {
			n, err := s.Read(buf)
			seen.Write(buf[:n])
			if err != nil {
				t.Fatalf("%s: %v after %q", name, err, seen.String())
			}
		}
		_, after, _ := strings.Cut(seen.String(), "<")
		number, _, _ := strings.Cut(after, ">")
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("%s: %q", name, seen.String())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if text, err := os.ReadFile("/proc/" + number + "/stat"); err == nil && syscall.Kill(pid, 0) == nil {
			if _, state, _, _ := parseStat(text); state != "Z" {
				t.Errorf("%s: process %d goes on: %s", name, pid, text)
			}
		}
		if status := s.Wait(); status != 128+int(syscall.SIGKILL) {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestAProcessThatHoldsTheTerminalDoesNotHoldTheConsole(t *testing.T) {
	s := open(t, `setsid sleep 5 & echo started; exit 3`)
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(io.Discard, s) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		t.Fatal("the console goes on although its shell has ended")
	}
	if status := s.Wait(); status != 3 {
		t.Errorf("status %d", status)
	}
}

func TestWritingToAShellThatReadsNothingEndsWithClose(t *testing.T) {
	s := open(t, `stty raw -echo; echo ready; sleep 1000`)
	buf := make([]byte, 64)
	if _, err := s.Read(buf); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
				done <- err
				return
			}
		}
	}()
	_ = s.Close()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a megabyte was typed to somebody who does not read: %v", err)
	}
}

func TestNoSuchShellIsTold(t *testing.T) {
	if s, err := Open([]string{"/nonexistent/sh"}, nil, "/", 0, 0); err == nil || s != nil || !strings.Contains(err.Error(), "start the shell") {
		t.Errorf("%v %v", s, err)
	}
}

func TestProcessesAreReadWhateverTheyAreCalled(t *testing.T) {
	pid, state, session, ok := parseStat([]byte("12 (a) b) S 1 12 99 0 -1\n"))
	if !ok || pid != 12 || state != "S" || session != 99 {
		t.Error(pid, state, session, ok)
	}
	for _, text := range []string{"", "12", "12 (a", "12 (a) S", "x (a) S 1 2 3", "12 (a) S 1 2 x"} {
		if _, _, _, ok := parseStat([]byte(text)); ok {
			t.Errorf("%q was read", text)
		}
	}
}
