package operation

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Cancel asks to end op. It is an error when op is over, or what customers have on a server is recorded on another one already: that goes on.
func Cancel(op Operation, ask Ask) (Operation, error) {
	if Final(op.State) {
		return op, fault.Refused("operation %s is %s; there is nothing to cancel", op.ID, op.State)
	}
	if op.Current < len(op.Steps) && op.Steps[op.Current].Command == ActMovePlacements && !op.Steps[op.Current].StartedAt.IsZero() {
		return op, fault.Refused("operation %s records on server %s already what was copied; it goes on. To undo it, move the content back when it is done", op.ID, op.Params.To)
	}
	if op.CancelAsked == nil {
		op.CancelAsked = &ask
	}
	return op, nil
}

// Retry lets a held operation try its step again, with the whole time anew.
func Retry(op Operation, ask Ask) (Operation, error) {
	return release(op, ask, func(s *Step) {
		// attempts are numbered on: an agent answers a command id that it knows with the old result
		s.State, s.NotBefore, s.StartedAt, s.Retries = StepPending, time.Time{}, time.Time{}, s.Tries()+retriesAfterAsk
	})
}

// retriesAfterAsk is how often a step that a person retried is repeated by itself.
const retriesAfterAsk = 1

// Skip lets a held operation go on without its failed step, for a reason that is
// kept. An erase cannot be skipped: its proof is the point of it. In a delete it can: the
// server then stays dirty, and is not available before an erase of its own (rule B41).
// Nor can an image: a service without a system would become active (rule B1). That a system
// which was written has started, a person may say instead of it.
func Skip(op Operation, ask Ask) (Operation, error) {
	if op.Kind == Erase {
		return op, fault.Refused("an erase cannot be skipped: without its proof the server may not be given to anybody; retry or cancel it")
	}
	if op.Current < len(op.Steps) {
		switch s := op.Steps[op.Current]; {
		case s.Command == protocol.CommandImage:
			return op, fault.Refused("step %s cannot be skipped: without an image there is no system that could become active; retry or cancel", s.Name)
		case s.Command == ActMovePlacements:
			return op, fault.Refused("step %s cannot be skipped: what was copied would be recorded on the wrong server; retry", s.Name)
		case s.Hand == HandController && s.Command != ActAwaitAgent && s.Command != ActAwaitSystem:
			return op, fault.Refused("step %s cannot be skipped: what follows would meet a server that is not free; retry or cancel", s.Name)
		}
	}
	if ask.Reason == "" {
		var c fault.Check
		c.Add("reason", "is empty; say why the step can be left out")
		return op, c.Err("step of operation %s cannot be skipped", op.ID)
	}
	return release(op, ask, func(s *Step) { s.State, s.Skipped = StepSkipped, &ask })
}

func release(op Operation, ask Ask, change func(*Step)) (Operation, error) {
	if op.State != Held || op.Current >= len(op.Steps) {
		return op, fault.Refused("operation %s is %s; only a held operation waits for such a decision", op.ID, op.State)
	}
	op.Steps = append([]Step(nil), op.Steps...)
	change(&op.Steps[op.Current])
	op.State, op.Fault, op.Deadline = Running, nil, ask.At.Add(op.Allowed)
	op.Message, op.MessageAt = ask.Actor+" decided: go on", ask.At
	return op, nil
}
