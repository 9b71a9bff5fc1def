package archive

import (
	"errors"
	"io"

	"github.com/pierrec/lz4/v4"
)

// LZ4 writes the archive in the one form of LZ4 that the kernel knows (legacy frames; lib/decompress_unlz4.c). It is a quarter larger
// than with zstd and unpacked in a third of the time, which every start of a machine waits for. Higher levels win nothing.
func (t *Tree) LZ4(to io.Writer) error {
	z := lz4.NewWriter(to)
	// One goroutine: blocks must not depend on how many processors built them.
	err := z.Apply(lz4.LegacyOption(true), lz4.CompressionLevelOption(lz4.Level3), lz4.ConcurrencyOption(1))
	return errors.Join(err, t.Write(z), z.Close())
}
