package archive

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// packedSuffix marks a file that was packed.
const packedSuffix = ".zst"

// window is how far back a packed file may refer: what has to be in memory to unpack it.
const window = 8 << 20

// maxPacked is how large a packed file may be when it is unpacked.
const maxPacked = 256 << 20

// Pack compresses each file that pick chooses by itself, under its name and ".zst", for [ReadPacked]. The kernel unpacks
// a whole archive before it starts anything: what few machines need should not be unpacked on all of them.
func (t *Tree) Pack(pick func(name string, size int64) bool) error {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	for _, name := range t.Names() {
		e := t.entries[name]
		if e.mode&(directory|regular|character) != regular || !pick(name, e.size) {
			continue
		}
		from, err := e.open()
		if err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		raw, err := io.ReadAll(from)
		_ = from.Close()
		if err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		packed := z.EncodeAll(raw, nil)
		delete(t.entries, name)
		t.put(name+packedSuffix, entry{mode: e.mode, size: int64(len(packed)), open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(packed)), nil
		}})
	}
	return nil
}

// ReadPacked reads the file of this name that was packed, unpacked.
func ReadPacked(name string) ([]byte, error) {
	packed, err := os.ReadFile(name + packedSuffix)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPacked))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	raw, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return raw, nil
}
