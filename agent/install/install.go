package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

const (
	start      = 1 << 20  // bytes of the image that are written last
	maxWindow  = 16 << 20 // what unpacking may look back, bytes
	maxWorkers = 8        // each has a frame of 16 MiB or so, unpacked and not
)

// Run writes the image of a manifest that Verify accepted. The result is only given when the
// image was read back whole. Faults: refused where image or disk are not what was signed
// or named, unavailable where the image cannot be fetched.
func Run(ctx context.Context, disks driver.Disks, from Fetcher, m protocol.ImageManifest, want protocol.DiskRef, job Job) (*protocol.WrittenImage, error) {
	done := &protocol.WrittenImage{Disk: want, Image: m.ID, RawBytes: m.RawBytes, RawSHA256: strings.ToLower(m.RawSHA256), ReadBack: true}
	mark, err := recall(job, m)
	if err != nil || mark.Proven {
		return done, err
	}
	dev, err := driver.Open(ctx, disks, want, driver.Write)
	if err != nil {
		return nil, err
	}
	w := &writing{dev: dev, from: from, m: m, want: want, job: job, mark: mark, workers: min(runtime.NumCPU()+1, maxWorkers)}
	if err := errors.Join(judge(ctx, w.run(ctx)), dev.Close()); err != nil {
		return nil, fmt.Errorf("write image %s to disk %s: %w", m.Name, driver.Describe(want), err)
	}
	return done, job.Remember(Mark{Image: m.ID, Below: m.RawBytes, Proven: true})
}

// judge says that what the disk answered is no matter of trying again.
func judge(ctx context.Context, err error) error {
	var f *fault.Fault
	if err == nil || errors.As(err, &f) || ctx.Err() != nil {
		return err
	}
	return fault.Refused("%w", err)
}

// recall reads how far an earlier process came with the same image.
func recall(job Job, m protocol.ImageManifest) (Mark, error) {
	var mark Mark
	if ok, err := job.Recall(&mark); err != nil || !ok || mark.Image != m.ID || mark.Below > m.RawBytes {
		return Mark{Image: m.ID}, err
	}
	return mark, nil
}

type writing struct {
	dev     driver.Disk
	from    Fetcher
	m       protocol.ImageManifest
	want    protocol.DiskRef
	job     Job
	mark    Mark
	workers int
	spans   []span
	decoder *zstd.Decoder
	first   []byte // the start of the image
	done    atomic.Uint64
}

// run clears the start of the disk, writes all the rest, proves it, then writes the start and proves that.
func (w *writing) run(ctx context.Context) error {
	index, err := fetchIndex(ctx, w.from, w.m)
	if err != nil {
		return err
	}
	w.spans = spans(index, w.m.RawBytes)
	w.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(w.workers), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(protocol.MaxFrameBytes), zstd.IgnoreChecksum(true)) // a better digest was compared
	if err != nil {
		return fault.Internal("make a decoder: %w", err)
	}
	defer w.decoder.Close()
	w.first = driver.Buffer(int(w.fit(0, min(start, w.m.RawBytes))))
	if _, err := w.dev.WriteAt(w.first, 0); err != nil {
		return fmt.Errorf("clear the start: %w", err)
	}
	if err := w.write(ctx); err != nil {
		return err
	}
	if err := w.dev.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := w.prove(ctx); err != nil {
		return err
	}
	if err := driver.Check(ctx, w.dev, w.want); err != nil {
		return err
	}
	return w.begin()
}

// begin makes the disk bootable.
func (w *writing) begin() error {
	if _, err := w.dev.WriteAt(w.first, 0); err != nil {
		return fmt.Errorf("write the start: %w", err)
	}
	if err := w.dev.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	got := driver.Buffer(len(w.first))
	if err := readFull(w.dev, got, 0); err != nil {
		return err
	}
	if !bytes.Equal(got, w.first) {
		return fault.Refused("read back: the disk's start is not what was written")
	}
	return nil
}

// fit is n rounded up to whole blocks, or to the room that the disk has at a place.
func (w *writing) fit(at, n uint64) uint64 {
	return min(uint64(driver.RoundUp(int64(n))), w.want.SizeBytes-at)
}

// advance counts bytes; writing and reading back are half of the work each.
func (w *writing) advance(n uint64, note string) {
	w.job.Report(w.done.Add(n), 2*w.m.RawBytes, "bytes", note)
}

// readFull reads all of p; what a disk cannot give is a refusal that says where.
func readFull(dev driver.Disk, p []byte, at uint64) error {
	n, err := dev.ReadAt(p, int64(at))
	if n == len(p) {
		return nil
	}
	return short(n, err, at)
}

func short(n int, err error, at uint64) error {
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fault.Refused("read back at byte %d: %w", at+uint64(n), err)
}
