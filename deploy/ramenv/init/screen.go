package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// screen prints lines on every console of the machine. A console that takes nothing, such as a
// serial port whose other end is gone, holds nobody up: what it cannot take is lost.
type screen struct {
	lines []chan string
	start time.Time // of the kernel
}

// backlog is how many lines wait for a slow console.
const backlog = 256

// newScreen opens the kernel's consoles and the one that was asked for ("ttyS0,115200").
func newScreen(asked string) *screen {
	raw, _ := os.ReadFile("/sys/class/tty/console/active")
	names := strings.Fields(string(raw))
	name, speed, _ := strings.Cut(asked, ",")
	if name = filepath.Base(name); asked != "" {
		names = append(names, name)
	}
	s := &screen{start: time.Now().Add(-uptime())}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			continue
		}
		seen[n] = true
		f, err := os.OpenFile("/dev/"+n, os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if n == name {
			setSpeed(f, speed)
		}
		s.add(f)
	}
	if len(s.lines) == 0 {
		s.add(os.Stdout)
	}
	return s
}

func (s *screen) add(f *os.File) {
	lines := make(chan string, backlog)
	s.lines = append(s.lines, lines)
	go func() {
		for line := range lines {
			_, _ = f.WriteString(line)
		}
	}()
}

// uptime is how long the kernel has run.
func uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// say prints one line, with the seconds since the start of the kernel: those of the kernel's own messages.
func (s *screen) say(format string, args ...any) {
	text := strings.Map(printable, fmt.Sprintf(format, args...))
	line := fmt.Sprintf("%6.1f  %s\r\n", time.Since(s.start).Seconds(), text)
	for _, c := range s.lines {
		select {
		case c <- line:
		default:
		}
	}
}

// printable keeps what others sent (names, errors) from steering the terminal.
func printable(r rune) rune {
	if r == '\n' || r == '\t' {
		return ' '
	}
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
		return -1
	}
	return r
}

var speeds = map[string]uint32{
	"9600": unix.B9600, "19200": unix.B19200, "38400": unix.B38400, "57600": unix.B57600, "115200": unix.B115200,
}

// setSpeed sets a serial port that the kernel does not use itself.
func setSpeed(f *os.File, text string) {
	rate, ok := speeds[strings.TrimRight(text, "noe78r")]
	if !ok {
		return
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return
	}
	t.Cflag = t.Cflag&^unix.CBAUD | rate | unix.CLOCAL
	t.Ispeed, t.Ospeed = rate, rate
	_ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}
