package diagnose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

const (
	readPiece   = 1 << 20
	smallPiece  = 4 << 10
	samplePiece = 64 << 10
	// sweeps over the disk share the samples, so that what was looked at is spread evenly when the time is over early.
	sweeps = 8
	// lingers is how long the work waits for disks that hang in the kernel when it was stopped.
	lingers = 2 * time.Second
)

// disk is one disk and what came out of its tests.
type disk struct {
	ref           protocol.DiskRef
	before, after driver.Drive
	loaded        uint64 // bytes read under load
	loadedErr     error
}

func (k *disk) name(what string) string { return "disk " + k.ref.Name + " " + what }

// part names the disk for good.
func (k *disk) part() string {
	if k.ref.Serial != "" {
		return k.ref.Serial
	}
	return k.ref.WWN
}

// ask asks all drives side by side.
func (d *diagnosing) ask(ctx context.Context, take func(*disk, driver.Drive)) {
	var wg sync.WaitGroup
	for _, k := range d.disks {
		wg.Go(func() { take(k, d.machine.Drive(ctx, k.ref)) })
	}
	wg.Wait()
}

// measure reads all disks side by side, and those that seemed slow again, alone: what they share may have been the
// slow part. When ctx ends, disks that hang are left to the kernel.
func (d *diagnosing) measure(ctx context.Context) error {
	var mu sync.Mutex
	var slow []*disk
	var wg sync.WaitGroup
	for _, k := range d.disks {
		wg.Go(func() {
			if d.one(ctx, k, false) {
				mu.Lock()
				defer mu.Unlock()
				slow = append(slow, k)
			}
		})
	}
	if !settled(ctx, &wg) {
		return ctx.Err()
	}
	for _, k := range slow {
		d.one(ctx, k, true)
	}
	return nil
}

// settled waits for wg; when ctx ends before, it waits a little longer and gives up.
func settled(ctx context.Context, wg *sync.WaitGroup) bool {
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	select {
	case <-over:
		return true
	case <-ctx.Done():
	}
	select {
	case <-over:
		return true
	case <-time.After(lingers):
		return false
	}
}

// one tests a disk. It tells whether the disk seemed slow, and leaves the checks of speed to the second time then.
func (d *diagnosing) one(ctx context.Context, k *disk, again bool) (slow bool) {
	dev, err := driver.Open(ctx, d.machine, k.ref, driver.Read)
	if err != nil {
		d.failed(k.name("read"), k.part(), err)
		return false
	}
	defer func() {
		if err := dev.Close(); err != nil && !errors.Is(err, context.Canceled) {
			d.failed(k.name("close"), k.part(), err)
		}
	}()
	l := limitsOf(k.before)
	var row, random protocol.Check
	d.stepUnless(again, "disk "+k.ref.Name, func() { row = d.speed(ctx, dev, k, l) })
	d.stepUnless(again, "disk "+k.ref.Name, func() { random = d.random(ctx, dev, k, l) })
	slow = row.Verdict == protocol.VerdictWarning || random.Verdict == protocol.VerdictWarning
	if !slow || again {
		d.add(row)
		d.add(random)
	}
	if again {
		return slow
	}
	d.step("disk "+k.ref.Name, func() { d.add(d.surface(ctx, dev, k, l)) })
	if d.profile.SelfTest {
		d.step("self-test of disk "+k.ref.Name, func() { d.add(d.selfTest(ctx, k)) })
	}
	return slow
}

func (d *diagnosing) stepUnless(again bool, note string, f func()) {
	if again {
		f()
		return
	}
	d.step(note, f)
}

// speed reads the start of the disk in a row.
func (d *diagnosing) speed(ctx context.Context, dev driver.Disk, k *disk, l limits) protocol.Check {
	c := protocol.Check{Name: k.name("read"), Part: k.part(), Limit: fmt.Sprintf("≥ %.0f MB/s", l.rate), Detail: join("serial "+k.ref.Serial, l.class+link(k.before.Link))}
	took := watch(dev)
	done, err := inARow(ctx, dev, min(d.profile.ReadBytes, int64(k.ref.SizeBytes)), d.profile.Read, l.readers)
	if err != nil {
		return unreadable(c, err)
	}
	rate := float64(done) / max(took().Seconds(), 1e-6) / 1e6
	c.Value = fmt.Sprintf("%.0f MB/s", rate)
	c.Verdict = verdict(done == 0, rate < l.rate)
	c.Figures = []protocol.Figure{against("rate", rate, "MB/s", l.rate)}
	return c
}

// watch tells how long a disk works from now on: by its own clock when it has one that goes, else by that of the machine.
func watch(dev driver.Disk) func() time.Duration {
	start := time.Now()
	timed, ok := dev.(driver.Timed)
	if !ok {
		return func() time.Duration { return time.Since(start) }
	}
	before := timed.Worked()
	return func() time.Duration {
		if worked := timed.Worked() - before; worked > 0 {
			return worked
		}
		return time.Since(start)
	}
}

func link(l driver.Link) string {
	if l.Now == "" {
		return ""
	}
	return " on " + l.Now
}

// inARow reads the first limit bytes with several readers, for at most span.
func inARow(ctx context.Context, dev driver.Disk, limit int64, span time.Duration, readers int) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	var next, done atomic.Int64
	var once sync.Once
	var failed error
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			buf := driver.Buffer(readPiece)
			for {
				at := next.Add(readPiece) - readPiece
				if at >= limit || at > 0 && ctx.Err() != nil {
					return
				}
				n := min(readPiece, limit-at)
				if err := read(dev, buf[:n], at); err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
				done.Add(n)
			}
		})
	}
	wg.Wait()
	return done.Load(), failed
}

// random reads small pieces one after the other, at random places.
func (d *diagnosing) random(ctx context.Context, dev driver.Disk, k *disk, l limits) protocol.Check {
	c := protocol.Check{Name: k.name("random"), Part: k.part(), Detail: "serial " + k.ref.Serial}
	if l.iops > 0 {
		c.Limit = fmt.Sprintf("≥ %.0f reads/s", l.iops)
	}
	buf := driver.Buffer(smallPiece)
	places := max(int64(k.ref.SizeBytes)/smallPiece, 1)
	start, took := time.Now(), watch(dev)
	var times []time.Duration
	for len(times) < d.profile.Randoms && (len(times) == 0 || time.Since(start) < d.profile.Random && ctx.Err() == nil) {
		one := watch(dev)
		if err := read(dev, buf[:min(smallPiece, int64(k.ref.SizeBytes))], rand.Int64N(places)*smallPiece); err != nil {
			return unreadable(c, err)
		}
		times = append(times, one())
	}
	rate := float64(len(times)) / max(took().Seconds(), 1e-6)
	slices.Sort(times)
	median, worst := times[len(times)/2], times[len(times)-1]
	c.Value = fmt.Sprintf("%.0f reads/s, median %s, slowest %s", rate, short(median), short(worst))
	c.Verdict = verdict(false, rate < l.iops)
	c.Figures = []protocol.Figure{figure("random reads", rate, "1/s"), figure("median", median.Seconds()*1e3, "ms"), figure("slowest", worst.Seconds()*1e3, "ms")}
	if l.iops > 0 {
		c.Figures[0] = against("random reads", rate, "1/s", l.iops)
	}
	return c
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
}

// surface reads one piece somewhere in each of many equal parts of the disk, in ascending order, in several sweeps.
func (d *diagnosing) surface(ctx context.Context, dev driver.Disk, k *disk, l limits) protocol.Check {
	c := protocol.Check{Name: k.name("surface"), Part: k.part(), Limit: "every sample readable", Detail: "serial " + k.ref.Serial}
	if k.ref.SizeBytes < 2*samplePiece {
		return unreadable(c, fmt.Errorf("the disk has only %d bytes", k.ref.SizeBytes))
	}
	if l.slowest > 0 {
		c.Limit += ", none slower than " + l.slowest.String()
	}
	buf := driver.Buffer(samplePiece)
	start, done := time.Now(), 0
	var worst time.Duration
	for at := range places(int64(k.ref.SizeBytes), d.profile.Samples) {
		if done > 0 && (time.Since(start) > d.profile.Surface || ctx.Err() != nil) {
			break
		}
		one := watch(dev)
		if err := read(dev, buf, at); err != nil {
			return unreadable(c, err)
		}
		worst = max(worst, one())
		done++
	}
	c.Value = fmt.Sprintf("%d of %d samples of %d KiB read, slowest %s", done, d.profile.Samples, samplePiece>>10, short(worst))
	c.Verdict = verdict(done == 0, l.slowest > 0 && worst > l.slowest)
	c.Figures = []protocol.Figure{figure("samples", done, "samples"), figure("slowest sample", worst.Seconds()*1e3, "ms")}
	return c
}

// places gives n places for a sample, one in each of n equal parts, in sweeps of ascending order.
func places(size int64, n int) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		room := (size - samplePiece) / driver.Block // blocks where a sample may begin, less one
		for sweep := range min(sweeps, n) {
			for i := sweep; i < n; i += sweeps {
				from, to := room*int64(i)/int64(n), room*int64(i+1)/int64(n)
				if !yield((from + rand.Int64N(to-from+1)) * driver.Block) {
					return
				}
			}
		}
	}
}

// readAround reads the whole disk again and again until ctx ends.
func (d *diagnosing) readAround(ctx context.Context, k *disk) (done uint64, err error) {
	dev, err := driver.Open(ctx, d.machine, k.ref, driver.Read)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	buf := driver.Buffer(readPiece)
	for at := int64(0); ctx.Err() == nil; {
		n := min(readPiece, int64(k.ref.SizeBytes)-at)
		if n <= 0 {
			at = 0
			continue
		}
		if err := read(dev, buf[:n], at); err != nil {
			return done, err
		}
		at, done = at+n, done+uint64(n)
	}
	return done, nil
}

func judgeLoad(k *disk, took time.Duration) protocol.Check {
	c := protocol.Check{Name: k.name("load"), Part: k.part(), Verdict: protocol.VerdictOK, Limit: "everything readable", Detail: "serial " + k.ref.Serial}
	if k.loadedErr != nil && !errors.Is(k.loadedErr, context.Canceled) && !errors.Is(k.loadedErr, context.DeadlineExceeded) {
		return unreadable(c, k.loadedErr)
	}
	part := 100 * float64(k.loaded) / max(float64(k.ref.SizeBytes), 1)
	rate := float64(k.loaded) / max(took.Seconds(), 1e-6) / 1e6
	c.Value = fmt.Sprintf("%d MiB read, %.0f %% of the disk, %.0f MB/s", k.loaded>>20, part, rate)
	c.Figures = []protocol.Figure{figure("read", part, "%"), figure("rate under load", rate, "MB/s")}
	return c
}

func read(dev driver.Disk, buf []byte, at int64) error {
	n, err := dev.ReadAt(buf, at)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(buf)) {
		return fmt.Errorf("read at byte %d: %w", at, err)
	}
	return nil
}

func unreadable(c protocol.Check, err error) protocol.Check {
	c.Verdict, c.Detail = protocol.VerdictError, join(c.Detail, err.Error())
	return c
}
