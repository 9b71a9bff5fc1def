package install

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver"
)

const (
	chunk = 1 << 20 // bytes of one write
	depth = 4       // buffers: one is filled while the others are on their way
)

type piece struct {
	buf []byte
	at  int64
}

// pump reads r to its end and writes it to the disk, depth pieces at a time. The first piece
// is not written but returned. The last one is filled up with zeros to a whole block, or to the
// disk's end at size.
func pump(ctx context.Context, r io.Reader, dev driver.Disk, size int64, each func(n int)) (first []byte, err error) {
	g, ctx := errgroup.WithContext(ctx)
	full, free := make(chan piece), make(chan []byte, depth)
	for range depth {
		free <- driver.Buffer(chunk)
	}
	for range depth - 1 {
		g.Go(func() error { return drain(full, free, dev) })
	}
	g.Go(func() error {
		defer close(full)
		first, err = fill(ctx, r, size, full, free, each)
		return err
	})
	return first, g.Wait()
}

// drain writes pieces until there are no more.
func drain(full <-chan piece, free chan<- []byte, dev driver.Disk) error {
	for p := range full {
		if _, err := dev.WriteAt(p.buf, p.at); err != nil {
			return fmt.Errorf("write at byte %d: %w", p.at, err)
		}
		free <- p.buf[:chunk]
	}
	return nil
}

// fill cuts r into pieces. Buffers come back through free.
func fill(ctx context.Context, r io.Reader, size int64, full chan<- piece, free <-chan []byte, each func(int)) (first []byte, err error) {
	for at := int64(0); ; at += chunk {
		var buf []byte
		select {
		case buf = <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		n, err := io.ReadFull(r, buf)
		end := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !end {
			return nil, err
		}
		if n == 0 {
			return first, nil
		}
		each(n)
		buf = pad(buf, n, size-at)
		if at == 0 {
			first = append(driver.Buffer(len(buf))[:0], buf...)
		} else if err := send(ctx, full, piece{buf, at}); err != nil {
			return nil, err
		}
		if end {
			return first, nil
		}
	}
}

func send(ctx context.Context, full chan<- piece, p piece) error {
	select {
	case full <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pad fills up to a whole block, or to the room that the disk has left.
func pad(buf []byte, n int, room int64) []byte {
	end := min(driver.RoundUp(int64(n)), room)
	clear(buf[n:end])
	return buf[:end]
}
