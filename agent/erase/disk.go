package erase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

const (
	chunk     = 1 << 20 // bytes of one write
	depth     = 4       // writes in flight
	leap      = 1 << 30 // bytes that a disk in memory zeroes at once
	batch     = 256 << 20
	remember  = 5 * time.Second // between two checkpoints, at least
	discard   = 64 << 30        // bytes of one discard, so that a cancel is heard
	overwrite = "overwrite zero"
)

// disk is one disk in work.
type disk struct {
	*erasing
	ref protocol.DiskRef
	out *protocol.Erasure
	dev driver.Disk
}

// erase empties one disk and proves it; out says what was done in any case.
func (d *disk) erase(ctx context.Context) (err error) {
	*d.out = protocol.Erasure{Disk: d.ref, Method: overwrite, Attempts: []string{}, TotalBytes: d.ref.SizeBytes, StartedAt: time.Now().UTC()}
	defer func() {
		d.out.EndedAt = time.Now().UTC()
		if err != nil {
			err = fmt.Errorf("disk %s: %w", driver.Describe(d.ref), err)
			d.out.Error, d.out.Proven = err.Error(), false
		}
	}()
	if d.dev, err = driver.Open(ctx, d.disks, d.ref, driver.Write); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.dev.Close()) }()
	if err := d.discard(ctx); err != nil {
		return err
	}
	if err := d.overwrite(ctx); err != nil {
		return err
	}
	return d.prove(ctx)
}

// discard lets the drive forget everything, once. That it cannot is no failure: the
// overwriting follows either way.
func (d *disk) discard(ctx context.Context) error {
	if m := d.mark(d.ref); m.Written > 0 || m.Discarded {
		d.attempt("continued at byte %d after a restart", m.Written)
		return nil
	}
	for off := int64(0); off < d.size(); off += discard {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := d.dev.Discard(off, min(discard, d.size()-off))
		if err != nil {
			d.attempt("discard: %v", err)
			return nil
		}
	}
	d.attempt("discard: done")
	d.out.Method = "discard + " + overwrite
	return d.checkpoint(ctx, 0)
}

func (d *disk) size() int64 { return int64(d.ref.SizeBytes) }

func (d *disk) attempt(format string, args ...any) {
	d.out.Attempts = append(d.out.Attempts, fmt.Sprintf(format, args...))
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
	return d.setMark(d.ref, mark{Discarded: true, Written: uint64(written)})
}

// overwrite writes zeros from the last checkpoint to the end.
func (d *disk) overwrite(ctx context.Context) error {
	from := int64(d.mark(d.ref).Written)
	if from > d.size() {
		from = 0
	}
	d.advance(uint64(from), d.note("overwriting"))
	last := time.Now()
	for from < d.size() {
		n := min(batch, d.size()-from)
		wrote, err := d.zero(ctx, from, n)
		if err != nil {
			return fmt.Errorf("overwrite: %w", err)
		}
		from += wrote
		if time.Since(last) < remember && from < d.size() {
			continue
		}
		if err := d.checkpoint(ctx, from); err != nil {
			return err
		}
		last = time.Now()
	}
	return nil
}

func (d *disk) note(what string) string { return what + " " + d.ref.Name }

// zero overwrites a range: by the disk itself where it lives in memory, else with buffers.
func (d *disk) zero(ctx context.Context, off, n int64) (int64, error) {
	if z, ok := d.dev.(driver.Zeroer); ok {
		n = min(leap, d.size()-off)
		err := z.Zero(off, n)
		if !errors.Is(err, driver.ErrUnsupported) {
			d.advance(uint64(n), d.note("overwriting"))
			return n, errors.Join(err, ctx.Err())
		}
		n = min(batch, d.size()-off)
	}
	return n, pieces(ctx, every(off, n, chunk), off+n, chunk, func(buf []byte, at int64) error {
		clear(buf)
		if _, err := d.dev.WriteAt(buf, at); err != nil {
			return fmt.Errorf("write at byte %d: %w", at, err)
		}
		d.advance(uint64(len(buf)), d.note("overwriting"))
		return nil
	})
}
