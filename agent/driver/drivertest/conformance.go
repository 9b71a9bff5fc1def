// Package drivertest is the one suite that every disk driver passes. It is used by
// tests only.
package drivertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Subject is a machine with one disk of at least 4 MiB whose content may be lost.
type Subject struct {
	Disks driver.Disks
	Want  protocol.DiskRef // serial and size of the disk
}

// Run runs the suite; open makes a fresh subject for each part.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"B44_FoundBySerialAndSize", found},
		{"B44_OtherDisksAreRefused", refused},
		{"B44_WritingIsExclusive", exclusive},
		{"WhatIsWrittenIsRead", readsBack},
		{"ReadsEndAtTheDisksEnd", ends},
		{"B45_DiscardIsDoneOrUnsupported", discards},
		{"AReaderCannotWrite", readOnly},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

func must(t *testing.T, s Subject, mode driver.Mode) driver.Disk {
	t.Helper()
	d, err := driver.Open(t.Context(), s.Disks, s.Want, mode)
	if err != nil {
		t.Fatalf("open %v: %v", s.Want, err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func found(t *testing.T, s Subject) {
	got, err := must(t, s, driver.Read).Identify(t.Context())
	if err != nil || !driver.Same(got, s.Want) {
		t.Fatalf("identify: %v %v", got, err)
	}
}

func refused(t *testing.T, s Subject) {
	for _, change := range []func(*protocol.DiskRef){
		func(r *protocol.DiskRef) { r.Serial += "x" },
		func(r *protocol.DiskRef) { r.SizeBytes += 4096 },
	} {
		want := s.Want
		change(&want)
		if _, err := driver.Open(t.Context(), s.Disks, want, driver.Read); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("open %v: %v", want, err)
		}
	}
	if d, err := s.Disks.Open(t.Context(), "../../etc/passwd", driver.Write); err == nil {
		_ = d.Close()
		t.Error("a path was opened")
	}
}

func exclusive(t *testing.T, s Subject) {
	first := must(t, s, driver.Write)
	if d, err := driver.Open(t.Context(), s.Disks, s.Want, driver.Write); !fault.Is(err, fault.KindRefused) {
		t.Errorf("a second writer: %v %v", d, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, s, driver.Write)
}

func readsBack(t *testing.T, s Subject) {
	d := must(t, s, driver.Write)
	r := rand.New(rand.NewPCG(1, 2))
	model := make([]byte, 4<<20)
	zero := driver.Buffer(1 << 20)
	for off := int64(0); off < int64(len(model)); off += int64(len(zero)) {
		write(t, d, zero, off)
	}
	for range 32 {
		n := (1 + r.IntN(64)) * driver.Block
		off := int64(r.IntN((len(model)-n)/driver.Block+1)) * driver.Block
		p := driver.Buffer(n)
		fill(r, p)
		write(t, d, p, off)
		copy(model[off:], p)
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	got := driver.Buffer(len(model))
	if _, err := d.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, model) {
		t.Error("the disk does not hold what was written")
	}
}

func fill(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

func write(t *testing.T, d driver.Disk, p []byte, off int64) {
	t.Helper()
	if n, err := d.WriteAt(p, off); err != nil || n != len(p) {
		t.Fatalf("write %d bytes at %d: %d %v", len(p), off, n, err)
	}
}

func ends(t *testing.T, s Subject) {
	d := must(t, s, driver.Write)
	end := int64(s.Want.SizeBytes)
	p := driver.Buffer(2 * driver.Block)
	n, err := d.ReadAt(p, end-driver.Block)
	if n != driver.Block || !errors.Is(err, io.EOF) {
		t.Errorf("a read over the end: %d %v", n, err)
	}
	if n, err := d.ReadAt(p, end); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("a read behind the end: %d %v", n, err)
	}
}

func discards(t *testing.T, s Subject) {
	d := must(t, s, driver.Write)
	p := driver.Buffer(1 << 20)
	fill(rand.New(rand.NewPCG(3, 4)), p)
	write(t, d, p, 0)
	if err := d.Discard(0, 1<<20); err != nil && !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("discard: %v", err)
	}
	got := driver.Buffer(driver.Block)
	if _, err := d.ReadAt(got, 0); err != nil {
		t.Errorf("read after discard: %v", err)
	}
}

func readOnly(t *testing.T, s Subject) {
	d := must(t, s, driver.Read)
	if _, err := d.WriteAt(driver.Buffer(driver.Block), 0); err == nil {
		t.Error("a disk that was opened for reading was written to")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Identify(ctx); err == nil {
		t.Error("identify goes on after its context ended")
	}
}
