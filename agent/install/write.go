package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// zeroes is a Disk that has a command for writing zeros. That it was obeyed is seen when they are read back.
type zeroes interface {
	WriteZeroes(off, n int64) error
}

// part is a span on its way to the disk.
type part struct {
	span
	packed []byte // the frame as it came; nil for zeros
}

// write fetches, checks, unpacks and writes what no earlier process has written.
func (w *writing) write(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	parts := make(chan part)
	free := make(chan []byte, w.workers+1) // for packed frames; their number bounds the memory
	for range cap(free) {
		free <- nil
	}
	k := newMarks(w.dev, w.job, w.mark, w.m.RawBytes)
	g.Go(func() error {
		defer close(parts)
		return w.fetch(ctx, parts, free)
	})
	for range w.workers {
		g.Go(func() error { return w.work(ctx, parts, free, k) })
	}
	return g.Wait()
}

// fetch gives out the parts in their order. Frames come over one connection. What is written already is only
// fetched where it holds the image's start.
func (w *writing) fetch(ctx context.Context, parts chan<- part, free chan []byte) error {
	s := &stream{ctx: ctx, from: w.from, name: w.m.FileSHA256, size: w.m.FileBytes}
	defer s.close()
	for _, one := range w.spans {
		p := part{span: one}
		if one.at+one.n <= w.mark.Below && one.at >= start {
			w.advance(one.n, "writing")
			continue
		}
		if one.frame != nil {
			var err error
			if p.packed, err = take(ctx, s, one.frame, free); err != nil {
				return err
			}
		}
		select {
		case parts <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// take reads one frame into a buffer that is free.
func take(ctx context.Context, s *stream, f *protocol.ImageFrame, free <-chan []byte) ([]byte, error) {
	var buf []byte
	select {
	case buf = <-free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if uint64(cap(buf)) < f.FileBytes {
		buf = make([]byte, f.FileBytes)
	}
	buf = buf[:f.FileBytes]
	s.seek(f.FileAt)
	_, err := io.ReadFull(s, buf)
	return buf, err
}

// work writes parts until there are no more.
func (w *writing) work(ctx context.Context, parts <-chan part, free chan<- []byte, k *marks) error {
	var raw []byte // aligned, grown to the largest frame
	for p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if p.frame == nil {
			err = w.zero(p.span)
		} else {
			raw, err = w.unpack(p, raw)
			free <- p.packed
		}
		if err == nil && p.frame != nil {
			err = w.put(p.span, raw)
		}
		if err == nil {
			err = k.wrote(p.span)
		}
		if err != nil {
			return err
		}
		w.advance(p.n, "writing")
	}
	return nil
}

// unpack checks a frame and gives its bytes, in raw where there is room.
func (w *writing) unpack(p part, raw []byte) ([]byte, error) {
	if sum := sha256.Sum256(p.packed); !bytes.Equal(sum[:], p.frame.FileSHA256) {
		return raw, fault.Refused("the frame at byte %d of the image is not the one that was signed", p.at)
	}
	if room := int(driver.RoundUp(int64(p.n))); cap(raw) < room {
		raw = driver.Buffer(room)
	}
	got, err := w.decoder.DecodeAll(p.packed, raw[:0])
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return raw, fault.Refused("the frame at byte %d of the image needs too much memory to unpack", p.at)
	case err != nil:
		return raw, fault.Refused("unpack the frame at byte %d of the image: %w", p.at, err)
	case uint64(len(got)) != p.n:
		return raw, fault.Refused("the frame at byte %d of the image has %d bytes instead of %d", p.at, len(got), p.n)
	case &got[0] != &raw[:1][0]: // the decoder wanted another buffer
		copy(raw[:p.n], got)
	}
	return raw, nil
}

// put writes a frame; the image's start is kept for the end.
func (w *writing) put(s span, raw []byte) error {
	whole := raw[:w.fit(s.at, s.n)]
	clear(whole[s.n:])
	at := s.at
	if at < start {
		skip := min(uint64(len(whole)), start-at)
		copy(w.first[at:], whole[:skip])
		whole, at = whole[skip:], at+skip
	}
	if len(whole) == 0 {
		return nil
	}
	if _, err := w.dev.WriteAt(whole, int64(at)); err != nil {
		return fmt.Errorf("write at byte %d: %w", at, err)
	}
	return nil
}

// zero lets the disk write zeros, or writes them.
func (w *writing) zero(s span) error {
	at, end := max(s.at, uint64(len(w.first))), s.at+w.fit(s.at, s.n)
	if at >= end {
		return nil
	}
	if z, ok := w.dev.(zeroes); ok {
		err := z.WriteZeroes(int64(at), int64(end-at))
		if err == nil || !errors.Is(err, driver.ErrUnsupported) {
			return told(err, at)
		}
	}
	return w.zeroByHand(at, end)
}

func told(err error, at uint64) error {
	if err != nil {
		return fmt.Errorf("write zeros at byte %d: %w", at, err)
	}
	return nil
}

var zeroPiece = driver.Buffer(1 << 20)

func (w *writing) zeroByHand(at, end uint64) error {
	for at < end {
		n := min(end-at, uint64(len(zeroPiece)))
		if _, err := w.dev.WriteAt(zeroPiece[:n], int64(at)); err != nil {
			return told(err, at)
		}
		at += n
	}
	return nil
}
