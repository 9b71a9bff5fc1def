package install

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// maxWindow bounds what unpacking may keep in memory, in bytes: zstd -19 uses 8 MiB.
const maxWindow = 32 << 20

// Report tells how far the work is; see execute.Job.
type Report func(done, total uint64, unit, note string)

// Run writes the image of a manifest that Verify accepted. The result is only given when the
// image was read back whole. Faults: refused where image or disk are not what was signed
// or named, unavailable where the image cannot be fetched.
func Run(ctx context.Context, disks driver.Disks, from Fetcher, m protocol.ImageManifest, want protocol.DiskRef, report Report) (*protocol.WrittenImage, error) {
	dev, err := driver.Open(ctx, disks, want, driver.Write)
	if err != nil {
		return nil, err
	}
	w := &writing{dev: dev, from: from, m: m, want: want, report: report}
	if err := errors.Join(w.run(ctx), dev.Close()); err != nil {
		return nil, fmt.Errorf("write image %s to disk %s: %w", m.Name, driver.Describe(want), err)
	}
	return &protocol.WrittenImage{Disk: want, Image: m.ID, RawBytes: m.RawBytes, RawSHA256: strings.ToLower(m.RawSHA256), ReadBack: true}, nil
}

type writing struct {
	dev    driver.Disk
	from   Fetcher
	m      protocol.ImageManifest
	want   protocol.DiskRef
	report Report
	done   uint64
}

// run clears the start of the disk, writes all but the first piece, then the first
// piece, then reads everything back.
func (w *writing) run(ctx context.Context) error {
	start := min(chunk, driver.RoundUp(int64(w.m.RawBytes)), int64(w.want.SizeBytes))
	if _, err := w.dev.WriteAt(driver.Buffer(int(start)), 0); err != nil {
		return fmt.Errorf("clear the start: %w", err)
	}
	first, err := w.stream(ctx)
	if err != nil {
		return err
	}
	if err := w.dev.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := driver.Check(ctx, w.dev, w.want); err != nil {
		return err
	}
	if _, err := w.dev.WriteAt(first, 0); err != nil {
		return fmt.Errorf("write the start: %w", err)
	}
	if err := w.dev.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return readBack(ctx, w.dev, w.m.RawBytes, w.m.RawSHA256, func(n int) { w.advance(n, "reading back") })
}

// advance counts bytes; writing and reading back are half of the work each.
func (w *writing) advance(n int, note string) {
	w.done += uint64(n)
	w.report(w.done, 2*w.m.RawBytes, "bytes", note)
}

// stream fetches, checks and writes the image, and returns its first piece.
func (w *writing) stream(ctx context.Context) (first []byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stream{ctx: ctx, from: w.from, name: w.m.FileSHA256, size: w.m.FileBytes}
	defer s.close()
	file, raw := sha256.New(), sha256.New()
	unpacked, err := w.unpack(io.TeeReader(s, file))
	if err != nil {
		return nil, err
	}
	defer unpacked.Close()
	exact := &exactly{r: unpacked, left: w.m.RawBytes}
	first, err = pump(ctx, io.TeeReader(exact, raw), w.dev, int64(w.want.SizeBytes), func(n int) { w.advance(n, "writing") })
	switch {
	case err != nil:
		return nil, explain(ctx, err)
	case exact.left > 0:
		return nil, fault.Refused("the image is %d bytes too short", exact.left)
	case s.at != s.size:
		return nil, fault.Refused("the image file goes on after the image's end")
	}
	if err := same("file", file, w.m.FileSHA256); err != nil {
		return nil, err
	}
	return first, same("image", raw, w.m.RawSHA256)
}

// explain keeps what is worth another try apart from an image that is damaged.
func explain(ctx context.Context, err error) error {
	var f *fault.Fault
	switch {
	case errors.As(err, &f), ctx.Err() != nil:
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fault.Refused("the image needs more than %d MiB of memory to unpack: compress it with a smaller window", maxWindow>>20)
	default:
		return fault.Refused("%w", err)
	}
}

func (w *writing) unpack(r io.Reader) (io.ReadCloser, error) {
	if w.m.Format == FormatRaw {
		return io.NopCloser(r), nil
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

func same(what string, h hash.Hash, want string) error {
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fault.Refused("the %s has digest %s; %s was signed", what, got, strings.ToLower(want))
	}
	return nil
}

// exactly gives left bytes and fails when there is one more.
type exactly struct {
	r    io.Reader
	left uint64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return e.end()
	}
	n, err := e.r.Read(p[:min(uint64(len(p)), e.left)])
	e.left -= uint64(n)
	return n, err
}

// end reads on until the source says that it is over; that also reads the file's last bytes, which
// the unpacker may not have needed.
func (e *exactly) end() (int, error) {
	var one [1]byte
	n, err := io.ReadFull(e.r, one[:])
	if n > 0 {
		return 0, fault.Refused("the image is longer than signed")
	}
	return 0, err
}
