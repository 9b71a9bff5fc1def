package linux

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
)

// patterns of the memory test: each bit both ways with its neighbours, one bit alone and all but one, a value that
// differs at every address (a broken address line shows two places as one), and noise with its complement.
var patterns = []struct {
	name string
	at   func(i, seed uint64) uint64
}{
	{"alternating bits", func(uint64, uint64) uint64 { return 0x5555_5555_5555_5555 }},
	{"alternating bits, inverted", func(uint64, uint64) uint64 { return 0xAAAA_AAAA_AAAA_AAAA }},
	{"walking one", func(i, seed uint64) uint64 { return 1 << ((i + seed) & 63) }},
	{"walking zero", func(i, seed uint64) uint64 { return ^uint64(1 << ((i + seed) & 63)) }},
	{"its own address", func(i, _ uint64) uint64 { return i * 0x9E37_79B9_7F4A_7C15 }},
	{"its own address, inverted", func(i, _ uint64) uint64 { return ^(i * 0x9E37_79B9_7F4A_7C15) }},
	{"noise", noise},
	{"noise, inverted", func(i, seed uint64) uint64 { return ^noise(i, seed) }},
}

// noise is SplitMix64 (Steele, Lea and Flood 2014): a value that looks random for each place and seed.
func noise(i, seed uint64) uint64 {
	z := (i + seed + 1) * 0x9E37_79B9_7F4A_7C15
	z = (z ^ z>>30) * 0xBF58_476D_1CE4_E5B9
	z = (z ^ z>>27) * 0x94D0_49BB_1331_11EB
	return z ^ z>>31
}

const (
	// blockWords is what a worker writes before it reads any of it back, in words: all workers together have far more in
	// work than the caches of their processors hold, so that what is read comes from the modules.
	blockWords = 64 << 20 / 8
	// pieceWords are written or read between two looks at the clock.
	pieceWords = 1 << 17
	// spared is what a machine of our own keeps free beside a sixteenth of its memory, in bytes.
	spared = 256 << 20
)

// TestMemory takes nearly all that is free where nothing else runs, in the RAM environment, and elsewhere at most a
// quarter, so that it never presses on what else runs.
func (m *Machine) TestMemory(ctx context.Context, limit uint64, d time.Duration, passes int, report func(pass int, done, total uint64)) (driver.Tested, error) {
	limit = min(limit, m.mayTake()) / (1 << 20) * (1 << 20)
	if limit == 0 {
		return driver.Tested{Detail: "too little memory is free to test any"}, nil
	}
	mem, err := unix.Mmap(-1, 0, int(limit), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return driver.Tested{}, fmt.Errorf("take %d bytes of memory: %w", limit, err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), limit/8)
	return testPasses(ctx, words, d, passes, report), ctx.Err()
}

// mayTake is how much of the free memory a test may take, in bytes.
func (m *Machine) mayTake() uint64 {
	free := m.freeMemory()
	if m.opt.Switch == nil || !m.opt.Switch.ram {
		return free / 4
	}
	return free - min(free, spared+free/16)
}

// testPasses makes passes over words until d is over; at least one block is always tested.
func testPasses(ctx context.Context, words []uint64, d time.Duration, passes int, report func(pass int, done, total uint64)) driver.Tested {
	soon, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	out := driver.Tested{Of: uint64(len(words)) * 8}
	for pass := 1; passes <= 0 || pass <= passes; pass++ {
		t := testOnce(soon, words, uint64(pass), func(done uint64) { report(pass, done, out.Of) })
		out.Bytes, out.Wrong = max(out.Bytes, t.Bytes), out.Wrong+t.Wrong
		if out.Detail == "" {
			out.Detail = t.Detail
		}
		if t.Bytes < out.Of {
			break
		}
		out.Passes++
		if soon.Err() != nil {
			break
		}
	}
	return out
}

// testOnce lets one worker for each processor take block after block and test it with every pattern.
func testOnce(ctx context.Context, words []uint64, seed uint64, report func(done uint64)) driver.Tested {
	var next, done, wrong atomic.Uint64
	var first sync.Once
	var out driver.Tested
	blocks := (len(words) + blockWords - 1) / blockWords
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), blocks) {
		wg.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= blocks || i > 0 && ctx.Err() != nil {
					return
				}
				from := i * blockWords
				block := words[from:min(from+blockWords, len(words))]
				whole, n, detail := testBlock(ctx, block, uint64(from), seed, i == 0)
				if n > 0 {
					wrong.Add(n)
					first.Do(func() { out.Detail = detail })
				}
				if !whole {
					return
				}
				report(done.Add(uint64(len(block)) * 8))
			}
		})
	}
	wg.Wait()
	out.Bytes, out.Wrong = done.Load(), wrong.Load()
	return out
}

// testBlock writes each pattern to the whole block and then reads it back. It ends early with ctx, unless must.
func testBlock(ctx context.Context, block []uint64, from, seed uint64, must bool) (whole bool, wrong uint64, detail string) {
	for _, p := range patterns {
		for at := 0; at < len(block); at += pieceWords {
			if ctx.Err() != nil && !must {
				return false, wrong, detail
			}
			part := block[at:min(at+pieceWords, len(block))]
			for i := range part {
				part[i] = p.at(from+uint64(at+i), seed)
			}
		}
		for at := 0; at < len(block); at += pieceWords {
			if ctx.Err() != nil && !must {
				return false, wrong, detail
			}
			n, what := checkWords(block[at:min(at+pieceWords, len(block))], from+uint64(at), seed, p.name, p.at)
			if wrong == 0 {
				detail = what
			}
			wrong += n
		}
	}
	return true, wrong, detail
}

func checkWords(part []uint64, from, seed uint64, name string, at func(i, seed uint64) uint64) (wrong uint64, detail string) {
	for i, got := range part {
		want := at(from+uint64(i), seed)
		if got == want {
			continue
		}
		if wrong == 0 {
			detail = fmt.Sprintf("%s at offset %d: wrote %#016x, read %#016x", name, (from+uint64(i))*8, want, got)
		}
		wrong++
	}
	return wrong, detail
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
