package erase

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

const (
	chunk = 1 << 20 // bytes of one write
	depth = 4       // writes in flight
	leap  = 1 << 30 // bytes that a disk in memory zeroes at once

	// What is written twice after a kill is at most what was written between two checkpoints: a stretch, and 5 seconds or one part in
	// 200 of the disk, whichever is less.
	shortest, longest = 4 << 20, 256 << 20 // bytes of a stretch that is written in one go
	quick, slow       = 100 * time.Millisecond, 250 * time.Millisecond
	seldom, often     = 5 * time.Second, 400 * time.Millisecond
	share             = 200

	discard = 64 << 30 // bytes of one discard, so that a cancel is heard

	overwriteZero  = "overwrite zero"
	overwriteNoise = "overwrite noise"
	discarding     = "discard"
)

// byHand discards, overwrites and proves.
func (d *disk) byHand(ctx context.Context) error {
	leave, err := d.lanes.enter(ctx, d.ref.Name)
	if err != nil {
		return err
	}
	defer leave()
	if err := d.discardOnce(ctx); err != nil {
		return err
	}
	if err := d.noise(ctx); err != nil {
		return err
	}
	if err := d.pass(ctx, "overwriting", d.zero); err != nil {
		return err
	}
	if err := d.readBackHere(ctx); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	d.proven(d.method())
	return d.save()
}

func (d *disk) method() string {
	method := overwriteZero
	if d.mark.Lied {
		method = overwriteNoise + " + zero"
	}
	if d.mark.Discarded {
		method = discarding + " + " + method
	}
	return method
}

// discardOnce lets the drive forget everything, once. That it cannot is no failure: the
// overwriting follows either way.
func (d *disk) discardOnce(ctx context.Context) error {
	if m := d.mark; m.Written > 0 || m.Zeros || m.Discarded {
		d.attempt(d.method(), protocol.AttemptContinued, "at byte %d after a restart", m.Written)
		return nil
	}
	switch err := d.forget(ctx); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, driver.ErrUnsupported):
		d.attempt(discarding, protocol.AttemptUnfit, "%v", err)
		return nil
	case err != nil:
		d.attempt(discarding, protocol.AttemptFailed, "%v", err)
		return nil
	}
	d.mark.Discarded = true
	if err := d.checkpoint(ctx, 0); err != nil {
		return err
	}
	switch held, err := d.held(); {
	case err != nil:
		return err
	case held > 0:
		d.attempt(discarding, protocol.AttemptClaimed, "%d of %d random pieces still hold data; the overwriting follows", held, looks)
	default:
		d.attempt(discarding, protocol.AttemptDone, "%d random pieces are empty, which proves nothing; the overwriting follows", looks)
	}
	return d.save()
}

// looks is how many pieces are looked at after a discard, to tell what it was worth. Nothing depends on it.
const looks = 64

// held counts the pieces that a discard left.
func (d *disk) held() (n int, err error) {
	buf := driver.Buffer(driver.Block)
	if d.size() < driver.Block {
		return 0, nil
	}
	for _, off := range places(d.size(), looks, driver.Block) {
		if err := d.readAt(buf, off); err != nil {
			return 0, err
		}
		if !empty(buf) {
			n++
		}
	}
	return n, nil
}

// forget discards the whole disk.
func (d *disk) forget(ctx context.Context) error {
	for off := int64(0); off < d.size(); off += discard {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.stand(uint64(off), discarding)
		if err := d.dev.Discard(off, min(discard, d.size()-off)); err != nil {
			return err
		}
	}
	return d.dev.Sync()
}

// checkpoint makes what was written durable, sees that the disk is still the same one, and
// remembers how far it is.
func (d *disk) checkpoint(ctx context.Context, written int64) error {
	if err := d.dev.Sync(); err != nil {
		return fmt.Errorf("flush at byte %d: %w", written, err)
	}
	if err := driver.Check(ctx, d.dev, d.ref); err != nil {
		return err
	}
	d.mark.Written = uint64(written)
	return d.save()
}

// pass writes from the last checkpoint to the end; write does a range and says how much of it.
func (d *disk) pass(ctx context.Context, note string, write func(ctx context.Context, off, n int64, wrote func(int)) (int64, error)) error {
	from := int64(d.mark.Written)
	if from > d.size() {
		from = 0
	}
	d.stand(uint64(from), note)
	kept, last := from, time.Now()
	for stretch := int64(8 * shortest); from < d.size(); {
		began := time.Now()
		n, err := write(ctx, from, min(stretch, d.size()-from), func(n int) { d.advance(uint64(n), note) })
		if err != nil {
			return fmt.Errorf("overwrite: %w", err)
		}
		from += n
		stretch = suited(stretch, time.Since(began))
		if from < d.size() && !due(from-kept, d.size(), time.Since(last)) {
			continue
		}
		if err := d.checkpoint(ctx, from); err != nil {
			return err
		}
		kept, last = from, time.Now()
	}
	return nil
}

// suited is how long the next stretch should be, after one that took so long: a slow disk has short ones.
func suited(stretch int64, took time.Duration) int64 {
	switch {
	case took > slow:
		return max(stretch/2, shortest)
	case took < quick:
		return min(stretch*2, longest)
	}
	return stretch
}

// due reports whether so much was written since the last checkpoint, that it would be a pity. A checkpoint flushes the disk.
func due(written, size int64, since time.Duration) bool {
	return since >= seldom || since >= often && written >= size/share
}

// zero overwrites a range with zeros: by the disk itself where it lives in memory, else with buffers.
func (d *disk) zero(ctx context.Context, off, n int64, wrote func(int)) (int64, error) {
	if z, ok := d.dev.(driver.Zeroer); ok {
		far := min(leap, d.size()-off)
		err := z.Zero(off, far)
		if !errors.Is(err, driver.ErrUnsupported) {
			wrote(int(far))
			return far, errors.Join(err, ctx.Err())
		}
	}
	return n, pieces(ctx, every(off, n, chunk), off+n, chunk, func(buf []byte, at int64) error {
		return d.put(zeros[:len(buf)], at, wrote)
	})
}

func (d *disk) put(b []byte, at int64, wrote func(int)) error {
	if _, err := d.dev.WriteAt(b, at); err != nil {
		return fmt.Errorf("write at byte %d: %w", at, err)
	}
	wrote(len(b))
	return nil
}

// noise overwrites a drive that has lied with what cannot be made up, and finds it again.
func (d *disk) noise(ctx context.Context) error {
	if !d.mark.Lied || d.mark.Zeros {
		return nil
	}
	if len(d.mark.Noise) != aes.BlockSize {
		d.mark.Noise = make([]byte, aes.BlockSize)
		_, _ = rand.Read(d.mark.Noise) // never fails: crypto/rand ends the process instead
		d.mark.Written = 0
	}
	key, err := aes.NewCipher(d.mark.Noise)
	if err != nil {
		return err
	}
	err = d.pass(ctx, "overwriting with noise", func(ctx context.Context, off, n int64, wrote func(int)) (int64, error) {
		return n, pieces(ctx, every(off, n, chunk), off+n, chunk, func(buf []byte, at int64) error {
			noiseAt(key, buf, at)
			return d.put(buf, at, wrote)
		})
	})
	if err != nil {
		return err
	}
	if err := d.findNoise(ctx, key); err != nil {
		return fmt.Errorf("read the noise back: %w", err)
	}
	d.mark.Zeros, d.mark.Written, d.mark.Noise = true, 0, nil
	return d.save()
}

// noiseAt fills b with the noise of a place: a key stream, AES-128 in counter mode.
func noiseAt(key cipher.Block, b []byte, at int64) {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(at)/aes.BlockSize)
	cipher.NewCTR(key, iv[:]).XORKeyStream(b, zeros[:len(b)])
}
