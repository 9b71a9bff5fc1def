package operation

import (
	"fmt"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Verb says what reconcile does with a decision.
type Verb string

// Verbs. Every one but None comes with a changed record to store.
const (
	None    Verb = "none"   // nothing to do before Until
	Send    Verb = "send"   // store the record and a command for the current step
	Act     Verb = "act"    // do the current step, an act of the controller, and store the record
	Advance Verb = "step"   // store the record and look again: a step ended
	Recall  Verb = "recall" // store the record and ask the hand to stop the command
	Oust    Verb = "oust"   // store the record and ask the operation that it replaces to end
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
	Result      *protocol.Result // of the current step's command, if it is there
	Asked       bool             // a person was asked to do the current step, alone or beside a hand, and has not said that it is done
	Connected   bool
	Since       time.Time // when the agent connected
	Environment string    // of the agent that is connected
	Rebooted    bool      // the agent came back with another boot id than when the command was sent
	RecalledAt  time.Time // when the current command was asked to stop; zero: it was not
	Ports       int       // switch ports of the server that are configured
	Driver      string    // how the server is switched on and off
	Replaced    string    // state of the operation that this one replaces; "" when there is none
	StopAsked   bool      // that operation was asked to end
	System      bool      // the agent that is connected is that of the system that this operation wrote
	Busy        string    // step of that operation that a hand other than the agent is at; "" none
	Off         bool      // since the current step began the server was seen to be off, and its agent is not connected
	Doubt       string    // since the current step began, and while the agent is away, doubts came up whether this is the machine; "" none
	Free        bool      // the server is nobody's: it may be started in the RAM environment at any time
	Awaited     time.Time // until then an agent that is not connected may come back by itself; zero: it is away
}

// Capable reports whether an agent of the environment may erase and install.
func Capable(environment string) bool {
	return environment != "" && environment != protocol.EnvInstalled && environment != protocol.EnvRescue
}

// Entered reports whether an agent of the environment is the one that an operation of a kind leads its server to in memory.
func Entered(kind, environment string) bool {
	if kind == Rescue {
		return environment == protocol.EnvRescue
	}
	return Capable(environment)
}

// recallGrace is how long a hand may take to stop a command when asked.
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
	case op.Current < len(op.Steps) && op.Steps[op.Current].State == StepSent:
		if op.ReplacedBy != "" && in.Asked { // a person need not do it any more
			op.Steps[op.Current].State = StepPending
			return say(op, Advance, "operation "+op.ReplacedBy+" takes the server", now)
		}
		if d, ok := relieve(op, in, now); ok {
			return d
		}
		return answered(op, in, now)
	}
	return proceed(op, in, now)
}

// proceed starts the next step that there is something to do in. Two operations never have
// their hands on one device: what the replaced one was at is waited for.
func proceed(op Operation, in Input, now time.Time) Decision {
	if in.Busy != "" {
		return Decision{Verb: None, Op: op}
	}
	op = wakeAgain(op, in)
	for ; op.Current < len(op.Steps); op.Current++ {
		s := &op.Steps[op.Current]
		if s.State == StepDone || s.State == StepSkipped || s.State == StepNothing {
			continue
		}
		if why := needless(s, op, in); why != "" {
			s.State, s.FinishedAt, s.Detail = StepNothing, now, why
			continue
		}
		if op.ReplacedBy != "" { // the rest is not done any more; it is canceled soon
			return Decision{Verb: None, Op: op}
		}
		if s.Hand == HandController {
			if d, waits := control(op, in, now); waits {
				return d
			}
			continue
		}
		return start(op, in, now)
	}
	return closed(op, Done, "done", now)
}

// wakeAgain puts a start into the RAM environment before a step that needs the agent and is to be tried
// again while the agent is not there: somebody may have started another system meanwhile. A system that did not
// report is started again too.
func wakeAgain(op Operation, in Input) Operation {
	if op.Current < len(op.Steps) && !in.System {
		if s := op.Steps[op.Current]; s.Command == ActAwaitSystem && s.State == StepPending && s.Attempt > 0 && s.StartedAt.IsZero() {
			again := bootDisk()
			again.Attempt, again.Retries = s.Attempt, s.Attempt+outsideRetries // ids of commands count on
			op.Steps = slices.Insert(op.Steps, op.Current, again)
			return op
		}
	}
	if in.Connected || op.Current >= len(op.Steps) || !outofband.Switched(in.Driver) || !belongsInRAM(op, in) {
		return op
	}
	s := op.Steps[op.Current]
	if s.Hand != HandAgent && s.Command != ActAwaitAgent || s.State != StepPending || s.Attempt == 0 || !s.StartedAt.IsZero() {
		return op
	}
	on := power("power-on", CommandPowerOn, &PowerAct{Boot: BootRAM})
	on.Attempt, on.Retries = s.Attempt, s.Attempt+outsideRetries // ids of commands count on
	again := []Step{on}
	if s.Hand == HandAgent {
		again = append(again, act(ActAwaitAgent))
	}
	op.Steps = slices.Insert(op.Steps, op.Current, again...)
	return op
}

// belongsInRAM reports whether what an operation still wants of an agent is wanted in the RAM environment, or in its mode for a rescue. Only diagnostics run beside a
// customer's system too, which is not cut off for them.
func belongsInRAM(op Operation, in Input) bool {
	return op.Kind == Delete || op.Kind == Install || op.Kind == Erase || op.Kind == Rescue || op.Kind == Diagnose && in.Free
}

// needless tells why there is nothing to do in a step.
func needless(s *Step, op Operation, in Input) string {
	switch {
	case s.Hand == HandPorts && in.Ports == 0:
		return "no switch ports are configured"
	case s.Command == CommandPowerOn && !outofband.Switched(in.Driver) && in.Connected && (s.Power.Boot == BootDisk || Entered(op.Kind, in.Environment)):
		return "it is on: its agent is connected"
	case s.Command == CommandPowerOff && in.Environment == protocol.EnvSandbox:
		return "the agent's machine is not its own to switch off"
	case s.Command == ActStopRunning && op.Replaces == "":
		return "no operation was running"
	}
	return ""
}

// control does what the controller does by itself: at once, or when something that it waits for is true.
func control(op Operation, in Input, now time.Time) (d Decision, waits bool) {
	s := &op.Steps[op.Current]
	begins := s.StartedAt.IsZero()
	if begins {
		s.StartedAt, s.Deadline = now, now.Add(s.Allowed)
		s.Attempt++
	}
	switch {
	case s.Command == ActMovePlacements && begins: // its time is stored before anything is moved
		return say(op, Advance, "what was copied is recorded on server "+op.Params.To, now), true
	case s.Command == ActMovePlacements && now.Before(s.Deadline):
		return Decision{Verb: Act, Op: op}, true // whoever does it says when it is done
	case s.Command == ActAwaitAgent && in.Connected && Entered(op.Kind, in.Environment):
		s.State, s.FinishedAt, s.Detail = StepDone, now, "connected"
		return d, false
	case s.Command == ActStopRunning && in.Replaced != "" && !Final(in.Replaced) && !in.StopAsked:
		return say(op, Oust, "waiting for operation "+op.Replaces+" to stop", now), true
	case s.Command == ActAwaitSystem && in.System:
		s.State, s.FinishedAt, s.Detail = StepDone, now, "its agent reports"
		return d, false
	case s.Command == ActRemoveAddresses, s.Command == ActRemoveOwner, s.Command == ActStopRunning && (in.Replaced == "" || Final(in.Replaced)):
		s.State, s.FinishedAt = StepDone, now
		return say(op, Act, "step "+s.Name+" is done", now), true
	case in.Doubt != "" && s.Command == ActAwaitAgent:
		return failed(op, doubted(in), now), true
	case in.Off && (s.Command == ActAwaitAgent || s.Command == ActAwaitSystem) && s.Attempt <= outsideRetries:
		s.StartedAt = time.Time{} // started again, by wakeAgain
		return say(op, Advance, "the server was turned off while it started; it is started again", now), true
	case !now.Before(s.Deadline) && s.Command == ActAwaitAgent && s.Attempt == 1 && !in.Connected && outofband.Switched(in.Driver) && belongsInRAM(op, in):
		s.StartedAt = time.Time{} // started again, by wakeAgain: firmware that hangs once is no reason to wake a person
		return say(op, Advance, "the agent did not come in "+s.Allowed.String()+"; the server is started again", now), true
	case !now.Before(s.Deadline):
		return failed(op, fault.Unavailable("step %s was not done within %s; %s", s.Name, s.Allowed, awaited(s)), now), true
	}
	if again, ok := ledBack(op, in, now); ok {
		return again, true
	}
	message := "waiting for operation " + op.Replaces + " to stop"
	if s.Command != ActStopRunning {
		message = awaited(s)
	}
	if op.Message != message {
		return say(op, Advance, message, now), true
	}
	return Decision{Verb: None, Op: op, Until: until(s, in, now)}, true
}

// backWithin is how long a system that is told to give way may still be seen before it counts as one that came back.
const backWithin = 5 * time.Minute

// until is when a step of the controller is to be looked at again.
func until(s *Step, in Input, now time.Time) time.Time {
	if back := s.StartedAt.Add(backWithin); s.Command == ActAwaitAgent && inSystem(in) && now.Before(back) {
		return earlier(back, s.Deadline)
	}
	return s.Deadline
}

// inSystem reports whether a server that only its agent can switch is in its installed system.
func inSystem(in Input) bool {
	return in.Connected && in.Environment == protocol.EnvInstalled && !outofband.Switched(in.Driver)
}

// ledBack leads a server once more into the RAM environment whose own system was to do so and is there again: by another way.
func ledBack(op Operation, in Input, now time.Time) (Decision, bool) {
	s := op.Steps[op.Current]
	if s.Command != ActAwaitAgent || !inSystem(in) || now.Before(s.StartedAt.Add(backWithin)) {
		return Decision{}, false
	}
	before := Step{}
	for _, b := range op.Steps[:op.Current] {
		if b.Command == CommandPowerOn && b.Power.Boot == BootRAM && b.State == StepDone {
			before = b
		}
	}
	if before.Tries() != 1 { // it was tried before
		return Decision{}, false
	}
	on := power("power-on", CommandPowerOn, &PowerAct{Boot: BootRAM})
	on.Attempt, on.Retries = before.Attempt, before.Attempt+outsideRetries // ids of commands count on
	op.Steps[op.Current] = act(ActAwaitAgent)
	op.Steps = slices.Insert(op.Steps, op.Current, on)
	return say(op, Advance, "the installed system started again instead of the RAM environment; another way is tried", now), true
}

func awaited(s *Step) string {
	switch s.Command {
	case ActAwaitAgent:
		return "waiting for the agent in the RAM environment; look at the server's console if it does not come"
	case ActAwaitSystem:
		return "waiting for the installed system to report; look at the server's console if it does not come"
	case ActMovePlacements:
		return "what customers have on the server could not be recorded on the other one; see the log of the controller, then retry"
	}
	return "the operation that runs cannot be interrupted"
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
// not meet it, but not for ever: only what cannot be interrupted has its whole time (A11).
func cancel(op Operation, in Input, now time.Time) Decision {
	message := "canceled by " + op.CancelAsked.Actor
	if op.CancelAsked.Reason != "" {
		message += ": " + op.CancelAsked.Reason
	}
	if op.Current >= len(op.Steps) || op.Steps[op.Current].State != StepSent || op.Steps[op.Current].Hand == HandPerson || in.Result != nil {
		return closed(op, Canceled, message, now)
	}
	s := op.Steps[op.Current]
	if in.RecalledAt.IsZero() {
		return say(op, Recall, "waiting for step "+s.Name+" to stop", now)
	}
	until := in.RecalledAt.Add(recallGrace)
	if s.Progress != nil && s.Progress.Final && in.Connected {
		until = in.RecalledAt.Add(uninterrupted)
	}
	if now.Before(until) {
		return Decision{Verb: None, Op: op, Until: until}
	}
	return closed(op, Canceled, message+" (it was not answered that it stopped)", now)
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
		return late(op, in, overdue(op, in), now)
	case now.Before(s.NotBefore):
		return Decision{Verb: None, Op: op, Until: earlier(s.NotBefore, op.Deadline)}
	case now.Before(in.Awaited) && agentWould(s, in):
		return awaitBack(op, in, now)
	}
	s.Attempt++
	s.State, s.StartedAt, s.Progress, s.ProgressAt = StepSent, now, nil, time.Time{}
	s.CommandID = fmt.Sprintf("%s-%d-%d", op.ID, op.Current, s.Attempt)
	s.Deadline = earlier(now.Add(s.Allowed), op.Deadline)
	return say(op, Send, waitingFor(s, in), now)
}

func waitingFor(s *Step, in Input) string {
	switch {
	case s.Hand == HandPower:
		return "waiting for the management controller: " + s.Name
	case s.Hand == HandPorts:
		return "waiting for the switch: " + s.Name
	case s.Hand == HandPerson:
		return "waiting for a person: " + s.Name
	case !in.Connected:
		return "waiting for the agent to connect, then: " + s.Name
	}
	return "waiting for the agent: " + s.Name
}

// ByPerson gives the current step, just sent, the time that a person needs.
func ByPerson(op Operation, now time.Time) Operation {
	s := &op.Steps[op.Current]
	s.Deadline = now.Add(PersonAllowed)
	if op.Deadline.Before(s.Deadline) {
		op.Deadline = s.Deadline
	}
	op.Message, op.MessageAt = "waiting for a person: "+s.Name+"; see the task", now
	return op
}

// Refuse ends the current step before its command was made: what it needs is not there.
func Refuse(op Operation, f *fault.Fault, now time.Time) Decision { return failed(op, f, now) }

func answered(op Operation, in Input, now time.Time) Decision {
	s := &op.Steps[op.Current]
	switch {
	case in.Result != nil && in.Result.Fault == nil && !in.Asked && finished(s, in):
		s.State, s.FinishedAt, s.Fault, s.Detail = StepDone, now, nil, in.Result.Detail
		return proceed(op, in, now)
	case in.Result != nil && in.Result.Fault != nil:
		return failed(op, in.Result.Fault, now)
	case !now.Before(op.Deadline):
		return late(op, in, overdue(op, in), now)
	case in.Doubt != "" && s.Hand == HandAgent:
		return failed(op, doubted(in), now)
	case in.Off && s.Hand == HandAgent && s.Command != protocol.CommandReboot:
		return failed(op, fault.Unavailable("the server was turned off during step %s", s.Name), now)
	case !now.Before(s.Deadline):
		return failed(op, fault.Unavailable("step %s was not answered within %s", s.Name, s.Allowed), now)
	}
	until := earlier(s.Deadline, op.Deadline)
	if silent := silentUntil(s, in); !silent.IsZero() {
		if !now.Before(silent) {
			return late(op, in, stuck(s, now), now)
		}
		until = earlier(until, silent)
	}
	return Decision{Verb: None, Op: op, Until: until}
}

// doubted refuses to go on with a machine that may be another one: a person has to look first (rules X1, B44).
func doubted(in Input) *fault.Fault {
	return fault.Refused("%s. Nothing more is done to it before a person has looked: put right what was changed, end its quarantine, then retry", in.Doubt)
}

// finished tells whether what an agent answered before the deed has come true.
func finished(s *Step, in Input) bool {
	switch {
	case s.Command == protocol.CommandReboot:
		return in.Rebooted
	case (s.Command == CommandBootDisk || s.Command == CommandPowerOn && s.Power.Boot == BootRAM) && !outofband.Switched(in.Driver):
		return !in.Connected || in.Rebooted // the agent did it: it answered before
	case s.Command == CommandPowerOff && !outofband.Switched(in.Driver):
		return !in.Connected || in.Rebooted // off, and on again before anybody looked
	}
	return true
}

// failed tries again while attempts are left and the fault may pass; then a
// person decides. Diagnostics, inspections and power actions of their own need nobody: they end, and say so.
func failed(op Operation, f *fault.Fault, now time.Time) Decision {
	s := &op.Steps[op.Current]
	s.Fault = f
	if s.Tries() <= s.Retries && retryable(f) {
		s.State, s.NotBefore, s.StartedAt = StepPending, now.Add(backoff(s.Attempt)), time.Time{}
		return say(op, Advance, fmt.Sprintf("step %s failed and is tried again: %s", s.Name, f.Message), now)
	}
	s.State, s.FinishedAt = StepFailed, now
	op.Fault = f
	message := "step " + s.Name + " failed: " + f.Error()
	if op.Kind == Diagnose || op.Kind == Power || op.Kind == Inspect {
		return closed(op, Failed, message, now)
	}
	op.State, op.Deadline = Held, now.Add(HoldAllowed)
	return say(op, Hold, message, now)
}

// overdue is the fault of an operation whose time is over.
func overdue(op Operation, in Input) *fault.Fault {
	s, allowed := op.Steps[op.Current], op.Deadline.Sub(op.CreatedAt).Round(time.Second)
	if !in.Connected {
		return fault.Unavailable("%s did not finish within %s; the last step was %s, and the agent is away: it is told when it comes back", op.Kind, allowed, s.Name)
	}
	return fault.Unavailable("%s did not finish within %s; the last step was %s", op.Kind, allowed, s.Name)
}

// late ends an operation whose time is over, or that does not get on. A command in work is asked to stop first, so that
// it does not go on behind the next operation; an agent that is away stops it when it comes back
// and hears of the newer epoch (rule B16).
func late(op Operation, in Input, f *fault.Fault, now time.Time) Decision {
	s := &op.Steps[op.Current]
	if s.State == StepSent && s.Hand == HandAgent && in.Connected {
		if in.RecalledAt.IsZero() {
			return say(op, Recall, f.Message+"; waiting for the agent to stop", now)
		}
		if until := in.RecalledAt.Add(recallGrace); now.Before(until) {
			return Decision{Verb: None, Op: op, Until: until}
		}
	}
	s.State, s.FinishedAt, s.Fault, op.Fault = StepFailed, now, f, f
	if op.Kind == Delete || op.Kind == Stop || op.Kind == Resume || op.Kind == Rescue || op.Kind == MoveContent {
		op.State, op.Deadline = Held, now.Add(HoldAllowed)
		return say(op, Hold, f.Message, now)
	}
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
