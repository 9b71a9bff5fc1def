package operation

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

const (
	// stuckAfter is how long an erase may tell nothing new before it counts as stuck: a kernel gives up a command
	// that a disk does not answer after a few minutes, with all its repetitions.
	stuckAfter = 30 * time.Minute
	// awayAllowed is how long the agent of an erase that goes well may be out of reach on top of what is left to do: the
	// erase goes on without us.
	awayAllowed = 6 * time.Hour
)

// Heard is op with what the agent tells of the current step. An erase that gets on has its deadlines moved: how long a disk
// takes is known by none but the disk (rule B16), so what ends an erase is that nothing moves any more.
func Heard(op Operation, p protocol.Progress, now time.Time) Operation {
	op.Steps = slices.Clone(op.Steps)
	s := &op.Steps[op.Current]
	if s.Progress == nil || moved(*s.Progress, p) {
		s.ProgressAt = now
	}
	s.Progress = &p
	if s.Command != protocol.CommandErase || !s.ProgressAt.Equal(now) {
		return op
	}
	until := now.Add(awayAllowed + max(seconds(p.Silent), 2*seconds(p.Left)))
	s.Deadline, op.Deadline = later(s.Deadline, until), later(op.Deadline, until)
	return op
}

// moved tells whether b says something new after a.
func moved(a, b protocol.Progress) bool {
	if a.Done != b.Done || len(a.Parts) != len(b.Parts) || len(b.Parts) == 0 && a.Note != b.Note {
		return true
	}
	for i, part := range b.Parts {
		if was := a.Parts[i]; part.Done != was.Done || part.Note != was.Note {
			return true
		}
	}
	return false
}

// longest is what a number of seconds from outside is taken for at most.
const longest = 30 * 24 * time.Hour

func seconds(n uint64) time.Duration {
	return time.Duration(min(n, uint64(longest.Seconds()))) * time.Second
}

// silentUntil is when an erase in work counts as stuck; zero: never. While its agent is away nothing can be heard of it, and its
// deadline alone counts.
func silentUntil(s *Step, in Input) time.Time {
	if s.Command != protocol.CommandErase || s.State != StepSent || s.Progress == nil || !in.Connected {
		return time.Time{}
	}
	return later(s.ProgressAt, in.Since).Add(max(stuckAfter, seconds(s.Progress.Silent)))
}

// stuck is the fault of an erase that tells nothing new any more.
func stuck(s *Step, now time.Time) *fault.Fault {
	return fault.Unavailable("step %s has made no progress for %s, the last was %q; look at that disk, take it out if it does not answer, and ask for the erase again",
		s.Name, now.Sub(s.ProgressAt).Round(time.Minute), s.Progress.Note)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
