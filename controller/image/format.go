package image

import (
	"context"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Formats in which an image may come.
const (
	Raw   = "raw"
	Zstd  = "raw.zst"
	Gzip  = "raw.gz"
	QCOW2 = "qcow2"
)

// maxWindow bounds the memory of unpacking what is imported, bytes: zstd --ultra -22 uses 128 MiB.
const maxWindow = 128 << 20

// unpack gives the image's own bytes. A file that goes on behind its end is refused as one that is cut off is.
func (s *Store) unpack(ctx context.Context, r io.Reader, format string) (io.ReadCloser, error) {
	switch format {
	case Zstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fault.Internal("make a decoder: %w", err)
		}
		return bad{d.IOReadCloser(), "whole zstd data"}, nil
	case Gzip:
		d, err := gzip.NewReader(r)
		if err != nil {
			return nil, explain(err, "whole gzip data")
		}
		return bad{d, "whole gzip data"}, nil
	case QCOW2:
		return s.convert(ctx, r)
	default:
		return io.NopCloser(r), nil
	}
}

// bad tells damaged input from a broken upload.
type bad struct {
	io.ReadCloser
	what string
}

func (b bad) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader's contract
		err = explain(err, b.what)
	}
	return n, err
}

func explain(err error, what string) error {
	if fault.KindOf(err) != fault.KindInternal {
		return err // the upload's own
	}
	return fault.Invalid("the file is not %s: %w", what, err)
}

// bounded fails when more than an image may have comes out of a small file.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fault.Invalid("the image unpacks to more than %d TiB", protocol.MaxRawBytes>>40)
	}
	return n, err
}
