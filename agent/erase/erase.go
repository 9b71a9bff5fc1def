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
	Remember(note any) error
	Recall(note any) (bool, error)
	UsePermit(id string, until time.Time) error
}

// Run erases the disks of a permit that Verify accepted. It returns one Erasure for each
// disk of the permit, in its order, also when it fails. The error joins those of all disks; nil means that every
// disk is proven empty.
func Run(ctx context.Context, disks driver.Disks, p protocol.Permit, job Job) ([]protocol.Erasure, error) {
	if err := complete(ctx, disks, p.Disks); err != nil {
		return untouched(p.Disks, err), err
	}
	if err := job.UsePermit(p.ID, p.NotAfter); err != nil {
		return untouched(p.Disks, err), err
	}
	e := &erasing{disks: disks, job: job, out: make([]protocol.Erasure, len(p.Disks))}
	if _, err := job.Recall(&e.marks); err != nil {
		return untouched(p.Disks, err), fmt.Errorf("recall how far the erase was: %w", err)
	}
	return e.out, e.run(ctx, p.Disks)
}

// complete refuses unless the machine's disks and the permit's are the same ones.
func complete(ctx context.Context, disks driver.Disks, want []protocol.DiskRef) error {
	list, err := disks.List(ctx)
	if err != nil {
		return fmt.Errorf("list disks: %w", err)
	}
	var wrong []error
	listed := map[string]bool{}
	for _, ref := range want {
		found, err := driver.Find(list, ref)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case listed[found.Name]:
			wrong = append(wrong, fault.Refused("disk %s is listed twice", driver.Describe(found)))
		}
		listed[found.Name] = true
	}
	for _, ref := range list {
		if !listed[ref.Name] {
			wrong = append(wrong, fault.Refused("disk %s is not listed in the permit", driver.Describe(ref)))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fault.Refused("nothing was erased: %w", errors.Join(wrong...))
}

func untouched(disks []protocol.DiskRef, err error) []protocol.Erasure {
	now := time.Now().UTC()
	list := make([]protocol.Erasure, len(disks))
	for i, ref := range disks {
		list[i] = protocol.Erasure{Disk: ref, Attempts: []string{}, TotalBytes: ref.SizeBytes, StartedAt: now, EndedAt: now, Error: err.Error()}
	}
	return list
}

// erasing is one erase of several disks.
type erasing struct {
	disks driver.Disks
	job   Job
	out   []protocol.Erasure

	mu    sync.Mutex
	marks map[string]mark // by serial and WWN
	done  uint64          // bytes overwritten and read back
	total uint64
}

// mark is how far a disk is, durably.
type mark struct {
	Discarded bool   `json:"discarded"`
	Written   uint64 `json:"written"` // bytes from the start that are zero on the medium
}

func (e *erasing) run(ctx context.Context, disks []protocol.DiskRef) error {
	for _, ref := range disks {
		e.total += ref.SizeBytes + proofBytes(ref.SizeBytes)
	}
	failed := make([]error, len(disks))
	var wg sync.WaitGroup
	for i, ref := range disks {
		wg.Go(func() {
			one := &disk{erasing: e, ref: ref, out: &e.out[i]}
			failed[i] = one.erase(ctx)
		})
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

// advance counts n more bytes of work and tells it.
func (e *erasing) advance(n uint64, note string) {
	e.mu.Lock()
	e.done = min(e.done+n, e.total)
	done := e.done
	e.mu.Unlock()
	e.job.Report(done, e.total, "bytes", note)
}

func key(ref protocol.DiskRef) string { return strings.ToLower(ref.Serial + "|" + ref.WWN) }

func (e *erasing) mark(ref protocol.DiskRef) mark {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.marks[key(ref)]
}

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
