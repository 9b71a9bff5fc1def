package fake

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Op is what is done to a disk.
type Op string

// Ops.
const (
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpDiscard  Op = "discard"
	OpSync     Op = "sync"
	OpIdentify Op = "identify"
	opZero     Op = "zero" // OpWrite to Fault
)

// Disk is one disk in memory. Set the exported fields before the first use, or
// through Change while the disk is in work.
type Disk struct {
	Ref         protocol.DiskRef
	BytesPerSec uint64 // 0: as fast as memory
	ZeroPerSec  uint64 // of overwriting by itself, bytes; 0: as fast as memory
	ReadOnly    bool
	InUse       string // why it cannot be opened for writing; "" when it can
	Lies        bool   // writes and discards succeed, the data stays
	NoDiscard   bool   // the disk has no discard
	NoZero      bool   // the disk does not overwrite by itself
	Gone        bool   // pulled out
	// SelfErase are the commands with which the drive empties itself; nil: it has none.
	SelfErase func() ([]driver.Rung, error)
	Clip      *driver.Clip // the end that the drive hides
	Free      uint64       // bytes of the drive that no disk shows
	// Fault is asked before each access; its error is what the access returns.
	Fault func(op Op, off, n int64) error

	mu    sync.Mutex
	store *Pages
	pages map[int64]*page // by index; absent is zero
	open  bool            // for writing
	busy  time.Time       // when the last access is over
	spent time.Duration   // of all accesses together
}

// NewDisk makes an empty disk whose content is kept in store.
func NewDisk(ref protocol.DiskRef, store *Pages) *Disk { return &Disk{Ref: ref, store: store} }

// Change alters the disk while others use it.
func (d *Disk) Change(f func(*Disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

// Fill writes data from off on, whatever faults are set: what a tenant left.
func (d *Disk) Fill(off int64, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write(off, data)
}

// Kept is the number of pages that hold anything but zeros.
func (d *Disk) Kept() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pages)
}

// Scramble makes noise of what the disk holds, as a drive does that throws its key away.
func (d *Disk) Scramble() {
	noise := make([]byte, pageSize)
	_, _ = rand.Read(noise) // never fails: crypto/rand ends the process instead
	d.mu.Lock()
	defer d.mu.Unlock()
	size := int64(d.Ref.SizeBytes)
	for i := range d.pages {
		d.write(i*pageSize, noise[:min(pageSize, size-i*pageSize)])
	}
}

// Forget gives every page back to the store.
func (d *Disk) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range d.pages {
		d.store.release(p)
		delete(d.pages, i)
	}
}

func (d *Disk) begin(mode driver.Mode) (driver.Disk, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Gone {
		return nil, fault.NotFound("there is no such disk any more")
	}
	if mode == driver.Write {
		switch {
		case d.ReadOnly:
			return nil, fault.Refused("the disk is read-only")
		case d.InUse != "":
			return nil, fault.Refused("the disk is in use: %s", d.InUse)
		case d.open:
			return nil, fault.Refused("the disk is in use: it is open for writing already")
		}
		d.open = true
	}
	return &handle{disk: d, writes: mode == driver.Write}, nil
}

// access checks bounds and faults and takes the time that the access costs.
func (d *Disk) access(op Op, off, n int64) error {
	d.mu.Lock()
	switch {
	case d.Gone:
		d.mu.Unlock()
		return syscall.ENODEV
	case op != OpSync && op != OpIdentify && (off < 0 || off+n > int64(d.Ref.SizeBytes)):
		d.mu.Unlock()
		return fmt.Errorf("%s of %d bytes at %d: %w", op, n, off, syscall.ENOSPC)
	}
	wait := d.charge(op, n)
	if wait < nap {
		wait = 0 // slept with the next access
	}
	check := d.Fault
	d.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	if op == opZero {
		op = OpWrite
	}
	if check != nil {
		return check(op, off, n)
	}
	return nil
}

// nap is the shortest sleep: shorter ones take longer than they say.
const nap = 2 * time.Millisecond

// charge books the time of n bytes behind what is already being done.
func (d *Disk) charge(op Op, n int64) time.Duration {
	rate := d.BytesPerSec
	if op == opZero {
		rate = d.ZeroPerSec
	}
	if rate == 0 || (op != OpRead && op != OpWrite && op != opZero) {
		return 0
	}
	now := time.Now()
	if d.busy.Before(now) {
		d.busy = now
	}
	cost := time.Duration(float64(n) / float64(rate) * float64(time.Second))
	d.busy, d.spent = d.busy.Add(cost), d.spent+cost
	return d.busy.Sub(now)
}

// read fills p from off on; the caller holds the lock.
func (d *Disk) read(off int64, p []byte) {
	for len(p) > 0 {
		i, in := off/pageSize, off%pageSize
		n := int(min(int64(len(p)), pageSize-in))
		if pg := d.pages[i]; pg != nil {
			copy(p[:n], pg.data[in:])
		} else {
			clear(p[:n])
		}
		p, off = p[n:], off+int64(n)
	}
}

// write puts p at off; the caller holds the lock.
func (d *Disk) write(off int64, p []byte) {
	for len(p) > 0 {
		i, in := off/pageSize, off%pageSize
		n := int(min(int64(len(p)), pageSize-in))
		d.put(i, in, p[:n])
		p, off = p[n:], off+int64(n)
	}
}

// put changes one page; nothing is kept of a page that becomes zero.
func (d *Disk) put(i, in int64, p []byte) {
	old := d.pages[i]
	var fresh *page
	if len(p) == pageSize {
		fresh = d.store.intern(p)
	} else {
		var whole [pageSize]byte
		if old != nil {
			whole = old.data
		}
		copy(whole[in:], p)
		fresh = d.store.intern(whole[:])
	}
	d.store.release(old)
	switch {
	case fresh == nil:
		delete(d.pages, i)
	case d.pages == nil:
		d.pages = map[int64]*page{i: fresh}
	default:
		d.pages[i] = fresh
	}
}

// zero empties a range without touching what is empty already.
func (d *Disk) zero(off, n int64) {
	for i, p := range d.pages {
		from, to := max(off, i*pageSize), min(off+n, (i+1)*pageSize)
		if from >= to {
			continue
		}
		if to-from == pageSize {
			d.store.release(p)
			delete(d.pages, i)
			continue
		}
		d.put(i, from-i*pageSize, zeroPage[:to-from])
	}
}

type handle struct {
	disk   *Disk
	writes bool
	once   sync.Once
}

func (h *handle) Identify(ctx context.Context) (protocol.DiskRef, error) {
	if err := ctx.Err(); err != nil {
		return protocol.DiskRef{}, err
	}
	if err := h.disk.access(OpIdentify, 0, 0); err != nil {
		return protocol.DiskRef{}, err
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.disk.Ref, nil
}

// Worked implements driver.Timed: what the accesses cost, however late their sleep ended.
func (h *handle) Worked() time.Duration {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.disk.spent
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), int64(h.disk.Ref.SizeBytes)-off)
	if n <= 0 {
		return 0, io.EOF
	}
	if err := h.disk.access(OpRead, off, n); err != nil {
		return 0, err
	}
	h.disk.mu.Lock()
	h.disk.read(off, p[:n])
	h.disk.mu.Unlock()
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	if err := h.change(OpWrite, off, int64(len(p)), func() { h.disk.write(off, p) }); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *handle) Discard(off, n int64) error {
	if h.disk.NoDiscard {
		return driver.ErrUnsupported
	}
	return h.change(OpDiscard, off, n, func() { h.disk.zero(off, n) })
}

func (h *handle) Zero(off, n int64) error {
	if h.disk.NoZero {
		return driver.ErrUnsupported
	}
	return h.change(opZero, off, n, func() { h.disk.zero(off, n) })
}

// change does one altering access, unless the disk lies.
func (h *handle) change(op Op, off, n int64, do func()) error {
	if !h.writes {
		return syscall.EBADF
	}
	if err := h.disk.access(op, off, n); err != nil {
		return err
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if !h.disk.Lies {
		do()
	}
	return nil
}

// Rungs are those of SelfErase.
func (h *handle) Rungs(ctx context.Context) ([]driver.Rung, error) {
	if h.disk.SelfErase == nil || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return h.disk.SelfErase()
}

// Unallocated is the Free of the disk.
func (h *handle) Unallocated(ctx context.Context) (uint64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.disk.Free, ctx.Err()
}

// Clipped is the Clip of the disk.
func (h *handle) Clipped(ctx context.Context) (*driver.Clip, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return h.disk.Clip, ctx.Err()
}

// Unclip gives the clipped end back.
func (h *handle) Unclip(ctx context.Context) error {
	if !h.writes {
		return syscall.EBADF
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.Clip != nil {
		h.disk.Ref.SizeBytes += h.disk.Clip.Bytes
		h.disk.Clip = nil
	}
	return ctx.Err()
}

func (h *handle) Sync() error { return h.disk.access(OpSync, 0, 0) }

func (h *handle) Close() error {
	h.once.Do(func() {
		if h.writes {
			h.disk.Change(func(d *Disk) { d.open = false })
		}
	})
	return nil
}
