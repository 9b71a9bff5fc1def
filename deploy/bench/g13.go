package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/protocol"
)

// G13: writing an image to a disk, against unpacking it into dd on the same loop device. The image is made of the
// machine's own programs and libraries, which compress as systems do, and has no zeros that would have to be left out.

const imageBytes = 512 << 20

// imageWorld is an image in every form, and a disk.
type imageWorld struct {
	raw, zst, gz string
	store        *image.Store
	manifest     protocol.ImageManifest
	loop         string
	disks        *linux.Machine
	ref          protocol.DiskRef
}

func measureImage(ctx context.Context, b *bench) (err error) {
	defer runtime.GOMAXPROCS(driver.SpareProcessors()) // as in the agent
	w, err := b.imageWorld(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exec.Command("losetup", "-d", w.loop).Run()) }()
	var zstd, gzip, one, proof, read pairs
	limit := budget{start: time.Now(), time: 2 * time.Minute}
	for limit.more() {
		peer, err := w.pipe(ctx, "zstd -dc "+w.zst)
		if err != nil {
			return err
		}
		write, verify, err := w.write(ctx)
		if err != nil {
			return err
		}
		loop, err := bare(ctx, w.loop, imageBytes, os.O_RDONLY, 4, (*os.File).ReadAt)
		if err != nil {
			return err
		}
		old, err := w.pipe(ctx, "gzip -dc "+w.gz)
		if err != nil {
			return err
		}
		single, err := w.onOneProcessor(ctx)
		if err != nil {
			return err
		}
		zstd.add(megabytes(write), megabytes(peer))
		gzip.add(megabytes(write), megabytes(old))
		one.add(megabytes(single), megabytes(peer))
		proof.add((write + verify).Seconds(), write.Seconds())
		read.add(verify.Seconds(), loop.Seconds())
	}
	row := func(name string, p pairs, bound float64) Row {
		return Row{Goal: "G13", Name: name, Ours: median(p.a), Peer: num(median(p.b)), Unit: "MB/s"}.ratioAtLeast(p.ratio(), bound)
	}
	b.add(
		row("write an image, digests included, against zstd -dc | dd", zstd, 1.6),
		row("write an image on one processor, against zstd -dc | dd on two", one, 1),
		row("write an image, against gzip -dc | dd", gzip, 4),
		Row{Goal: "G13", Name: "write and read back, against write alone", Ours: median(proof.a), Peer: num(median(proof.b)), Unit: "s"}.ratioAtMost(proof.ratio(), 1.6),
	)
	b.note("G13: %d rounds; %d MiB, as frames %d MiB; reading back takes %.3g s, a loop that only reads as much %.3g s (%.3g ×)",
		limit.done, imageBytes>>20, w.manifest.FileBytes>>20, median(read.a), median(read.b), read.ratio())
	return nil
}

func megabytes(d time.Duration) float64 { return imageBytes / 1e6 / d.Seconds() }

func (b *bench) imageWorld(ctx context.Context) (*imageWorld, error) {
	dir := filepath.Join(b.dir, "image")
	w := &imageWorld{raw: filepath.Join(dir, "raw"), zst: filepath.Join(dir, "raw.zst"), gz: filepath.Join(dir, "raw.gz")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := gather(w.raw); err != nil {
		return nil, fmt.Errorf("make an image of this machine's files: %w", err)
	}
	for _, words := range [][]string{{"zstd", "-q", "-3", w.raw, "-o", w.zst}, {"gzip", "-k", "-1", w.raw}, {"truncate", "-s", "600M", filepath.Join(dir, "disk")}} {
		if text, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w: %s", words, err, text)
		}
	}
	if err := w.keep(ctx, dir); err != nil {
		return nil, err
	}
	text, err := exec.CommandContext(ctx, "losetup", "--show", "-f", "--direct-io=on", filepath.Join(dir, "disk")).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("attach a loop device, which needs root: %w: %s", err, text)
	}
	w.loop = strings.TrimSpace(string(text))
	disk, err := linux.OpenSandbox(0, w.loop)
	if err != nil {
		return nil, err
	}
	w.disks = linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{disk}})
	w.ref = protocol.DiskRef{Serial: "sandbox-0", SizeBytes: 600 << 20}
	return w, nil
}

// keep imports the image as a controller does.
func (w *imageWorld) keep(ctx context.Context, dir string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	w.store, err = image.Open(filepath.Join(dir, "store"), func(b []byte) []byte { return ed25519.Sign(key, b) })
	if err != nil {
		return err
	}
	f, err := os.Open(w.raw)
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := w.store.Import(ctx, f, image.Meta{Name: "bench", OSFamily: "linux", Format: image.Raw})
	w.manifest = img.ImageManifest
	return err
}

var errEnough = errors.New("enough")

// gather strings programs and libraries together until there are enough of them.
func gather(to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	left := int64(imageBytes)
	for _, root := range []string{"/usr/lib", "/usr/bin", runtime.GOROOT(), "/usr"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // what cannot be read is left out
			}
			from, err := os.Open(path)
			if err != nil {
				return nil //nolint:nilerr // as above
			}
			defer from.Close()
			n, err := io.CopyN(f, from, left)
			if left -= n; left == 0 {
				return errEnough
			}
			if err != nil && err != io.EOF {
				return err
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return f.Sync()
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%d bytes are missing", left)
}

// pipe is how long others take.
func (w *imageWorld) pipe(ctx context.Context, unpack string) (time.Duration, error) {
	start := time.Now()
	text, err := exec.CommandContext(ctx, "sh", "-c", unpack+" | dd of="+w.loop+" bs=1M iflag=fullblock oflag=direct conv=fdatasync status=none").CombinedOutput()
	if err != nil || len(text) > 0 {
		return 0, fmt.Errorf("%s: %w: %s", unpack, errors.Join(err, errors.New("it was not silent")), text)
	}
	return time.Since(start), nil
}

// write is how long ours takes until all is written, and then until it is proven.
func (w *imageWorld) write(ctx context.Context) (write, verify time.Duration, err error) {
	start := time.Now()
	watch := &stages{}
	if _, err := install.Run(ctx, w.disks, w, w.manifest, w.ref, watch); err != nil {
		return 0, 0, err
	}
	return watch.proof.Sub(start), time.Since(watch.proof), nil
}

// onOneProcessor is how long writing takes where no thread of ours gets a second processor.
func (w *imageWorld) onOneProcessor(ctx context.Context) (_ time.Duration, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, err
	}
	one := all
	for i := range len(one) * 64 {
		if one.Count() > 1 {
			one.Clear(i)
		}
	}
	defer func() { err = errors.Join(err, confine(&all)) }()
	if err := confine(&one); err != nil {
		return 0, err
	}
	write, _, err := w.write(ctx)
	return write, err
}

// confine gives every thread of this process the same processors. A thread inherits those of the one that starts it: what was
// started meanwhile is found the second time.
func confine(to *unix.CPUSet) error {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, to); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// Fetch opens a file of the store, as a download without a line.
func (w *imageWorld) Fetch(_ context.Context, name string, offset uint64) (io.ReadCloser, uint64, error) {
	f, size, err := w.store.Open(name)
	if err != nil {
		return nil, 0, err
	}
	_, err = f.Seek(int64(offset), io.SeekStart)
	return f, uint64(size) - offset, err
}

// stages notes when the proof begins: the disk was flushed just before.
type stages struct {
	mu    sync.Mutex
	proof time.Time
}

func (s *stages) Report(_, _ uint64, _, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proof.IsZero() && note == "reading back" {
		s.proof = time.Now()
	}
}

func (s *stages) Remember(any) error       { return nil }
func (s *stages) Recall(any) (bool, error) { return false, nil }
