package erase

import (
	"bytes"
	"context"
	"crypto/cipher"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

// How much is read back. With n random pieces that are all empty, the chance that a
// share s of the disk is not is (1-s)^n: for s = 0.1 % and n = 4,608 that is below 1 %.
const (
	FullProof   = 4 << 30  // bytes up to which the whole disk is read
	Samples     = 4608     // random pieces of a bigger one
	sampleBytes = 64 << 10 // of one piece
	endBytes    = 16 << 20 // read at both ends: partition tables, RAID and file system labels
)

var zeros = driver.Buffer(chunk)

// poison marks each sector of a buffer before a read: one that the read does not fill must not look empty.
func poison(buf []byte) {
	const sector = 512
	for i := 0; i < len(buf); i += sector {
		buf[i] = 0xA5
	}
}

// empty reports whether all of buf is zero, a page at a time: the page that it is compared with stays near the processor.
func empty(buf []byte) bool {
	for len(buf) > 0 {
		n := min(len(buf), driver.Block)
		if !bytes.Equal(buf[:n], zeros[:n]) {
			return false
		}
		buf = buf[n:]
	}
	return true
}

// errLeft says that something is still on the disk.
var errLeft = errors.New("not empty")

// proofBytes is how many bytes a proof reads.
func proofBytes(size uint64) uint64 {
	if size <= FullProof {
		return size
	}
	return 2*endBytes + Samples*sampleBytes
}

func (d *disk) confidence() string {
	if d.ref.SizeBytes <= FullProof {
		return "every byte is zero"
	}
	return fmt.Sprintf("both ends and %d random pieces of %d KiB are zero: 99 %% confidence that less than 0.1 %% is left", Samples, sampleBytes>>10)
}

// readBack waits for a place on the bus and reads the disk back.
func (d *disk) readBack(ctx context.Context) error {
	leave, err := d.lanes.enter(ctx, d.ref.Name)
	if err != nil {
		return err
	}
	defer leave()
	return d.readBackHere(ctx)
}

// readBackHere reads the disk back past every cache, from the same disk from beginning to end.
func (d *disk) readBackHere(ctx context.Context) error {
	d.mu.Lock()
	d.out.VerifiedBytes = 0
	d.mu.Unlock()
	d.stand(d.ref.SizeBytes, readingBack)
	if err := driver.Check(ctx, d.dev, d.ref); err != nil {
		return err
	}
	if err := d.readZeros(ctx); err != nil {
		return err
	}
	return driver.Check(ctx, d.dev, d.ref)
}

const readingBack = "reading back"

func (d *disk) readZeros(ctx context.Context) error {
	if d.ref.SizeBytes <= FullProof {
		return d.readPieces(ctx, every(0, d.size(), chunk), d.size(), chunk)
	}
	last := (d.size() - endBytes) / driver.Block * driver.Block
	if err := d.readPieces(ctx, every(0, endBytes, chunk), endBytes, chunk); err != nil {
		return err
	}
	if err := d.readPieces(ctx, slices.Values(places(d.size(), Samples, sampleBytes)), d.size(), sampleBytes); err != nil {
		return err
	}
	return d.readPieces(ctx, every(last, d.size()-last, chunk), d.size(), chunk)
}

// places chooses n pieces of a disk: unpredictable for the drive, in ascending order for its heads.
func places(size int64, n int, piece int64) []int64 {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails: crypto/rand ends the process instead
	r := rand.New(rand.NewChaCha8(seed))
	list := make([]int64, n)
	for i := range list {
		list[i] = r.Int64N((size-piece)/driver.Block+1) * driver.Block
	}
	slices.Sort(list)
	return list
}

func (d *disk) readPieces(ctx context.Context, where iter.Seq[int64], end int64, piece int) error {
	return pieces(ctx, where, end, piece, func(buf []byte, at int64) error {
		if err := d.readAt(buf, at); err != nil {
			return err
		}
		if !empty(buf) {
			return fault.Refused("%w: something is left between bytes %d and %d", errLeft, at, at+int64(len(buf)))
		}
		d.count(uint64(len(buf)))
		return nil
	})
}

func (d *disk) readAt(buf []byte, at int64) error {
	poison(buf)
	got, err := d.dev.ReadAt(buf, at)
	if err != nil && !(errors.Is(err, io.EOF) && got == len(buf)) {
		return fmt.Errorf("read at byte %d: %w", at, err)
	}
	return nil
}

// count books bytes that were read and found empty.
func (d *disk) count(n uint64) {
	d.mu.Lock()
	d.out.VerifiedBytes += n
	d.mu.Unlock()
	d.advance(n, readingBack)
}

// findNoise reads random pieces of the noise back, or all of it where that is less.
func (d *disk) findNoise(ctx context.Context, key cipher.Block) error {
	if d.size() < sampleBytes {
		return nil // the zeros that follow are read back whole
	}
	where := every(0, d.size(), sampleBytes)
	if d.size() > Samples*sampleBytes {
		where = slices.Values(places(d.size(), Samples, sampleBytes))
	}
	return pieces(ctx, where, d.size(), sampleBytes, func(buf []byte, at int64) error {
		if err := d.readAt(buf, at); err != nil {
			return err
		}
		want := make([]byte, len(buf))
		noiseAt(key, want, at)
		if !bytes.Equal(buf, want) {
			return fault.Refused("the drive does not keep what is written to it: at byte %d something else is read than was written", at)
		}
		return nil
	})
}
