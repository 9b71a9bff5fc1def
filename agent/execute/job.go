package execute

import (
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/protocol"
)

// ProgressEvery is the least time between two progress messages of a command.
const ProgressEvery = time.Second

// Deed carries out one kind of command. It fills job.Result's outcome, also when it
// fails, and returns the fault. It may be called again with the same command after a crash.
type Deed func(ctx context.Context, job *Job) error

// Job is a command in work.
type Job struct {
	Command protocol.Command
	Result  protocol.Result // Diagnosis, Erasures, Written are the deed's to fill

	welcome protocol.Welcome
	journal *journal.Journal
	signal  func()

	mu       sync.Mutex
	progress protocol.Progress
	fresh    bool      // progress was not taken yet
	signaled time.Time // when progress was last announced
}

// SigningKey is the controller's key for permits and manifests.
func (j *Job) SigningKey() []byte { return j.welcome.SigningKey }

// Report tells how far the deed is; cheap enough to be called for each piece of work. At most
// one report a second is announced, the newest; a change of note is announced at once.
func (j *Job) Report(done, total uint64, unit, note string) {
	j.mu.Lock()
	now := time.Now()
	due := note != j.progress.Note || done == total || now.Sub(j.signaled) >= ProgressEvery
	j.progress = protocol.Progress{Command: j.Command.ID, Done: done, Total: total, Unit: unit, Note: note}
	j.fresh = true
	if due {
		j.signaled = now
	}
	j.mu.Unlock()
	if due {
		j.signal()
	}
}

func (j *Job) take() (protocol.Progress, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fresh := j.fresh
	j.fresh = false
	return j.progress, fresh
}

// Remember keeps note for the same command after a crash.
func (j *Job) Remember(note any) error { return j.journal.Note(j.Command.ID, note) }

// Recall reads what was remembered; false when there is nothing.
func (j *Job) Recall(note any) (bool, error) { return j.journal.Recall(j.Command.ID, note) }

// UsePermit spends a permit on this command.
func (j *Job) UsePermit(id string, until time.Time) error {
	return j.journal.UsePermit(id, j.Command.ID, until)
}

// Epoch is the newest epoch that this agent has seen, also where the journal could not take it.
func (j *Job) Epoch() uint64 { return max(j.journal.Epoch(), j.welcome.Epoch) }
