package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine describes what was measured on.
func machine(before, after string) string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return fmt.Sprintf("machine: %s, %d cores, %d GiB, Linux %s, %s, load %s before, %s after",
		processor(), runtime.NumCPU(), field("/proc/meminfo", "MemTotal:")>>30, unix.ByteSliceToString(u.Release[:]), runtime.Version(), before, after)
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// field reads a line "Name:  123 kB" of a file of /proc, in bytes; 0 when it is not there.
func field(path, name string) uint64 {
	text, _ := os.ReadFile(path)
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, _ := strconv.ParseUint(strings.Fields(string(rest))[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// residentAfterGC is this process's RSS in bytes when everything that can be given back was.
func residentAfterGC() float64 {
	runtime.GC() // twice: what finalizers and pools held goes with the second
	debug.FreeOSMemory()
	return float64(field("/proc/self/status", "VmRSS:"))
}

// processCPU is the user and system time of this process.
func processCPU() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// threadCPU is that of the calling thread; the goroutine must be locked to it.
func threadCPU() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// cpuOf is the CPU time of all threads of another process, from the scheduler's own count, which is
// finer than the ticks of /proc/PID/stat.
func cpuOf(pid int) time.Duration {
	var sum int64
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, t := range threads {
		text, _ := os.ReadFile(t)
		if f := strings.Fields(string(text)); len(f) > 0 {
			n, _ := strconv.ParseInt(f[0], 10, 64)
			sum += n
		}
	}
	return time.Duration(sum)
}

func residentOf(pid int) float64 {
	return float64(field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:"))
}
