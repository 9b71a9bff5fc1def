package linux

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
)

// patterns of the memory test: each bit both ways, its neighbours both ways, and a value that
// differs at every address.
var patterns = []struct {
	name string
	at   func(i uint64) uint64
}{
	{"alternating bits", func(uint64) uint64 { return 0x5555_5555_5555_5555 }},
	{"alternating bits, inverted", func(uint64) uint64 { return 0xAAAA_AAAA_AAAA_AAAA }},
	{"its own address", func(i uint64) uint64 { return i * 0x9E37_79B9_7F4A_7C15 }},
	{"its own address, inverted", func(i uint64) uint64 { return ^(i * 0x9E37_79B9_7F4A_7C15) }},
}

// TestMemory takes at most a quarter of the free memory, so that it never presses on what
// else runs.
func (m *Machine) TestMemory(ctx context.Context, limit uint64, d time.Duration) (driver.Tested, error) {
	limit = min(limit, m.freeMemory()/4) / (1 << 20) * (1 << 20)
	if limit == 0 {
		return driver.Tested{Detail: "less than 4 MiB of memory is free"}, nil
	}
	mem, err := unix.Mmap(-1, 0, int(limit), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return driver.Tested{}, fmt.Errorf("take %d bytes of memory: %w", limit, err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), limit/8)
	return testWords(ctx, words), nil
}

// testWords goes over words with each pattern until ctx ends; the first pattern
// always goes over at least one piece.
func testWords(ctx context.Context, words []uint64) driver.Tested {
	const piece = 1 << 20 // words
	var t driver.Tested
	for _, p := range patterns {
		for from := 0; from < len(words); from += piece {
			if ctx.Err() != nil && t.Bytes > 0 {
				return t
			}
			part := words[from:min(from+piece, len(words))]
			for i := range part {
				part[i] = p.at(uint64(from + i))
			}
			checkWords(&t, part, from, p.name, p.at)
			t.Bytes = max(t.Bytes, uint64(from+len(part))*8)
		}
		t.Passes++
	}
	return t
}

func checkWords(t *driver.Tested, part []uint64, from int, name string, at func(uint64) uint64) {
	for i, got := range part {
		want := at(uint64(from + i))
		if got == want {
			continue
		}
		if t.Wrong == 0 {
			t.Detail = fmt.Sprintf("%s at offset %d: wrote %#016x, read %#016x", name, (from+i)*8, want, got)
		}
		t.Wrong++
	}
}

// freeMemory is what the kernel and the control group leave, in bytes.
func (m *Machine) freeMemory() uint64 {
	free := m.meminfo("MemAvailable")
	limit, err := number64(filepath.Join(m.sys, "fs/cgroup/memory.max"))
	used, err2 := number64(filepath.Join(m.sys, "fs/cgroup/memory.current"))
	if err == nil && err2 == nil {
		free = min(free, limit-min(used, limit))
	}
	return free
}

// meminfo reads one line of /proc/meminfo, in bytes.
func (m *Machine) meminfo(key string) uint64 {
	text, err := os.ReadFile(filepath.Join(m.prc, "meminfo"))
	if err != nil {
		return 0
	}
	s := bufio.NewScanner(bytes.NewReader(text))
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) >= 2 && f[0] == key+":" {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n * 1024
		}
	}
	return 0
}

// number64 reads a file that holds one number.
func number64(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}
