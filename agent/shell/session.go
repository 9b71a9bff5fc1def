package shell

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endSession kills every process of a session, until there is none. Something that cannot be killed (it
// hangs in a dead disk) is left after some rounds.
func endSession(leader int) {
	for range 50 {
		left := members(leader)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already: the same to us
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) // the kernel ends them in the background
	}
}

// members lists the processes of a session that still run.
func members(session int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid, state, of, ok := parseStat(text)
		if ok && of == session && state != "Z" && state != "X" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parseStat reads /proc/PID/stat (proc(5)). The name of the program, in parentheses, may hold anything.
func parseStat(text []byte) (pid int, state string, session int, ok bool) {
	head, _, found := bytes.Cut(text, []byte(" "))
	end := bytes.LastIndexByte(text, ')')
	if !found || end < 0 {
		return 0, "", 0, false
	}
	fields := strings.Fields(string(text[end+1:])) // state, parent, group, session, …
	if len(fields) < 4 {
		return 0, "", 0, false
	}
	pid, err := strconv.Atoi(string(head))
	session, sessionErr := strconv.Atoi(fields[3])
	return pid, fields[0], session, err == nil && sessionErr == nil
}
