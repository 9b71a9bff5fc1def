package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/protocol"
)

// G12: erasing a disk against dd, shred, nwipe and the best that this machine can write and read at all, on one loop device
// that the bench made over a file of its own, taken in turns.

const (
	wipeBytes = 1 << 30
	wipeChunk = 1 << 20
)

func measureErase(ctx context.Context, b *bench) error {
	defer runtime.GOMAXPROCS(driver.SpareProcessors()) // as in the agent
	if err := needNwipe(); err != nil {
		return err
	}
	dev, detach, err := b.loop(ctx, "disk", wipeBytes)
	if err != nil {
		return err
	}
	defer detach()
	small, detachSmall, err := b.loop(ctx, "small disk", nwipeBytes)
	if err != nil {
		return err
	}
	defer detachSmall()
	var t takes
	if _, err := eraseRound(ctx, dev, small); err != nil { // allocates the file, and counts for nothing
		return err
	}
	for limit := (budget{start: time.Now(), time: 2 * time.Minute}); limit.more(); {
		one, err := eraseRound(ctx, dev, small)
		if err != nil {
			return err
		}
		t = append(t, one)
	}
	row := func(name string, ours, peer, limit func(take) float64) Row {
		r := Row{Goal: "G12", Name: name, Ours: t.median(ours), Unit: "MB/s"}
		if peer != nil {
			r.Peer = num(t.median(peer))
		}
		if limit != nil {
			r.Limit = num(t.median(limit))
		}
		return r
	}
	zero, noise, verify := func(o take) float64 { return o.zero }, func(o take) float64 { return o.noise }, func(o take) float64 { return o.verify }
	raw, read := t.fastest(func(o take) speeds { return o.raw }), t.fastest(func(o take) speeds { return o.read })
	dd, shred := func(o take) float64 { return o.dd }, func(o take) float64 { return o.shred }
	nuked, nukedNoise := func(o take) float64 { return o.nwipe }, func(o take) float64 { return o.nwipeNoise }
	cpu := Row{Goal: "G12", Name: "CPU of overwriting with zeros", Ours: t.median(func(o take) float64 { return o.cpu }), Unit: "s/GB"}
	b.add(
		row("overwriting with zeros, against the best raw writer", zero, nil, raw).ratioAtLeast(t.ratio(zero, raw), 0.93),
		row("overwriting with zeros, against dd bs=1M oflag=direct", zero, dd, nil).ratioAtLeast(t.ratio(zero, dd), 1.1),
		row("overwriting with noise, against shred -n1", noise, shred, nil).ratioAtLeast(t.ratio(noise, shred), 2),
		row("overwriting with zeros, against nwipe", zero, nuked, nil).ratioAtLeast(t.ratio(zero, nuked), 1),
		row("overwriting with noise, against nwipe", noise, nukedNoise, nil).ratioAtLeast(t.ratio(noise, nukedNoise), 1),
		row("overwriting with noise, against zeros", noise, zero, nil).ratioAtLeast(t.ratio(noise, zero), 0.75),
		row("reading back, against the best raw reader", verify, nil, read).ratioAtLeast(t.ratio(verify, read), 0.9),
		cpu.oursAtMost(0.6),
	)
	return measureRework(ctx, b, dev)
}

// loop attaches a file of the bench to a free loop device.
func (b *bench) loop(ctx context.Context, name string, size int64) (dev string, detach func(), err error) {
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return "", nil, err
	}
	if err := os.Truncate(file, size); err != nil {
		return "", nil, err
	}
	out, err := exec.CommandContext(ctx, "losetup", "--show", "-f", "--direct-io=on", file).CombinedOutput()
	if err != nil {
		return "", nil, fmt.Errorf("attach a loop device (root is needed): %w: %s", err, out)
	}
	dev = strings.TrimSpace(string(out))
	detach = func() { _ = exec.Command("losetup", "-d", dev).Run() }
	backing, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(dev), "loop", "backing_file"))
	if err != nil || strings.TrimSpace(string(backing)) != file {
		detach()
		return "", nil, fmt.Errorf("%s is not over the bench's own file: %w", dev, err)
	}
	return dev, detach, nil
}

// depths are how many accesses a loop that does nothing else has under way.
var depths = [...]int{1, 4, 16}

// speeds are those of each depth, in MB/s.
type speeds [len(depths)]float64

// take is one round, in MB/s.
type take struct {
	raw, read                                              speeds
	dd, shred, nwipe, nwipeNoise, zero, noise, verify, cpu float64
}

type takes []take

func (t takes) median(of func(take) float64) float64 {
	var list []float64
	for _, o := range t {
		list = append(list, of(o))
	}
	return median(list)
}

// ratio is the median of the rounds' ratios.
func (t takes) ratio(a, b func(take) float64) float64 {
	return t.median(func(o take) float64 { return a(o) / b(o) })
}

// fastest is the depth with the best median. That the best one is chosen anew in each round would make noise a part of it.
func (t takes) fastest(of func(take) speeds) func(take) float64 {
	best := 0
	at := func(depth int) func(take) float64 { return func(o take) float64 { return of(o)[depth] } }
	for i := range depths {
		if t.median(at(i)) > t.median(at(best)) {
			best = i
		}
	}
	return at(best)
}

func eraseRound(ctx context.Context, dev, small string) (o take, err error) {
	o.raw, err = bareSpeeds(ctx, dev, os.O_WRONLY, (*os.File).WriteAt)
	if err != nil {
		return o, err
	}
	if o.nwipe, err = nwipe(ctx, small, "zero"); err != nil {
		return o, err
	}
	if o.nwipeNoise, err = nwipe(ctx, small, "random"); err != nil {
		return o, err
	}
	if o.dd, err = timed(ctx, "dd", "if=/dev/zero", "of="+dev, "bs=1M", "oflag=direct", fmt.Sprintf("count=%d", wipeBytes/wipeChunk)); err != nil {
		return o, err
	}
	if o.shred, err = timed(ctx, "shred", "-n1", dev); err != nil { // leaves noise, which the next finds
		return o, err
	}
	if err := o.ours(ctx, dev); err != nil {
		return o, err
	}
	o.read, err = bareSpeeds(ctx, dev, os.O_RDONLY, (*os.File).ReadAt)
	return o, err
}

func speed(d time.Duration) float64 { return wipeBytes / 1e6 / d.Seconds() }

func timed(ctx context.Context, name string, args ...string) (float64, error) {
	start := time.Now()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return speed(time.Since(start)), nil
}

// bareSpeeds is what a loop that does nothing else reaches at each depth.
func bareSpeeds(ctx context.Context, dev string, flag int, do func(*os.File, []byte, int64) (int, error)) (list speeds, err error) {
	for i, depth := range depths {
		took, err := bare(ctx, dev, wipeBytes, flag, depth, do)
		if err != nil {
			return list, err
		}
		list[i] = speed(took)
	}
	return list, nil
}

func bare(ctx context.Context, dev string, size int64, flag, depth int, do func(*os.File, []byte, int64) (int, error)) (time.Duration, error) {
	f, err := os.OpenFile(dev, flag|syscall.O_DIRECT, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for i := range depth {
		g.Go(func() error {
			buf := driver.Buffer(wipeChunk)
			for at := int64(i) * wipeChunk; at < size && ctx.Err() == nil; at += int64(depth) * wipeChunk {
				if _, err := do(f, buf, at); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	err = g.Wait()
	took := time.Since(start)
	return took, errors.Join(err, f.Sync())
}

// ours erases the device with the agent's own code, as a disk whose drive has lied: noise, zeros, and reading back.
func (o *take) ours(ctx context.Context, dev string) error {
	s, err := linux.OpenSandbox(0, dev)
	if err != nil {
		return err
	}
	m := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	list, err := m.List(ctx)
	if err != nil {
		return err
	}
	w := &watch{spans: map[string]*span{}}
	out, err := erase.Run(ctx, liar{m}, protocol.Permit{ID: "bench", Disks: list}, w)
	if err != nil || !out[0].Proven {
		return fmt.Errorf("the device was not erased: %w", err)
	}
	for note, to := range map[string]*float64{"overwriting": &o.zero, "overwriting with noise": &o.noise, "reading back": &o.verify} {
		s := w.spans[note+" "+list[0].Name]
		if s == nil {
			return fmt.Errorf("nothing was told about %s", note)
		}
		*to = speed(s.last.Sub(s.first))
		if note == "overwriting" {
			o.cpu = s.cpu.Seconds() / (wipeBytes / 1e9)
		}
	}
	return nil
}

// liar is a machine whose disk claims an erase, so that it is overwritten twice, and has no discard, so that
// the file below keeps its blocks as it does for the others.
type liar struct{ *linux.Machine }

func (l liar) Open(ctx context.Context, name string, mode driver.Mode) (driver.Disk, error) {
	d, err := l.Machine.Open(ctx, name, mode)
	return lyingDisk{d}, err
}

type lyingDisk struct{ driver.Disk }

func (lyingDisk) Discard(int64, int64) error { return driver.ErrUnsupported }

func (lyingDisk) Rungs(context.Context) ([]driver.Rung, error) {
	return []driver.Rung{{Method: "a claim", Run: func(context.Context, func(float64)) error { return nil }}}, nil
}

// watch is an erase.Job that notes when what was done.
type watch struct {
	mu    sync.Mutex
	note  []byte
	spans map[string]*span
}

type span struct {
	first, last time.Time
	began, cpu  time.Duration
}

// Report keeps the last span of each note: a proof that failed is followed by another.
func (w *watch) Report(done, _ uint64, _, note string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, used := time.Now(), processCPU()
	s := w.spans[note]
	if s == nil || done == 0 || strings.HasPrefix(note, "reading") && done == wipeBytes {
		s = &span{first: now, began: used}
		w.spans[note] = s
	}
	s.last, s.cpu = now, used-s.began
}

func (*watch) Parts(func() []protocol.Part)      {}
func (*watch) Final(time.Duration) func()        { return func() {} }
func (*watch) UsePermit(string, time.Time) error { return nil }
func (*watch) Recall(any) (bool, error)          { return false, nil }

func (w *watch) Remember(note any) (err error) {
	w.note, err = json.Marshal(note)
	return err
}
