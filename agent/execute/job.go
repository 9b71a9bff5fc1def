package execute

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/pace"
	"github.com/steelyard/steelyard/protocol"
)

// ProgressEvery is the least time between two progress messages of a command, noteEvery where the later one tells something new: disks
// that are worked on side by side tell of themselves in turn.
const (
	ProgressEvery = time.Second
	noteEvery     = 250 * time.Millisecond
)

// AckWithin is how long what follows a result waits for the controller to have it.
const AckWithin = 10 * time.Second

// downWithin is how long a machine that was told to go down may take before this agent takes the next command.
const downWithin = 10 * time.Minute

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
	stop    context.CancelCauseFunc
	heard   chan struct{} // closed when the controller has the result
	hear    func()        // closes it, once
	then    func(context.Context) error
	stays   bool // the machine stays up after then

	mu       sync.Mutex
	final    []time.Duration // of the parts of the work that cannot be interrupted now: how long each may be silent
	stopped  error           // why it is stopped when they are over
	progress protocol.Progress
	meter    pace.Meter
	parts    func() []protocol.Part // how far what is done side by side is; nil: there is one thing
	fresh    bool                   // progress was not taken yet
	signaled time.Time              // when progress was last announced
	later    bool                   // it will be, without another report
}

// SigningKey is the controller's key for permits and manifests.
func (j *Job) SigningKey() []byte { return j.welcome.SigningKey }

// Report tells how far the deed is; cheap enough to be called for each piece of work. At most
// one report a second is announced, the newest; a change of note after a quarter of that.
func (j *Job) Report(done, total uint64, unit, note string) {
	j.mu.Lock()
	now, every := time.Now(), ProgressEvery
	if note != j.progress.Note || done == total {
		every = noteEvery
	}
	wait := j.signaled.Add(every).Sub(now)
	j.progress = protocol.Progress{Command: j.Command.ID, Done: done, Total: total, Unit: unit, Note: note}
	j.uninterrupted()
	j.fresh = true
	if wait <= 0 {
		j.signaled = now
	} else if every == noteEvery && !j.later { // nothing more may be reported for long
		j.later = true
		time.AfterFunc(wait, j.announce)
	}
	j.mu.Unlock()
	if wait <= 0 {
		j.signal()
	}
}

func (j *Job) announce() {
	j.mu.Lock()
	j.later, j.signaled = false, time.Now()
	j.mu.Unlock()
	j.signal()
}

// Final says that what begins now cannot be interrupted, such as a drive that erases itself. A Cancel or a newer epoch
// that comes before over is called takes effect then, unless the deed is done by that. Several parts may be final side by
// side. The end of the deadline or of the agent still ends the deed's context. silent is how long nothing new may be told
// although all is well.
func (j *Job) Final(silent time.Duration) (over func()) {
	j.finals(func() { j.final = append(j.final, silent) })
	return sync.OnceFunc(func() {
		j.finals(func() { i := slices.Index(j.final, silent); j.final = slices.Delete(j.final, i, i+1) })
	})
}

func (j *Job) finals(change func()) {
	j.mu.Lock()
	change()
	j.progress.Command, j.fresh = j.Command.ID, true
	j.uninterrupted()
	if len(j.final) == 0 && j.stopped != nil {
		j.stop(j.stopped)
	}
	j.mu.Unlock()
	j.signal()
}

// uninterrupted tells what is final with the progress. The caller holds the lock.
func (j *Job) uninterrupted() {
	j.progress.Final, j.progress.Silent = len(j.final) > 0, 0
	for _, silent := range j.final {
		j.progress.Silent = max(j.progress.Silent, uint64(silent.Seconds()))
	}
}

// interrupt stops the deed, or lets what is final end first.
func (j *Job) interrupt(why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.final) > 0 {
		j.stopped = cmp.Or(j.stopped, why)
		return
	}
	j.stop(why)
}

// Then leaves do for after the result: it is called when the controller has it, or [AckWithin] later, unless the command is
// cancelled, over or too late by then. boot is the present boot of the machine; after a crash the deed is called again and sees
// by it whether do has happened.
func (j *Job) Then(boot string, do func(context.Context) error) error {
	if err := j.journal.Promise(j.Command.ID, boot); err != nil {
		return err
	}
	j.then = do
	return nil
}

// Later leaves do for after the result, as Then does, where the machine stays up. After a crash it is not done: what must be so then is
// the business of who starts.
func (j *Job) Later(do func(context.Context) error) { j.then, j.stays = do, true }

// Parts says whom to ask, at any time until the deed ends, how far each of several things is that are done side by side.
func (j *Job) Parts(ask func() []protocol.Part) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.parts = ask
}

func (j *Job) take() (protocol.Progress, bool) {
	j.mu.Lock()
	fresh, p, ask := j.fresh, j.progress, j.parts
	j.fresh = false
	if fresh {
		p.Rate, p.Left = j.meter.Read(time.Now(), p.Done, p.Total)
	}
	j.mu.Unlock()
	if !fresh || ask == nil {
		return p, fresh
	}
	p.Parts = ask()
	for _, part := range p.Parts {
		p.Left = max(p.Left, part.Left) // it is over when the slowest is
	}
	p.Parts = p.Parts[:min(len(p.Parts), protocol.MaxParts)]
	return p, fresh
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
