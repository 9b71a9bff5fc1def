package execute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
)

var _ link.Executor = (*Executor)(nil)

// errStopped interrupts a deed because the agent ends; errCancelled because the controller said so;
// errOver because the server is at a newer epoch than the command.
var (
	errStopped   = errors.New("the agent is stopping")
	errCancelled = errors.New("cancelled")
	errOver      = errors.New("its epoch is over")
)

// Executor does commands. Make one with New.
type Executor struct {
	deeds   map[string]Deed
	journal *journal.Journal
	log     *slog.Logger
	changed chan struct{}

	mu        sync.Mutex
	welcome   protocol.Welcome
	attached  bool
	closed    bool
	queue     []protocol.Command         // received, not started
	cancelled map[string]error           // ids in the queue that were cancelled
	unwritten map[string]protocol.Result // refusals that the journal could not take
	job       *Job                       // in work
	working   sync.WaitGroup
}

// New makes an executor that starts nothing before Attach. What an earlier process
// left unfinished is in the journal and comes first.
func New(j *journal.Journal, deeds map[string]Deed, log *slog.Logger) *Executor {
	return &Executor{
		deeds: deeds, journal: j, log: log,
		changed: make(chan struct{}, 1),
		queue:   j.Unfinished(),
	}
}

// Attach learns which server this is, and goes on with what is unfinished.
func (e *Executor) Attach(w protocol.Welcome) {
	if err := e.journal.Advance(w.Epoch); err != nil {
		e.log.Error("cannot record the epoch", logging.KeyError, err)
	}
	e.mu.Lock()
	e.welcome, e.attached = w, true
	e.outdate(max(w.Epoch, e.journal.Epoch()))
	e.mu.Unlock()
	e.next()
}

// Execute takes a command; see link.Executor.
func (e *Executor) Execute(cmd protocol.Command) {
	if err := e.refusal(cmd); err != nil {
		e.refuse(cmd, err)
		return
	}
	known, err := e.journal.Receive(cmd)
	switch {
	case err != nil:
		e.refuse(cmd, err)
	case known:
		e.announce() // its result, if there is one, is due again
	default:
		e.mu.Lock()
		e.queue = append(e.queue, cmd)
		e.outdate(cmd.Epoch)
		e.mu.Unlock()
		e.next()
	}
}

// outdate interrupts what is in work when it is of an older epoch: the controller has ended its
// operation, and a cancel that did not arrive then comes no more (rule X5). The caller holds the lock.
func (e *Executor) outdate(epoch uint64) {
	if e.job != nil && e.job.Command.Epoch < epoch {
		e.job.interrupt(fmt.Errorf("%w: the command is of epoch %d, this server is at epoch %d", errOver, e.job.Command.Epoch, epoch))
	}
}

// refusal says why a command is none of this agent's.
func (e *Executor) refusal(cmd protocol.Command) error {
	e.mu.Lock()
	server := e.welcome.ServerID
	e.mu.Unlock()
	switch {
	case cmd.ID == "":
		return fault.Invalid("a command without an id cannot be answered")
	case cmd.Server != server:
		return fault.Refused("command %s is for server %q; this is %q", cmd.ID, cmd.Server, server)
	case e.deeds[cmd.Kind] == nil:
		return fault.Refused("this agent cannot %q", cmd.Kind)
	}
	return nil
}

// refuse answers a command that is never started.
func (e *Executor) refuse(cmd protocol.Command, why error) {
	e.log.Warn("command refused", logging.KeyCommand, cmd.ID, logging.KeyError, why)
	res := outcome(cmd, why)
	if err := e.journal.Refuse(cmd, res); err != nil {
		e.mu.Lock()
		if e.unwritten == nil {
			e.unwritten = map[string]protocol.Result{}
		}
		if len(e.unwritten) < journal.MaxOpen {
			e.unwritten[cmd.ID] = res
		}
		e.mu.Unlock()
	}
	e.announce()
}

func outcome(cmd protocol.Command, err error) protocol.Result {
	return protocol.Result{
		Command: cmd.ID, Operation: cmd.Operation, Step: cmd.Step, Epoch: cmd.Epoch,
		At: time.Now().UTC(), Fault: fault.From(err),
	}
}

// next starts the oldest waiting command, unless one is in work.
func (e *Executor) next() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || !e.attached || e.job != nil || len(e.queue) == 0 {
		return
	}
	cmd := e.queue[0]
	e.queue = e.queue[1:]
	ctx, stop := context.WithCancelCause(context.Background())
	if err := e.cancelled[cmd.ID]; err != nil {
		stop(err)
		delete(e.cancelled, cmd.ID)
	}
	heard := make(chan struct{})
	e.job = &Job{
		Command: cmd, Result: outcome(cmd, nil), welcome: e.welcome, journal: e.journal, signal: e.announce,
		stop: stop, heard: heard, hear: sync.OnceFunc(func() { close(heard) }),
	}
	job := e.job
	e.working.Go(func() { e.work(ctx, job) })
}

// work does one command from start to result, and what the deed left for after it.
func (e *Executor) work(ctx context.Context, job *Job) {
	err := e.do(ctx, job)
	if err != nil && errors.Is(context.Cause(ctx), errStopped) {
		e.done() // no result: the next start goes on
		return
	}
	if e.finish(ctx, job, err) && err == nil && job.then != nil {
		e.follow(ctx, job)
	}
	if !errors.Is(context.Cause(ctx), errStopped) {
		e.settle(job)
	}
	e.done()
	e.announce()
	e.next()
}

// finish records the result and tells it. A command that has one keeps it.
func (e *Executor) finish(ctx context.Context, job *Job, err error) bool {
	if _, told := e.journal.Result(job.Command.ID); told {
		return true
	}
	job.Result.At = time.Now().UTC()
	job.Result.Fault = fault.From(explain(ctx, err))
	if err := e.journal.Finish(job.Result); err != nil {
		e.log.Error("cannot record the result; the command will be done again", logging.KeyCommand, job.Command.ID, logging.KeyError, err)
		return false
	}
	e.log.Info("command finished", logging.KeyCommand, job.Command.ID, "kind", job.Command.Kind, logging.KeyError, job.Result.Fault)
	e.announce()
	return true
}

// follow does what was left for after the result, and waits for its effect: the end of this process.
func (e *Executor) follow(ctx context.Context, job *Job) {
	if e.journal.Acked(job.Command.ID) {
		job.hear()
	}
	if err := e.wait(ctx, job); err != nil {
		e.log.Warn("what was to follow a result is left undone", logging.KeyCommand, job.Command.ID, "kind", job.Command.Kind, logging.KeyError, explain(ctx, err))
		return
	}
	e.log.Info("what follows a result is done now", logging.KeyCommand, job.Command.ID, "kind", job.Command.Kind)
	if err := e.afterwards(ctx, job); err != nil {
		e.log.Error("what was to follow a result failed", logging.KeyCommand, job.Command.ID, "kind", job.Command.Kind, logging.KeyError, err)
		return
	}
	if job.stays {
		return
	}
	if pause.For(ctx, downWithin) == nil {
		e.log.Error("the machine was told to go down and is still up", logging.KeyCommand, job.Command.ID, "kind", job.Command.Kind)
	}
}

func (e *Executor) afterwards(ctx context.Context, job *Job) (err error) {
	defer e.survive(job, &err)
	return job.then(ctx)
}

// wait lets the controller have the result first.
func (e *Executor) wait(ctx context.Context, job *Job) error {
	ctx, cancel := within(ctx, job.Command)
	defer cancel()
	late := time.NewTimer(AckWithin)
	defer late.Stop()
	select {
	case <-job.heard:
	case <-late.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (e *Executor) settle(job *Job) {
	if e.journal.Promised(job.Command.ID) == "" {
		return
	}
	if err := e.journal.Settle(job.Command.ID); err != nil {
		e.log.Error("cannot record that a command is over", logging.KeyCommand, job.Command.ID, logging.KeyError, err)
	}
}

func (e *Executor) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.job.stop(nil)
	e.job = nil
}

// within bounds ctx by a command's deadline.
func within(ctx context.Context, cmd protocol.Command) (context.Context, context.CancelFunc) {
	if cmd.Deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, cmd.Deadline)
}

// survive turns a panic of a deed into its error.
func (e *Executor) survive(job *Job, err *error) {
	if p := recover(); p != nil {
		e.log.Error("deed panicked", logging.KeyCommand, job.Command.ID, "panic", p, "stack", string(debug.Stack()))
		*err = fault.Internal("the agent failed at %s: %v", job.Command.Kind, p)
	}
}

// do calls the deed within its deadline and survives its panic.
func (e *Executor) do(ctx context.Context, job *Job) (err error) {
	defer e.survive(job, &err)
	cmd := job.Command
	deed := e.deeds[cmd.Kind]
	switch {
	case deed == nil: // an older agent took it before an update
		return fault.Refused("this agent cannot %q", cmd.Kind)
	case cmd.Server != job.welcome.ServerID:
		return fault.Refused("command %s is for server %q; this is %q now", cmd.ID, cmd.Server, job.welcome.ServerID)
	case cmd.Epoch < job.Epoch():
		return fault.Refused("command %s is of epoch %d; this server is at epoch %d", cmd.ID, cmd.Epoch, job.Epoch())
	}
	ctx, cancel := within(ctx, cmd)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.journal.Start(cmd.ID); err != nil {
		return err
	}
	e.log.Info("command started", logging.KeyCommand, cmd.ID, "kind", cmd.Kind, logging.KeyOperation, cmd.Operation)
	return deed(ctx, job)
}

// explain says why a deed was interrupted, in words.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errCancelled), errors.Is(context.Cause(ctx), errOver):
		return fault.Refused("stopped: %w", context.Cause(ctx))
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Unavailable("the time allowed was over: %w", err)
	default:
		return err
	}
}

// Cancel asks a waiting or working command to stop. Its result tells how that went.
func (e *Executor) Cancel(c protocol.Cancel) {
	err := fmt.Errorf("%w by the controller: %s", errCancelled, c.Reason)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.job != nil && e.job.Command.ID == c.Command {
		e.job.interrupt(err)
		return
	}
	for _, cmd := range e.queue {
		if cmd.ID == c.Command {
			if e.cancelled == nil {
				e.cancelled = map[string]error{}
			}
			e.cancelled[c.Command] = err
		}
	}
}

// Running is the id of the command in work, or "".
func (e *Executor) Running() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.job == nil {
		return ""
	}
	return e.job.Command.ID
}

// Unacked are the results that no Ack has named.
func (e *Executor) Unacked() []protocol.Result {
	list := e.journal.Unacked()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, res := range e.unwritten {
		list = append(list, res)
	}
	return list
}

// Acked lets go of a result.
func (e *Executor) Acked(command string) {
	if err := e.journal.Ack(command); err != nil {
		e.log.Error("cannot record an acknowledgement", logging.KeyCommand, command, logging.KeyError, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.unwritten, command)
	if e.job != nil && e.job.Command.ID == command {
		e.job.hear()
	}
}

// Progress is the newest progress that was not taken yet.
func (e *Executor) Progress() (protocol.Progress, bool) {
	e.mu.Lock()
	job := e.job
	e.mu.Unlock()
	if job == nil {
		return protocol.Progress{}, false
	}
	return job.take()
}

// Changed signals after something changed; see link.Executor.
func (e *Executor) Changed() <-chan struct{} { return e.changed }

func (e *Executor) announce() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// Close interrupts what is in work, without a result, and waits for it.
func (e *Executor) Close() {
	e.mu.Lock()
	e.closed = true
	if e.job != nil {
		e.job.stop(errStopped)
	}
	e.mu.Unlock()
	e.working.Wait()
}
