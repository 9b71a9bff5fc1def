package install

import (
	"fmt"
	"sync"

	"github.com/steelyard/steelyard/agent/driver"
)

// Reporter hears how far the work is; see execute.Job.
type Reporter interface {
	Report(done, total uint64, unit, note string)
}

// Job is what the work is told to and remembered by; see execute.Job.
type Job interface {
	Reporter
	// Remember keeps a note for the same command after a restart of the agent; Recall reads it.
	Remember(note any) error
	Recall(note any) (bool, error)
}

// Mark is the note of an installation.
type Mark struct {
	Image  string `json:"image"`            // id
	Below  uint64 `json:"below"`            // all of the image below this byte is on the medium, but for its start
	Proven bool   `json:"proven,omitempty"` // the whole image was on the disk and read back; the system may have been configured since
}

// leastStep is how much is written between two marks at least, bytes; large images have 64 marks.
var leastStep = uint64(256 << 20)

// marks notes how far writing is without a gap.
type marks struct {
	dev   driver.Disk
	job   Job
	mark  Mark
	step  uint64
	mu    sync.Mutex
	done  map[uint64]uint64 // parts that are written behind a gap: first byte and length
	below uint64
}

func newMarks(dev driver.Disk, job Job, m Mark, size uint64) *marks {
	return &marks{dev: dev, job: job, mark: m, step: max(leastStep, size/64), done: map[uint64]uint64{}, below: m.Below}
}

// wrote hears of a part. When enough has come together without a gap, it is flushed and noted.
func (k *marks) wrote(s span) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done[s.at] = s.n
	for n, ok := k.done[k.below]; ok; n, ok = k.done[k.below] {
		delete(k.done, k.below)
		k.below += n
	}
	if k.below-k.mark.Below < k.step {
		return nil
	}
	if err := k.dev.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	k.mark.Below = k.below
	return k.job.Remember(k.mark)
}
