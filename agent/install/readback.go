package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

const (
	chunk = 1 << 20 // bytes of one read where only one is under way
	ahead = 4       // reads that may wait to be hashed
)

// prove reads back all parts, several at a time. The start comes from memory: the disk gets it when all is proven.
func (w *writing) prove(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan span)
	g.Go(func() error {
		defer close(todo)
		for _, s := range w.spans {
			select {
			case todo <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range w.workers {
		g.Go(func() error {
			var buf []byte
			for s := range todo {
				var err error
				if s.frame == nil {
					err = w.proveZeros(ctx, s)
				} else {
					buf, err = w.proveFrame(s, buf)
				}
				if err != nil {
					return err
				}
				w.advance(s.n, "reading back")
			}
			return nil
		})
	}
	return g.Wait()
}

func (w *writing) proveFrame(s span, buf []byte) ([]byte, error) {
	if room := int(driver.RoundUp(int64(s.n))); cap(buf) < room {
		buf = driver.Buffer(room)
	}
	whole := buf[:w.fit(s.at, s.n)]
	var skip uint64
	if s.at < start {
		skip = uint64(copy(whole, w.first[s.at:]))
	}
	if err := readFull(w.dev, whole[skip:], s.at+skip); err != nil {
		return buf, err
	}
	if sum := sha256.Sum256(whole[:s.n]); !bytes.Equal(sum[:], s.frame.SHA256) {
		return buf, fault.Refused("read back: %d bytes of the disk at byte %d have digest %x; %x was signed", s.n, s.at, sum, s.frame.SHA256)
	}
	return buf, nil
}

// proveZeros reads zeros back. A disk that only claimed to have written them gets them as data, once.
func (w *writing) proveZeros(ctx context.Context, s span) error {
	buf := driver.Buffer(chunk)
	end := s.at + w.fit(s.at, s.n)
	for at := max(s.at, uint64(len(w.first))); at < end; at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(chunk, end-at)]
		for try := 0; ; try++ {
			if err := readFull(w.dev, part, at); err != nil {
				return err
			}
			if bytes.Equal(part, zeroPiece[:len(part)]) {
				break
			}
			if try > 0 {
				return fault.Refused("read back: the disk has data at byte %d, where zeros were written twice", at)
			}
			if err := errors.Join(w.zeroByHand(at, at+uint64(len(part))), w.dev.Sync()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Confirm reads back what a command says was written, and compares. Faults: refused when the
// disk holds something else, and those of driver.Open.
func Confirm(ctx context.Context, disks driver.Disks, cmd *protocol.ConfirmCommand, job Reporter) (*protocol.WrittenImage, error) {
	if cmd == nil || cmd.RawBytes == 0 || cmd.RawBytes > cmd.Disk.SizeBytes || !isDigest(cmd.RawSHA256) {
		return nil, fault.Invalid("the confirm command does not say what was written")
	}
	dev, err := driver.Open(ctx, disks, cmd.Disk, driver.Read)
	if err != nil {
		return nil, err
	}
	var done uint64
	err = readBack(ctx, dev, cmd.RawBytes, cmd.RawSHA256, func(n int) {
		done += uint64(n)
		job.Report(done, cmd.RawBytes, "bytes", "reading back")
	})
	if err := errors.Join(err, dev.Close()); err != nil {
		return nil, fmt.Errorf("confirm disk %s: %w", driver.Describe(cmd.Disk), err)
	}
	return &protocol.WrittenImage{Disk: cmd.Disk, RawBytes: cmd.RawBytes, RawSHA256: strings.ToLower(cmd.RawSHA256), ReadBack: true}, nil
}

// readBack hashes the first size bytes of the disk, while the next ones are read.
func readBack(ctx context.Context, dev driver.Disk, size uint64, want string, each func(n int)) error {
	var g errgroup.Group
	free, full := make(chan []byte, ahead), make(chan []byte, ahead)
	for range ahead {
		free <- driver.Buffer(chunk)
	}
	g.Go(func() error {
		defer close(full)
		return readAhead(ctx, dev, size, free, full)
	})
	h := sha256.New()
	for part := range full {
		h.Write(part)
		each(len(part))
		free <- part[:chunk]
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := same("disk", h, want); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	return nil
}

// readAhead fills free buffers with the first size bytes of the disk, in their order.
func readAhead(ctx context.Context, dev driver.Disk, size uint64, free <-chan []byte, full chan<- []byte) error {
	for at := uint64(0); at < size; at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		need, buf := int(min(chunk, size-at)), <-free
		if n, err := dev.ReadAt(buf[:driver.RoundUp(int64(need))], int64(at)); n < need {
			return short(n, err, at)
		}
		full <- buf[:need]
	}
	return nil
}

func same(what string, h hash.Hash, want string) error {
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fault.Refused("the %s has digest %s; %s was signed", what, got, strings.ToLower(want))
	}
	return nil
}
