package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Fetcher opens an image file from an offset on, and tells how many bytes follow.
type Fetcher interface {
	Fetch(ctx context.Context, fileSHA256 string, offset uint64) (io.ReadCloser, uint64, error)
}

// How often a broken stream is taken up again without a byte of progress, and how
// long the first pause is; it doubles.
const (
	tries = 6
	pause = time.Second
)

// stream reads a file of known length, whatever happens to single connections. It never gives
// more than size bytes: that there are more is an error.
type stream struct {
	ctx   context.Context
	from  Fetcher
	name  string
	size  uint64
	at    uint64
	body  io.ReadCloser
	tired int // failures since the last byte
}

// Read implements io.Reader. io.EOF is only returned after exactly size bytes.
func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.at == s.size {
			return 0, io.EOF
		}
		if s.body == nil {
			if err := s.open(); err != nil {
				if err := s.rest(err); err != nil {
					return 0, err
				}
				continue
			}
		}
		n, err := s.body.Read(p[:min(uint64(len(p)), s.size-s.at)])
		if n > 0 {
			s.at, s.tired = s.at+uint64(n), 0
			return n, nil
		}
		s.close()
		if err := s.rest(broken(err)); err != nil {
			return 0, err
		}
	}
}

// broken turns an early end into an error that tells.
func broken(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *stream) open() error {
	body, follow, err := s.from.Fetch(s.ctx, s.name, s.at)
	if err != nil {
		return err
	}
	if s.at+follow != s.size {
		_ = body.Close()
		return fault.Refused("the controller offers %d bytes of an image of %d", s.at+follow, s.size)
	}
	s.body = body
	return nil
}

// rest waits before the next try, or gives up: at once where trying again is of no use.
func (s *stream) rest(err error) error {
	wrapped := fmt.Errorf("fetch image at byte %d: %w", s.at, err)
	if s.ctx.Err() != nil {
		return errors.Join(wrapped, s.ctx.Err())
	}
	var f *fault.Fault
	if errors.As(err, &f) && f.Kind != fault.KindUnavailable {
		return wrapped
	}
	if s.tired++; s.tired >= tries {
		return fault.Unavailable("gave up after %d tries: %w", tries, wrapped)
	}
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-time.After(pause << (s.tired - 1)):
		return nil
	}
}

// seek goes on at another byte; to the one that comes next it costs nothing.
func (s *stream) seek(at uint64) {
	if at != s.at {
		s.close()
		s.at = at
	}
}

func (s *stream) close() {
	if s.body != nil {
		_ = s.body.Close()
		s.body = nil
	}
}

// Download writes the whole of a file of known size, whatever happens to single connections. What it is the caller compares.
func Download(ctx context.Context, from Fetcher, fileSHA256 string, size uint64, to io.Writer) error {
	s := &stream{ctx: ctx, from: from, name: fileSHA256, size: size}
	defer s.close()
	_, err := io.Copy(to, s)
	return err
}
