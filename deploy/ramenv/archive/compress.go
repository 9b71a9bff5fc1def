package archive

import (
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// window is what the kernel's own decoder takes without asking for much memory.
const window = 8 << 20

// Zstd writes the archive with zstd, small.
func (t *Tree) Zstd(to io.Writer) error {
	// One goroutine: blocks must not depend on how many processors built them.
	z, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return errors.Join(t.Write(z), z.Close())
}

// Gzip writes the archive with gzip, quickly: for what is used once.
func (t *Tree) Gzip(to io.Writer) error {
	z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}
	return errors.Join(t.Write(z), z.Close())
}
