package intake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// progressEvery is how often progress of one command is written: people watch it,
// and it tells that an erase gets on.
const progressEvery = 2 * time.Second

// Result takes the outcome of a command, once: as long as its record is in the
// outbox. A result that comes again or too late changes nothing (rule X5) and is
// accepted, so that the agent can forget it. When Result returns nil the outcome is durable.
func (in *Intake) Result(ctx context.Context, server string, res protocol.Result) error {
	key := store.CommandKey(server, res.Command)
	err := in.change(ctx, func(tx *store.Tx) error {
		cmd, ok, err := store.Commands.Find(tx, key)
		if err != nil {
			return err
		}
		if !ok || cmd.Operation != res.Operation || cmd.Epoch != res.Epoch {
			in.log.Warn("a late result changes nothing", "server", server, "command", res.Command)
			return late(tx, server, res, in.now())
		}
		kept, err := keepDiagnosis(tx, server, res, in.now())
		if err != nil {
			return err
		}
		if kept, err = keepInspection(tx, server, kept, in.now()); err != nil {
			return err
		}
		return cmp.Or(store.Commands.Delete(tx, key), store.Results.Put(tx, key, kept))
	})
	if err == nil {
		in.paced.forget(res.Command)
	}
	return err
}

// Progress notes how far a command is, now and then.
func (in *Intake) Progress(ctx context.Context, server string, p protocol.Progress) error {
	if !in.paced.due(p.Command, progressEvery, in.now()) {
		return nil
	}
	return in.change(ctx, func(tx *store.Tx) error {
		cmd, ok, err := store.Commands.Find(tx, store.CommandKey(server, p.Command))
		if err != nil || !ok {
			return err
		}
		op, ok, err := store.Operations.Find(tx, cmd.Operation)
		if err != nil || !ok || operation.Final(op.State) || op.Current >= len(op.Steps) {
			return err
		}
		if op.Steps[op.Current].CommandID != p.Command {
			return nil
		}
		return store.Operations.Put(tx, op.ID, operation.Heard(op, p, in.now()))
	})
}

// mostLate bounds the late results that are kept with an operation.
const mostLate = 8

// late notes a result that nobody waits for, once (rule X5).
func late(tx *store.Tx, server string, res protocol.Result, now time.Time) error {
	op, ok, err := store.Operations.Find(tx, res.Operation)
	if err != nil || !ok || op.Server != server || len(op.Late) >= mostLate {
		return err
	}
	again := slices.ContainsFunc(op.Late, func(l operation.Late) bool { return l.Command == res.Command })
	sent := slices.ContainsFunc(op.Steps, func(s operation.Step) bool { return s.CommandID == res.Command && s.State == operation.StepDone })
	if again || sent { // the agent did not hear that it was taken
		return nil
	}
	op.Late = append(slices.Clone(op.Late), operation.Late{Command: res.Command, At: now, Fault: res.Fault})
	return store.Operations.Put(tx, op.ID, op)
}
