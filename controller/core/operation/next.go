package operation

import (
	"fmt"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Verb says what reconcile does with a decision.
type Verb string

// Verbs. Every one but None comes with a changed record to store.
const (
	None    Verb = "none"   // nothing to do before Until
	Send    Verb = "send"   // store the record and a command for the current step
	Advance Verb = "step"   // store the record and look again: a step ended
	Recall  Verb = "recall" // store the record and ask the agent to stop the command
	Close   Verb = "close"  // store the record: it is final; delete its command
	Hold    Verb = "hold"   // store the record, delete its command, file a task
)

// Decision is what happens next.
type Decision struct {
	Verb  Verb
	Op    Operation // as it should be stored
	Until time.Time // when to look again at the latest; zero: when something changes
}

// Input is what Next looks at besides the record.
type Input struct {
	Result     *protocol.Result // of the current step's command, if it is there
	Connected  bool
	RecalledAt time.Time // when the current command was asked to stop; zero: it was not
}

// recallGrace is how long an agent may take to stop a command when asked.
const recallGrace = 30 * time.Second

// Next decides. It never decides the same thing twice for one stored state: each
// decision but None changes the record.
func Next(op Operation, in Input, now time.Time) Decision {
	if Final(op.State) {
		return Decision{Verb: None, Op: op}
	}
	op.Steps = append([]Step(nil), op.Steps...)
	switch {
	case op.CancelAsked != nil:
		return cancel(op, in, now)
	case op.State == Held:
		return held(op, now)
	case op.Current >= len(op.Steps):
		return closed(op, Done, "done", now)
	}
	switch s := &op.Steps[op.Current]; s.State {
	case StepDone, StepSkipped:
		op.Current++
		return say(op, Advance, "step "+s.Name+" is "+s.State, now)
	case StepSent:
		return answered(op, in, now)
	default:
		return start(op, in, now)
	}
}

func say(op Operation, v Verb, message string, now time.Time) Decision {
	if op.Message != message {
		op.Message, op.MessageAt = message, now
	}
	return Decision{Verb: v, Op: op}
}

func closed(op Operation, state, message string, now time.Time) Decision {
	op.State, op.FinishedAt = state, now
	return say(op, Close, message, now)
}

// cancel waits for a command in work to stop, so that the next operation does
// not meet it, but not for ever.
func cancel(op Operation, in Input, now time.Time) Decision {
	message := "canceled by " + op.CancelAsked.Actor
	if op.CancelAsked.Reason != "" {
		message += ": " + op.CancelAsked.Reason
	}
	if op.Current >= len(op.Steps) || op.Steps[op.Current].State != StepSent || in.Result != nil {
		return closed(op, Canceled, message, now)
	}
	if in.RecalledAt.IsZero() {
		return say(op, Recall, "waiting for the agent to stop "+op.Steps[op.Current].Name, now)
	}
	if until := in.RecalledAt.Add(recallGrace); now.Before(until) {
		return Decision{Verb: None, Op: op, Until: until}
	}
	return closed(op, Canceled, message+" (the agent did not answer)", now)
}

func held(op Operation, now time.Time) Decision {
	if now.Before(op.Deadline) {
		return Decision{Verb: None, Op: op, Until: op.Deadline}
	}
	return closed(op, Failed, "nobody decided in time; last: "+op.Message, now)
}

func start(op Operation, in Input, now time.Time) Decision {
	s := &op.Steps[op.Current]
	switch {
	case !now.Before(op.Deadline):
		return late(op, now)
	case now.Before(s.NotBefore):
		return Decision{Verb: None, Op: op, Until: earlier(s.NotBefore, op.Deadline)}
	}
	s.Attempt++
	s.State, s.StartedAt, s.Progress = StepSent, now, nil
	s.CommandID = fmt.Sprintf("%s-%d-%d", op.ID, op.Current, s.Attempt)
	s.Deadline = earlier(now.Add(s.Allowed), op.Deadline)
	message := "waiting for the agent: " + s.Name
	if !in.Connected {
		message = "waiting for the agent to connect, then: " + s.Name
	}
	return say(op, Send, message, now)
}

func answered(op Operation, in Input, now time.Time) Decision {
	s := &op.Steps[op.Current]
	switch {
	case in.Result != nil && in.Result.Fault == nil:
		s.State, s.FinishedAt, s.Fault = StepDone, now, nil
		return say(op, Advance, "step "+s.Name+" is done", now)
	case in.Result != nil:
		return failed(op, in.Result.Fault, now)
	case !now.Before(op.Deadline):
		return late(op, now)
	case !now.Before(s.Deadline):
		return failed(op, fault.Unavailable("step %s was not answered within %s", s.Name, s.Allowed), now)
	}
	return Decision{Verb: None, Op: op, Until: earlier(s.Deadline, op.Deadline)}
}

// failed tries again while attempts are left and the fault may pass; then a
// person decides. Diagnostics need nobody: they end, and say so.
func failed(op Operation, f *fault.Fault, now time.Time) Decision {
	s := &op.Steps[op.Current]
	s.Fault = f
	if s.Attempt <= s.Retries && retryable(f) {
		s.State, s.NotBefore = StepPending, now.Add(backoff(s.Attempt))
		return say(op, Advance, fmt.Sprintf("step %s failed and is tried again: %s", s.Name, f.Message), now)
	}
	s.State, s.FinishedAt = StepFailed, now
	op.Fault = f
	message := "step " + s.Name + " failed: " + f.Error()
	if op.Kind == Diagnose {
		return closed(op, Failed, message, now)
	}
	op.State, op.Deadline = Held, now.Add(HoldAllowed)
	return say(op, Hold, message, now)
}

func late(op Operation, now time.Time) Decision {
	s := &op.Steps[op.Current]
	f := fault.Unavailable("%s did not finish within %s; the last step was %s", op.Kind, op.Allowed, s.Name)
	s.State, s.FinishedAt, s.Fault, op.Fault = StepFailed, now, f, f
	return closed(op, Failed, f.Message, now)
}

func retryable(f *fault.Fault) bool {
	return f.Kind == fault.KindUnavailable || f.Kind == fault.KindInternal
}

func backoff(attempt int) time.Duration {
	return min(5*time.Second<<min(attempt-1, 6), 2*time.Minute)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
