package diagnose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// slowest is the reading speed below which a disk is worth a look, in MB/s: well below
// what the slowest healthy one of its kind does at its inner edge.
const slowest = 30

// Limits of a SMART summary.
const (
	wearWarning = 90  // percent of the endurance that the vendor gave
	wearError   = 100 // percent
	lostWarning = 1   // sectors or media errors
	lostError   = 100
)

const (
	readPiece   = 1 << 20
	samplePiece = 64 << 10
)

// speed reads the start of the disk in a row.
func (d *diagnosing) speed(ctx context.Context, dev driver.Disk, ref protocol.DiskRef) protocol.Check {
	c := protocol.Check{Name: "disk " + ref.Name + " read", Limit: fmt.Sprintf("≥ %d MB/s", slowest), Detail: "serial " + ref.Serial}
	buf := driver.Buffer(readPiece)
	start := time.Now()
	var done int64
	for limit := min(d.profile.ReadBytes, int64(ref.SizeBytes)); done < limit; done += readPiece {
		if time.Since(start) > d.profile.Read || ctx.Err() != nil {
			break
		}
		if err := read(dev, buf[:min(readPiece, limit-done)], done); err != nil {
			return unreadable(c, err)
		}
	}
	rate := float64(done) / max(time.Since(start).Seconds(), 1e-6) / 1e6
	c.Value = fmt.Sprintf("%.0f MB/s", rate)
	c.Verdict = verdict(false, rate < slowest)
	return c
}

// surface reads pieces all over the disk, in ascending order.
func (d *diagnosing) surface(ctx context.Context, dev driver.Disk, ref protocol.DiskRef) protocol.Check {
	c := protocol.Check{Name: "disk " + ref.Name + " surface", Limit: "every sample readable", Verdict: protocol.VerdictOK, Detail: "serial " + ref.Serial}
	if ref.SizeBytes < 2*samplePiece {
		return unreadable(c, fmt.Errorf("the disk has only %d bytes", ref.SizeBytes))
	}
	places := make([]int64, d.profile.Samples)
	for i := range places {
		places[i] = rand.Int64N((int64(ref.SizeBytes)-samplePiece)/driver.Block) * driver.Block
	}
	slices.Sort(places)
	buf := driver.Buffer(samplePiece)
	start, done := time.Now(), 0
	for _, at := range places {
		if time.Since(start) > d.profile.Surface || ctx.Err() != nil {
			break
		}
		if err := read(dev, buf, at); err != nil {
			return unreadable(c, err)
		}
		done++
	}
	c.Value = fmt.Sprintf("%d samples of %d KiB readable", done, samplePiece>>10)
	return c
}

func read(dev driver.Disk, buf []byte, at int64) error {
	n, err := dev.ReadAt(buf, at)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(buf)) {
		return fmt.Errorf("read at byte %d: %w", at, err)
	}
	return nil
}

func unreadable(c protocol.Check, err error) protocol.Check {
	c.Verdict, c.Detail = protocol.VerdictError, c.Detail+": "+err.Error()
	return c
}

// health judges the SMART summaries of the disks that were tested.
func (d *diagnosing) health(disks []hardware.Disk, tested []protocol.DiskRef) {
	for _, disk := range disks {
		if slices.ContainsFunc(tested, func(r protocol.DiskRef) bool { return driver.Same(r, driver.Ref(disk)) }) {
			d.add(smart(disk))
		}
	}
}

func smart(disk hardware.Disk) protocol.Check {
	c := protocol.Check{Name: "disk " + disk.Name + " smart", Verdict: protocol.VerdictOK, Detail: "serial " + disk.Serial}
	s := disk.SMART
	if s == nil {
		c.Detail = "the disk's own summary was not read"
		return c
	}
	lost := max(s.ReallocatedSectors, s.PendingSectors, s.MediaErrors)
	c.Verdict = verdict(!s.Passed || s.WearPercent >= wearError || lost >= lostError, s.WearPercent >= wearWarning || lost >= lostWarning)
	c.Value = fmt.Sprintf("passed %v, wear %s, %d reallocated, %d pending, %d media errors", s.Passed, percent(s.WearPercent), s.ReallocatedSectors, s.PendingSectors, s.MediaErrors)
	c.Limit = fmt.Sprintf("passed, wear < %d %%, nothing lost", wearWarning)
	return c
}

func percent(n int) string {
	if n < 0 {
		return "unknown"
	}
	return fmt.Sprintf("%d %%", n)
}
