package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Waits between two starts of the agent.
const (
	firstWait = time.Second
	longWait  = 30 * time.Second
	steady    = time.Minute // after which an agent counts as having worked
)

// keepAgent starts the agent, again and again. It is started while drivers are loaded and an address is asked for, and looks at
// the machine when that is ready.
func keepAgent(ctx context.Context, s *screen, w wish, ready <-chan struct{}) {
	for wait := firstWait; ; {
		began := time.Now()
		err := runAgent(ctx, s, w, ready)
		if time.Since(began) > steady {
			wait = firstWait
		}
		s.say("The agent %v; it is started again in %v.", err, wait)
		time.Sleep(wait)
		wait = min(2*wait, longWait)
	}
}

// runAgent runs the agent until it ends. The token is in a file, never an argument.
func runAgent(ctx context.Context, s *screen, w wish, ready <-chan struct{}) error {
	cmd := exec.CommandContext(ctx, "/bin/steelyard-agent", "run", "--environment", w.environment(),
		"--controller", strings.Join(w.Controllers, ","), "--state", filepath.Join(run, "agent"), "--join-file", tokenFile(run), "--after-stdin")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("cannot be heard: %w", err)
	}
	cmd.Stdout = cmd.Stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("cannot be told when to begin: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot be started: %w", err)
	}
	go func() {
		<-ready
		_ = hold.Close()
	}()
	relay(out, s.say)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("ended: %w", err)
	}
	return fmt.Errorf("ended")
}

// relay prints what the agent says, in a technician's words where it matters.
func relay(from io.Reader, say func(string, ...any)) {
	lines := bufio.NewReaderSize(from, 1<<16)
	for {
		line, cut, err := lines.ReadLine()
		if err != nil {
			return
		}
		if text := plain(string(line)); text != "" && !cut {
			say("%s", text)
		}
	}
}

// plain turns a line of the agent's log into words.
func plain(line string) string {
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return strings.TrimSpace(line)
	}
	of := func(key string) string {
		if v, ok := fields[key]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	switch of("msg") {
	case "agent started":
		return ""
	case "enrolled":
		return fmt.Sprintf("Controller: it knows this machine as server %s.", of("server"))
	case "session":
		text := fmt.Sprintf("Connected to controller %s as server %s.", of("controller"), of("server"))
		if of("approval") == "pending" {
			return text + " A person has to approve this machine now: steelyard server approve " + of("server")
		}
		return text + " Waiting for orders."
	case "no session":
		return fmt.Sprintf("Controller not reached: %s. Next attempt in %s.", strings.TrimSuffix(of("error"), "."), of("next_attempt_in"))
	}
	var b strings.Builder
	b.WriteString("Agent: " + of("msg"))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key != "msg" && key != "time" && key != "level" {
			fmt.Fprintf(&b, ", %s %v", key, fields[key])
		}
	}
	return b.String()
}
