package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// FrameBytes is how much of an image goes into one frame. 16 MiB: a machine with little memory can hold a few, they
// compress as well as larger ones (the window of zstd is 8 MiB), and a resumed transfer repeats little.
const FrameBytes = 16 << 20

// window is what a machine needs to unpack a frame, bytes.
const window = 8 << 20

// packer writes an image as frames. The same bytes give the same frames.
type packer struct {
	encoder *zstd.Encoder
	raw     hash.Hash
	bytes   uint64
	index   protocol.ImageIndex
	free    chan []byte // buffers that are not in work; their number bounds what is
}

// frame is one in work.
type frame struct {
	protocol.ImageFrame
	data []byte // nil: all zeros
}

func newPacker() (*packer, error) {
	workers := runtime.GOMAXPROCS(0)
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(workers), zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, fault.Internal("make an encoder: %w", err)
	}
	p := &packer{encoder: e, raw: sha256.New(), free: make(chan []byte, workers+1)}
	for range cap(p.free) {
		p.free <- nil
	}
	return p, nil
}

// pack reads r to its end and writes frames to w, several in work at a time.
func (p *packer) pack(ctx context.Context, r io.Reader, w io.Writer) error {
	g, ctx := errgroup.WithContext(ctx)
	order := make(chan chan frame, cap(p.free))
	g.Go(func() error {
		defer close(order)
		return p.cut(ctx, g, r, order)
	})
	g.Go(func() error { return p.join(ctx, w, order) })
	return g.Wait()
}

// cut divides r and starts the packing of each part.
func (p *packer) cut(ctx context.Context, g *errgroup.Group, r io.Reader, order chan<- chan frame) error {
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if buf == nil {
			buf = make([]byte, FrameBytes)
		}
		n, end, err := fill(r, buf[:FrameBytes])
		if err != nil {
			return err
		}
		if n > 0 {
			at := p.bytes
			p.raw.Write(buf[:n])
			p.bytes += uint64(n)
			one := make(chan frame, 1) // does not block where nobody waits any more
			g.Go(func() error { one <- p.compress(buf, n, at); return nil })
			select {
			case order <- one:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if end {
			return nil
		}
	}
}

// fill reads until the buffer is full or r says that it is over. io.ReadFull is of no use here: its name for a short buffer is
// also what a decoder or a connection says of an image that was cut off.
func fill(r io.Reader, buf []byte) (n int, end bool, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

var zeros [1 << 16]byte

func isZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (p *packer) compress(buf []byte, n int, at uint64) frame {
	f := frame{ImageFrame: protocol.ImageFrame{At: at, Bytes: uint64(n)}}
	if !isZero(buf[:n]) {
		sum := sha256.Sum256(buf[:n])
		f.data = p.encoder.EncodeAll(buf[:n], nil)
		packed := sha256.Sum256(f.data)
		f.SHA256, f.FileSHA256, f.FileBytes = sum[:], packed[:], uint64(len(f.data))
	}
	p.free <- buf
	return f
}

// join writes the frames in their order.
func (p *packer) join(ctx context.Context, w io.Writer, order <-chan chan frame) error {
	var at uint64
	for one := range order {
		f := <-one
		if f.data == nil {
			continue
		}
		f.FileAt = at
		if _, err := w.Write(f.data); err != nil {
			return err
		}
		at += f.FileBytes
		p.index.Frames = append(p.index.Frames, f.ImageFrame)
	}
	return ctx.Err()
}
