package linux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
)

// The right answers of one round. They are constants, because a processor that computes
// wrongly would agree with itself; the test of this file works them out a second way (math/big).
const (
	wantHash    = "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58" // SHA-256 of 1 MiB of zeros
	wantInteger = uint64(0x1a9afa9bcd710e43)
	wantFloat   = uint64(0x40f8693e8ec2eec5)
)

var zeros [1 << 20]byte

// Stress pins one worker to each processor that the process may use and checks every
// round's sums and digest.
func (m *Machine) Stress(ctx context.Context, d time.Duration) (driver.Rounds, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return driver.Rounds{}, fmt.Errorf("ask which processors there are: %w", err)
	}
	var done, wrong atomic.Uint64
	var first sync.Once
	out := driver.Rounds{CPUs: set.Count(), BaseMHz: m.baseMHz()}
	before := m.throttled()
	var wg sync.WaitGroup
	for cpu := range len(set) * 64 {
		if !set.IsSet(cpu) {
			continue
		}
		wg.Go(func() {
			pin(cpu)
			for ctx.Err() == nil {
				if what := round(); what != "" {
					wrong.Add(1)
					first.Do(func() { out.Detail = fmt.Sprintf("processor %d computed a wrong %s", cpu, what) })
				}
				done.Add(1)
			}
		})
	}
	out.SlowestMHz = m.slowestMHz(ctx)
	wg.Wait()
	out.Done, out.Wrong = done.Load(), wrong.Load()
	if after := m.throttled(); after > before {
		out.Throttled = after - before
	}
	return out, nil
}

// pin ties the goroutine to one processor. Its thread ends with it, so nobody
// else inherits the mask.
func pin(cpu int) {
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(cpu)
	_ = unix.SchedSetaffinity(0, &one) // a cgroup may forbid it; the worker then floats
}

// round does a few milliseconds of work and names what came out wrong.
func round() string {
	sum := sha256.Sum256(zeros[:])
	switch {
	case hex.EncodeToString(sum[:]) != wantHash:
		return "digest"
	case integers() != wantInteger:
		return "integer sum"
	case floats() != wantFloat:
		return "floating point sum"
	}
	return ""
}

// integers runs a linear congruential generator (Knuth's MMIX constants) and folds
// multiplications and divisions into it.
func integers() uint64 {
	x, sum := uint64(1), uint64(0)
	for range 100_000 {
		x = x*6364136223846793005 + 1442695040888963407
		sum ^= x / ((x >> 40) | 1)
		sum = sum<<7 | sum>>57
	}
	return sum
}

// floats adds exactly rounded operations only (IEEE 754: + × ÷ √), so that the bits of the result
// are the same on every processor.
func floats() uint64 {
	sum := 0.0
	for i := 1; i <= 100_000; i++ {
		f := float64(i)
		root := math.Sqrt(f)
		sum += float64(root*root) / f
		sum -= 1 / f
	}
	return math.Float64bits(sum)
}
