package erase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Job is what an erase needs from whoever runs it.
type Job interface {
	Report(done, total uint64, unit, note string)
	// Parts says whom to ask how far each disk is. It is asked at any time until the erase is over.
	Parts(ask func() []protocol.Part)
	// Final says that what begins now cannot be interrupted before over is called, and may tell nothing new for so long.
	Final(silent time.Duration) (over func())
	Remember(note any) error
	Recall(note any) (bool, error)
	UsePermit(id string, until time.Time) error
}

// Run erases the disks of a permit that Verify accepted. It returns one Erasure for each
// disk of the permit, in its order, also when it fails. The error joins those of all disks; nil means that every
// disk is proven empty.
func Run(ctx context.Context, disks driver.Disks, p protocol.Permit, job Job) ([]protocol.Erasure, error) {
	if regained, err := complete(ctx, disks, p.Disks); err != nil {
		list := untouched(p.Disks, err)
		for i, back := range regained {
			list[i].Regained = back
		}
		return list, err
	}
	if err := job.UsePermit(p.ID, p.NotAfter); err != nil {
		return untouched(p.Disks, err), err
	}
	e := &erasing{disks: disks, job: job, out: make([]protocol.Erasure, len(p.Disks)), lanes: newLanes(disks)}
	if _, err := job.Recall(&e.marks); err != nil {
		return untouched(p.Disks, err), fmt.Errorf("recall how far the erase was: %w", err)
	}
	return e.out, e.run(ctx, p.Disks)
}

func untouched(disks []protocol.DiskRef, err error) []protocol.Erasure {
	now := time.Now().UTC()
	list := make([]protocol.Erasure, len(disks))
	for i, ref := range disks {
		list[i] = protocol.Erasure{Disk: ref, Attempts: []protocol.Attempt{}, TotalBytes: ref.SizeBytes, StartedAt: now, EndedAt: now, Error: err.Error()}
	}
	return list
}

// erasing is one erase of several disks.
type erasing struct {
	disks driver.Disks
	job   Job
	out   []protocol.Erasure
	lanes *lanes

	mu    sync.Mutex
	marks map[string]mark // by serial and WWN
	work  []*disk
	total uint64
}

// mark is how far a disk is, durably.
type mark struct {
	StartedAt time.Time          `json:"started_at,omitzero"`
	Attempts  []protocol.Attempt `json:"attempts,omitempty"`

	Rung    string `json:"rung,omitempty"`    // the drive was told to do this, and what came of it is not known
	Begun   int    `json:"begun,omitempty"`   // how often
	Witness []byte `json:"witness,omitempty"` // see witness
	Over    bool   `json:"over,omitempty"`    // the drive is asked for nothing more
	Lied    bool   `json:"lied,omitempty"`    // it claimed what it did not do

	Discarded bool   `json:"discarded"`
	Noise     []byte `json:"noise,omitempty"` // key of the noise that comes before the zeros
	Zeros     bool   `json:"zeros,omitempty"` // the noise is done
	Written   uint64 `json:"written"`         // bytes from the start that the present pass has on the medium
}

func (e *erasing) run(ctx context.Context, disks []protocol.DiskRef) error {
	for i, ref := range disks {
		one := &disk{erasing: e, ref: ref, out: &e.out[i], mark: e.marks[key(ref)]}
		e.work = append(e.work, one)
		e.total += one.total()
	}
	e.job.Parts(e.parts)
	failed := make([]error, len(disks))
	var wg sync.WaitGroup
	for i, one := range e.work {
		wg.Go(func() { failed[i] = one.erase(ctx) })
	}
	wg.Wait()
	return summary(ctx, len(disks), failed)
}

// summary tells all disks that failed. Only a lack of time is worth another try.
func summary(ctx context.Context, disks int, failed []error) error {
	n := 0
	for _, err := range failed {
		if err != nil {
			n++
		}
	}
	switch {
	case n == 0:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%d of %d disks are not proven empty: %w", n, disks, errors.Join(append(failed, ctx.Err())...))
	default:
		return fault.Refused("%d of %d disks are not proven empty: %w", n, disks, errors.Join(failed...))
	}
}

func key(ref protocol.DiskRef) string { return strings.ToLower(ref.Serial + "|" + ref.WWN) }

// setMark remembers how far a disk is. The caller has flushed the disk.
func (e *erasing) setMark(ref protocol.DiskRef, m mark) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.marks == nil {
		e.marks = map[string]mark{}
	}
	e.marks[key(ref)] = m
	return e.job.Remember(e.marks)
}
